"""Deep checks of `huracan verify`: what is stored and served, disk, clocks and heartbeats, each done and not asked.

A check returns what it found in a line, or raises `HuracanError` saying what is wrong and what to do.
"""

import json
import shutil
import time
import urllib.request
from os import statvfs
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from huracan.config import Settings
from huracan.errors import ArtefactError, ConfigError, DatabaseError, HuracanError, RefusedError
from huracan.health.channels import open_channels
from huracan.health.expected import denies, watches_of
from huracan.health.store import MONITOR
from huracan.memory import Registry, schema, translated
from huracan.memory.heartbeats import read_heartbeats
from huracan.signals.selection import select
from huracan.signals.versions import load_version

__all__ = ["check_artefacts", "check_clock", "check_disk", "check_heartbeats", "check_notices", "check_schema", "drift"]

_WAL_MB: Final = 1_024  # Postgres' max_wal_size: what a burst of writes takes before a checkpoint gives it back
_INODES_FRAC: Final = 0.01
_TIMES: Final = 5
_VENUE_S: Final = 5.0
_SHOWN: Final = 3
_SPACE: Final = "huracan_verify"

_DESCRIBED: Final[dict[str, str]] = {
    "column": """SELECT table_name || '.' || column_name, concat_ws(' ', data_type, udt_name, is_nullable,
            CASE WHEN column_default LIKE 'nextval%' THEN 'serial' ELSE column_default END, is_identity)
        FROM information_schema.columns WHERE table_schema = :space""",
    "constraint": """SELECT c.relname || '.' || conname, pg_get_constraintdef(p.oid) FROM pg_constraint p
        JOIN pg_class c ON c.oid = p.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :space""",
    "index": "SELECT tablename || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname = :space",
    "trigger": """SELECT c.relname || '.' || tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = :space AND NOT tgisinternal""",
    "view": "SELECT viewname, definition FROM pg_views WHERE schemaname = :space",
    "function": """SELECT proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', prosrc FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
        WHERE n.nspname = :space AND d.objid IS NULL""",
}


def check_schema(engine: Engine) -> str:
    """Return how much of the schema was compared, when it is what this version's migrations make of nothing.

    Raises:
        DatabaseError: something differs; it is named.
    """
    found, count = drift(engine)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DatabaseError(
            f"the database differs from schema {schema.head()}: {'; '.join(found[:_SHOWN])}{more}; somebody has "
            "changed it by hand: undo that, or restore a backup"
        )
    return f"{count} columns, constraints, indexes, triggers, views and functions as the migrations make them"


def drift(engine: Engine) -> tuple[tuple[str, ...], int]:
    """Return where a database differs from what the migrations make of nothing, and how many things were compared.

    The migrations are run beside it, in a schema of their own and in a transaction that is taken back.
    """
    with translated(engine), engine.connect() as connection:
        transaction = connection.begin()
        try:
            ours: str = connection.execute(text("SELECT current_schema()")).scalar_one()
            actual = _described(connection, ours)
            connection.execute(text(f"CREATE SCHEMA {_SPACE}"))
            connection.execute(text(f"CREATE TABLE {_SPACE}.alembic_version (version_num text NOT NULL)"))
            connection.execute(text(f"SET LOCAL search_path TO {_SPACE}, {ours}"))
            schema.run_migrations(connection)
            wanted = _described(connection, _SPACE)
        finally:
            transaction.rollback()
    rows = []
    for key in sorted(actual.keys() | wanted.keys()):
        if key not in actual:
            rows.append(f"{key} is missing")
        elif key in wanted and actual[key] != wanted[key]:
            rows.append(f"{key} is another one")
        elif key not in wanted and key.split()[1].split(".")[0] in {*schema.TABLES}:
            rows.append(f"{key} is not ours")
    return tuple(rows), len(wanted)


def _described(connection: Connection, space: str) -> dict[str, str]:
    found = {}
    for kind, question in _DESCRIBED.items():
        for name, words in connection.execute(text(question), {"space": space}):
            if not str(name).startswith("alembic_version"):
                found[f"{kind} {name}"] = " ".join(str(words).replace(f"{space}.", "").split())
    return found


def check_artefacts(engine: Engine, settings: Settings) -> str:
    """Return how many versions could be loaded: all that decide, may decide soon, or trade beside.

    Raises:
        ArtefactError: a file is missing or was changed.
    """
    models = Registry(engine).models()
    chosen = select(models, "paper", settings.serve.versions)
    staged = [model for model in models if model.stage in ("champion", "shadow")]
    wanted = {model.version: model for model in (*chosen.served, *chosen.shadows, *staged)}
    wrong = []
    for model in wanted.values():
        try:
            load_version(model)
        except HuracanError as error:
            wrong.append(f"{model.version} ({model.stage}): {error}")
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ArtefactError(f"{len(wrong)} of {len(wanted)} versions cannot be loaded: {wrong[0]}{more}")
    return (
        f"{len(wanted)} of {len(models)} versions loaded and as they were registered" if models else "no versions yet"
    )


