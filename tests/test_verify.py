"""`huracan verify`: each check passes on a sound installation and fails when its thing is broken."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

import huracan.policy
from huracan.config import DatabaseSettings, RaySettings, Settings, load_settings
from huracan.errors import ArtefactError, ConfigError, DatabaseError, InvariantError, ServeError
from huracan.memory import EmbeddedServer, connect, schema
from huracan.policy import Decision, artefact
from huracan.verify import (
    Check,
    check_compiled,
    check_database,
    check_dependencies,
    check_home,
    check_policy_round_trip,
    check_python,
    check_ray,
    check_served,
    checks,
    verify,
)

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def _database(engine: Engine) -> Settings:
    url = SecretStr(engine.url.render_as_string(hide_password=False))
    return Settings(database=DatabaseSettings(url=url, connect_timeout_s=2))


def test_every_check_runs_whatever_the_others_do() -> None:
    """A refusal and a crash are findings with their line; the checks after them still run."""

    def fails() -> str:
        raise ConfigError("two\nlines")

    def crashes() -> str:
        raise ZeroDivisionError("oops")

    found = verify((Check("a", fails), Check("b", crashes), Check("c", lambda: "fine")))
    assert [(item.name, item.passed) for item in found] == [("a", False), ("b", False), ("c", True)]
    assert [item.detail for item in found] == [
        "two lines",
        "ZeroDivisionError: oops; reinstall with `make setup`",
        "fine",
    ]


def test_everything_promised_is_checked() -> None:
    """A configuration that cannot be loaded is a finding of the checks that need it, not the end of them."""

    def broken() -> Settings:
        return load_settings(None, {"nothing": 1}, {})

    names = [check.name for check in checks(broken)]
    assert names == [
        "python", "dependencies", "configuration", "home", "database", "schema", "artefacts", "disk", "clock",
        "heartbeats", "notices", "policy", "ray", "served", "compiled code",
    ]  # fmt: skip
    needing = [check for check in checks(broken) if check.name in ("configuration", "database", "ray")]
    assert [(item.passed, item.detail) for item in verify(tuple(needing))] == [
        (False, "configuration (environment or command line): unknown key nothing")
    ] * 3


@pytest.mark.parametrize(("version", "fine"), [((3, 10), False), ((3, 11), True), ((3, 12), True), ((3, 13), False)])
def test_python_must_be_one_we_support(version: tuple[int, int], fine: bool) -> None:
    """3.11 and 3.12 pass, others fail."""
    if fine:
        assert check_python(version) == f"3.{version[1]}"
    else:
        with pytest.raises(ConfigError, match=r"3\.11 or 3\.12"):
            check_python(version)


def test_another_version_of_a_dependency_is_found(tmp_path: Path) -> None:
    """The installed packages are the pinned ones; one pin changed, or no file of pins, fails."""
    assert "as pinned" in check_dependencies(CONSTRAINTS)
    changed = tmp_path / "constraints.txt"
    pins = CONSTRAINTS.read_text().splitlines()
    changed.write_text("\n".join("click==1.2.3" if line.startswith("click==") else line for line in pins))
    with pytest.raises(ConfigError, match=r"click [\d.]+ instead of 1\.2\.3"):
        check_dependencies(changed)
    with pytest.raises(ConfigError, match="cannot be read"):
        check_dependencies(tmp_path / "none.txt")


def _distribution(folder: Path, name: str, *requirements: str) -> None:
    """Install a package of version 1.0 that is nothing but its metadata."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 1.0",
        *(f"Requires-Dist: {one}" for one in requirements),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_what_a_dependency_needs_must_be_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that only another one needs, or an extra of it, is missed; what only other machines need is not."""
    monkeypatch.syspath_prepend(tmp_path)
    pins = tmp_path / "constraints.txt"
    pins.write_text("probe-b==1.0\nprobe-c==1.0\nprobe-elsewhere==1.0\n")
    _distribution(
        tmp_path, "probe_a", "probe-b[fast]", 'probe-elsewhere; python_version < "3"', 'probe-x; extra == "x"'
    )
    _distribution(tmp_path, "probe_b", 'Probe_C>=1; extra == "fast"', "probe_a")
    with pytest.raises(ConfigError, match=r"1 packages differ .*: probe-c is not installed \(probe-b needs it\); run"):
        check_dependencies(pins, "probe-a")
    _distribution(tmp_path, "probe_c")
    assert check_dependencies(pins, "probe-a") == "2 packages as pinned"
    with pytest.raises(ConfigError, match=r"probe-none is not installed \(the checkout needs it\)"):
        check_dependencies(pins, "probe-none")


def test_a_home_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    """A folder passes, also one still to be made, and keeps no trace; a file in its place fails."""
    assert check_home(tmp_path / "new" / "home") == str(tmp_path / "new" / "home")
    assert list((tmp_path / "new" / "home").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="HURACAN_HOME"):
        check_home(tmp_path / "file")


@pytest.mark.postgres
def test_a_database_without_all_its_tables_is_found(
    database: Engine, database_server: EmbeddedServer, empty_database_url: str
) -> None:
    """A whole schema passes; a lost table, no schema, and no server fail."""
    assert "pgvector" in check_database(_database(database))
    database_server.create_database("verify_lost")
    lost = connect(database_server.url("verify_lost"))
    schema.upgrade(lost)
    with lost.begin() as connection:
        connection.execute(text("DROP TABLE loss_analysis"))
    with pytest.raises(DatabaseError, match="lacks loss_analysis"):
        check_database(_database(lost))
    with pytest.raises(DatabaseError, match="huracan db upgrade"):
        check_database(_database(connect(empty_database_url)))
    with pytest.raises(DatabaseError, match="unreachable"):
        check_database(Settings(database=DatabaseSettings(url=SecretStr("postgresql://u:p@127.0.0.1:1/d"))))
    lost.dispose()


@pytest.mark.postgres
def test_a_database_without_pgvector_is_found(database_server: EmbeddedServer) -> None:
    """When the vector type is gone, the check fails although all tables it looks for are there."""
    database_server.create_database("verify_plain")
    engine = connect(database_server.url("verify_plain"))
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP EXTENSION vector CASCADE"))
    (outcome,) = verify((Check("database", lambda: check_database(_database(engine))),))
    assert not outcome.passed
    assert "vector" in outcome.detail
    engine.dispose()


def test_a_policy_that_changes_on_its_way_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round trip passes and leaves nothing behind; a decision off by one bit after loading fails."""
    assert "decides as before" in check_policy_round_trip(tmp_path)
    assert list(tmp_path.iterdir()) == []
    decide, calls = huracan.policy.decide, []

    def drifting(nets: list, states: np.ndarray) -> Decision:
        found = decide(nets, states)
        calls.append(1)
        if len(calls) == 2:
            found.log_prob[0] = np.nextafter(found.log_prob[0], -np.inf)
        return found

    monkeypatch.setattr(huracan.policy, "decide", drifting)
    with pytest.raises(InvariantError, match="after export and load"):
        check_policy_round_trip(tmp_path)


def test_a_loader_that_takes_anything_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When damaged weights load without complaint, the check fails."""
    load, last = artefact.load_artefact, []

    def trusting(folder: Path) -> artefact.Artefact:
        with suppress(ArtefactError):
            last.append(load(folder))
        return last[-1]

    monkeypatch.setattr(artefact, "load_artefact", trusting)
    with pytest.raises(InvariantError, match="flipped byte was loaded"):
        check_policy_round_trip(tmp_path)


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this session's cache with all that a warm-up leaves in it."""
    subprocess.run([sys.executable, "-m", "huracan.env.warm"], capture_output=True, check=True)
    return Path(shutil.copytree(os.environ["NUMBA_CACHE_DIR"], tmp_path_factory.mktemp("numba") / "whole"))


FIRST = "universe.universe_run"  # the first function that a warm-up calls


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("suffix", "content", "found"),
    [
        ("nbi", None, rf"lacks compiled code, first of .*{FIRST}; run `python -m huracan\.env\.warm`"),
        ("nbc", None, rf"lacks compiled code, first of .*{FIRST}; run"),
        ("nbi", b"", r"cannot be used \(EOFError.*\); remove .* and run `python -m huracan\.env\.warm`"),
        ("nbc", b"\x80", r"cannot be used \(.*\); remove .* and run"),
    ],
    ids=["no index", "no code", "empty index", "cut-off code"],
)
def test_a_cache_that_is_not_whole_is_found(
    warm_cache: Path, tmp_path: Path, suffix: str, content: bytes | None, found: str
) -> None:
    """What a warm-up left passes; one function's file gone or damaged fails and names the command that mends it."""
    assert "nothing to compile" in check_compiled(warm_cache)
    cache = Path(shutil.copytree(warm_cache, tmp_path / "numba"))
    files = list(cache.rglob(f"{FIRST}-*.{suffix}"))
    assert files
    for file in files:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
    with pytest.raises(ConfigError, match=found):
        check_compiled(cache)


def test_a_cold_cache_is_found_and_left_cold(tmp_path: Path) -> None:
    """An empty cache fails by the first function it lacks; to look compiles nothing."""
    with pytest.raises(ConfigError, match=r"lacks compiled code, first of huracan\."):
        check_compiled(tmp_path)
    assert not list(tmp_path.rglob("*.nb*"))


@pytest.mark.ray
def test_ray_starts_with_its_token_and_runs_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local instance runs a task in another process; without a token, or with one others can read, none starts."""
    settings = RaySettings(num_cpus=2, object_store_mb=80)
    assert "2 CPUs, a task ran in process" in check_ray(settings)
    token = tmp_path / "token"
    token.write_text("x" * 64)
    token.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    with pytest.raises(ConfigError, match="can be read by other users"):
        check_ray(settings)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ConfigError, match="without token authentication"):
        check_ray(settings)


def test_what_is_served_need_not_run(tmp_path: Path) -> None:
    """A cluster that was never started is no fault; one that is remembered and does not answer is."""
    assert "no cluster" in check_served(tmp_path)
    (tmp_path / "ray").mkdir()
    mine = psutil.Process()
    head = {"pid": mine.pid, "created_s": mine.create_time(), "address": "127.0.0.1:1", "dashboard": "http://127.0.0.1:1",
            "folder": str(tmp_path)}  # fmt: skip
    (tmp_path / "ray" / "head.json").write_text(json.dumps(head))
    with pytest.raises(ServeError, match="does not answer"):
        check_served(tmp_path)