def check_disk(home: Path, settings: Settings) -> str:
    """Return what is free under HURACAN_HOME, when it is enough for what may have to be written at once.

    That is the monitor's buffer, warnings of all processes, and what Postgres writes before it gives any back.

    Raises:
        ConfigError: too little room, or too few files may be made.
    """
    health = settings.health
    needed_mb = health.buffer_max_mb + health.errors_max_mb + _WAL_MB
    free_mb = shutil.disk_usage(home).free / 1e6
    facts = statvfs(home)
    if free_mb < needed_mb:
        raise ConfigError(
            f"{home}: {free_mb:,.0f} MB are free, {needed_mb:,.0f} MB may be needed at once; free some space, or set "
            "health.buffer_max_mb"
        )
    if facts.f_files and facts.f_favail / facts.f_files < _INODES_FRAC:
        raise ConfigError(f"{home}: only {facts.f_favail:,} more files can be made there; remove some")
    return f"{free_mb / 1e3:,.1f} GB free, {needed_mb / 1e3:,.1f} GB may be needed at once"


def check_clock(engine: Engine, settings: Settings) -> str:
    """Return how far this clock is from the database's, and from the exchange's where one is configured and answers.

    Of some tries the quickest counts; half of its round trip is what is not known.

    Raises:
        RefusedError: further than `risk.clock_skew_max_ms`: entries would be denied with CLOCK_SKEW.
    """
    limit_ms = settings.risk.clock_skew_max_ms
    with translated(engine), engine.connect() as connection:
        question = text("SELECT extract(epoch FROM clock_timestamp()) * 1000")
        words = [_skew("the database", lambda: float(connection.execute(question).scalar_one()), limit_ms)]
    if settings.execution.url is not None:
        try:
            words.append(_skew("the exchange", lambda: _venue_ms(str(settings.execution.url)), limit_ms))
        except OSError:
            words.append("the exchange does not answer")
    return ", ".join(words)


def _skew(whose: str, ask: Any, limit_ms: float) -> str:
    tries = []
    for _ in range(_TIMES):
        begun_s, wall_ms = time.perf_counter(), time.time() * 1e3
        theirs_ms = ask()
        half_ms = (time.perf_counter() - begun_s) * 500
        tries.append((half_ms, wall_ms + half_ms - theirs_ms))
    half_ms, skew_ms = min(tries)
    if abs(skew_ms) - half_ms > limit_ms:
        raise RefusedError(
            f"this clock is {skew_ms:+,.0f} ms from that of {whose}, the limit is {limit_ms:g} ms: no entry would be "
            "allowed; let this machine's clock be set (chrony, systemd-timesyncd)"
        )
    return f"{skew_ms:+.0f} ms from {whose} (within {half_ms:.0f} ms)"


def _venue_ms(url: str) -> float:
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/v3/time", timeout=_VENUE_S) as reply:  # noqa: S310 - configured
        return float(json.load(reply)["serverTime"])


def check_heartbeats(engine: Engine, settings: Settings) -> str:
    """Return who says that it works, when nobody who should is silent.

    Raises:
        RefusedError: the monitor is silent, or none runs, and a trader denies entries for it: a live one always does.
    """
    limit_s = settings.health.monitor_silent_s
    beats = {one.process: one for one in read_heartbeats(engine)}
    monitor = beats.get(MONITOR)
    watches = watches_of(engine, settings.health, monitor)
    _, paper = denies(settings.health, "paper", None if monitor is None else monitor.age_s)
    denied = [f"{one.account} ({one.mode})" for one in watches if one.denied]
    if denied or (paper and not watches):
        whose = f" of {', '.join(denied)}" if denied else ""
        if monitor is not None:
            raise RefusedError(
                f"the monitor {monitor.holder} has been silent for {monitor.age_s:,.0f} s, the limit is {limit_s:g} s: "
                f"entries{whose} are denied; run `huracan serve up` or `huracan monitor run`; or `huracan monitor "
                "stop`, if there is to be none"
            )
        raise RefusedError(f"a monitor is expected and none runs: entries{whose} are denied; run `huracan monitor run`")
    return (
        ", ".join(f"{name} {one.age_s:.0f} s ago" for name, one in beats.items()) or "nobody runs, nobody is expected"
    )


def check_notices(settings: Settings) -> str:
    """Return who would be told; nothing is sent.

    Raises:
        ConfigError: an address is none.
    """
    channels = open_channels(settings.notices.destinations)
    return (
        f"{', '.join(one.name for one in channels)} told"
        if channels
        else "nobody is told: notices.destinations is empty"
    )
