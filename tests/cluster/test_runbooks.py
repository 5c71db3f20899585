"""Runbooks: every command exists, and those of one machine do what the runbook says."""

import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg2 import sql
from sqlalchemy import text

from huracan.config import Settings
from huracan.memory import EmbeddedServer, Registry, connect, list_runs, open_run, schema
from huracan.signals.auth import TokenBook, token_file
from tests.cluster.cloud import ROOT, cloud, why_not
from tests.cluster.runbooks import FOLDER, Block, blocks, problems, run_blocks
from tests.jobs.shell import run_line
from tests.memory.own_server import by_tcp, own_server
from tests.trader.processes import ENTER, ROUND_TRIPS, START, WAIT_S, World, until, write_candles

FENCED = 1
"""Exit code of a trader that lost its lease."""


@pytest.mark.parametrize("block", blocks(), ids=lambda one: one.file)
def test_every_command_exists(block: Block) -> None:
    """Programs, commands, options, files and objects are there."""
    lines = block.text.replace("\\\n", " ").splitlines()
    assert [problem for line in lines if not line.startswith("#") for problem in problems(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "huracan trade halt",
        "huracan models rollback --because x",
        "ray job cancel x",
        "ray exec cluster/ray-up/aws.yaml 'ray jobs'",
        "kubectl explode pod x",
        "kubectl scale deployment/huracan-trader --replicas=0",
        "kubectl apply -f cluster/kuberay/nothing.yaml",
        "kubectl delete secret huracan-nothing --namespace huracan",
        "(umask 077; huracan db dump > /dev/null)",
        "TOKEN=$(huracan serve token make me)",
        "helm upgrade huracan",
    ],
)
def test_the_check_can_fail(line: str) -> None:
    """What there is not is noticed, also inside other commands."""
    assert problems(line)


def test_every_runbook_is_listed() -> None:
    """The table of runbooks and the folder hold the same."""
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")
    files = [block.file for block in blocks() if block.runs]
    assert set(files) == set(listed) - {"deploy.md"}, "deploy is about clouds: see `test_ray_up_runs.py`"


# ---- as written, on one machine -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """An embedded Postgres of this module's own, at the newest schema: runbooks are about a whole server."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    found = EmbeddedServer(home)
    engine = connect(found.start())
    schema.upgrade(engine)
    engine.dispose()
    yield found
    found.stop()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with that server and an exchange."""
    found = World(server.status().data_folder.parents[1], server.url())
    folder = write_candles(tmp_path_factory.mktemp("candles"))
    words = [word for account in ("main", "kept") for word in ("--account", account)]
    with found.exchange(folder, "--speed", "60x", "--start", START, *words):
        yield found


@pytest.fixture
def shell(world: World) -> dict[str, str]:
    """An operator's environment: the embedded server is found by HURACAN_HOME."""
    environment = world.environment | {"HURACAN__EXECUTION__URL": world.url, "EXCHANGE": world.url}
    del environment["HURACAN__DATABASE__URL"]
    return environment


@pytest.mark.postgres
def test_roll_back(world: World, shell: dict[str, str]) -> None:
    """The champion before decides again; entries are kept out and let in again."""
    engine = connect(world.database_url)
    try:
        registry = Registry(engine)
        run_id = open_run(engine, "train", Settings(), "f", "0.1.0")
        for version in ("v1", "v2"):
            registry.register(run_id, version, "*", "policies/x", "ab" * 32, {}, "ann")
            for _ in range(2):
                registry.promote(version, "ann", "better", forced=True)
        first, second = run_blocks("rollback.md")
        run_line(first, shell)
        assert {model.version: str(model.stage) for model in registry.models()} == {"v1": "champion", "v2": "retired"}
        with world.trader("main", ENTER):  # a lock is a lock of an account
            pass
        said, _ = run_line(second, shell)
        assert "LOCKED" in said or "MANUAL" in said
        assert world.status("main").locks == ()
        refused, _ = run_line(f"({first.splitlines()[1]}) || echo refused with $?", shell)
        assert "refused with 3" in refused
    finally:
        engine.dispose()


@pytest.mark.postgres
def test_rotate_the_endpoints_tokens(world: World, shell: dict[str, str]) -> None:
    """The new token is let in, the old one is not any more."""
    old, _ = run_line("huracan serve token new me --scope trade", shell)
    book = TokenBook(token_file(world.home))
    assert book.find(old.strip()) is not None
    _, after = run_line(run_blocks("rotate-tokens.md")[0].replace("TOKEN=", "export TOKEN="), shell)
    found = book.find(after["TOKEN"])
    assert found is not None
    assert (found.name, found.scope) == ("me-2", "trade")
    assert book.find(old.strip()) is None


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_rotate_rays_token(tmp_path: Path) -> None:
    """After the block the cluster takes the new token, which is its owner's alone, and no longer the old one."""
    block = run_blocks("rotate-tokens.md")[1]
    start = next(line for line in block.splitlines() if line.startswith("ray start"))
    with cloud(tmp_path, Path("/dev/null")) as machines:

        def on(command: str) -> str:
            environment = (
                "PATH=/opt/huracan/venv/bin:$PATH RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=~/.huracan/ray/token"
            )
            done = machines.on(machines.laptop, f"export {environment}; cd {ROOT} && {command}")
            assert done.code == 0, done.out
            return done.out

        on('python -c "from huracan.ray_env import write_ray_token; write_ray_token()"')
        on("cp ~/.huracan/ray/token ~/old")
        on(start)
        on("set -e\n" + block)
        assert on("stat --format %a ~/.huracan/ray/token").strip() == "600"
        assert "same" not in on("cmp --silent ~/old ~/.huracan/ray/token && echo same || true")
        ask = "curl --silent --output /dev/null --write-out %{http_code} http://127.0.0.1:8265/api/jobs/ --header"
        assert on(f'{ask} "Authorization: Bearer $(cat ~/.huracan/ray/token)"') == "200"
        assert on(f'{ask} "Authorization: Bearer $(cat ~/old)"') in ("401", "403")


WHERE, BACK_UP, RESTORE, DROP = run_blocks("restore-database.md")
"""Where the database is, for each shell; a backup; the restore; the broken one goes."""


def _dumps(home: Path) -> list[Path]:
    return sorted((home / "backups").iterdir())


def _lose(url: str, table: str) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table} CASCADE"))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(1200)
def test_restore_the_database(world: World, shell: dict[str, str]) -> None:
    """A backup, a table lost, the restore from a shell of its own: trades are there, and the books agree."""
    shell = shell | {"HURACAN__EXECUTION__ACCOUNT": "kept"}

    def trades() -> int:
        engine = connect(world.database_url)
        try:
            with engine.connect() as connection:
                asked = "SELECT count(*) FROM trade_memory WHERE account = 'kept'"
                return int(connection.execute(text(asked)).scalar_one())
        finally:
            engine.dispose()

    with world.trader("kept", ROUND_TRIPS) as (process, _):
        until("a trade", trades)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    before, held = trades(), world.status("kept").positions
    run_line(WHERE + BACK_UP, shell)
    (dump,) = _dumps(world.home)
    _lose(world.database_url, "trade_memory")
    said, _ = run_line(WHERE + RESTORE, shell | {"DUMP": str(dump)})
    assert "no trader runs for kept" in said
    assert trades() == before
    assert world.status("kept").positions == held
    with world.trader("kept", ROUND_TRIPS) as (_, facts):
        assert facts["state"] == "ACTIVE"
        until("another trade", lambda: trades() > before)
    run_line(WHERE + DROP, shell)


SECRET = "s3cr3t"
PASSWORD = f"p@{SECRET}:w/o rd'$x%"


@pytest.mark.postgres
@pytest.mark.parametrize(
    "query",
    ["", pytest.param("?sslmode=prefer&connect_timeout=10", marks=pytest.mark.slow)],
    ids=["no query", "query"],
)
def test_restore_a_database_of_ones_own(tmp_path: Path, query: str) -> None:
    """By TCP: nothing is aimed at the live database, no backup is written over, no command line has the password."""
    with own_server() as server, by_tcp(server) as port:
        url = f"postgresql://desk:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/huracan{query}"
        engine = connect(server.url())
        with engine.begin() as connection:
            role = sql.SQL("CREATE ROLE desk LOGIN SUPERUSER PASSWORD {}").format(sql.Literal(PASSWORD))
            connection.exec_driver_sql(role.as_string(connection.connection.cursor()).replace("%", "%%"))
        run_id = open_run(engine, "train", Settings(), "f", "0.1.0")
        engine.dispose()
        shell = World(tmp_path, url).environment  # each shell below is a new one

        def names() -> set[str]:
            engine = connect(server.url("postgres"))
            with engine.connect() as connection:
                found = set(connection.execute(text("SELECT datname FROM pg_database")).scalars())
            engine.dispose()
            return found - {"postgres", "template0", "template1"}

        def run(block: str, **more: str) -> None:
            said, _ = run_line(f"exec 2>&1; set -x\n{WHERE}{block}", shell | more)
            traced = [line for line in said.splitlines() if re.match(r"\++ ", line)]
            builtin = [line for line in traced if re.match(r"\++ (export |eval |PGPASSWORD=)", line)]
            assert any(SECRET in line for line in builtin)
            assert not [line for line in traced if SECRET in line and line not in builtin]

        run(BACK_UP)
        (first,) = _dumps(tmp_path)
        assert first.stat().st_mode & 0o077 == 0
        kept = first.read_bytes()
        _lose(server.url(), "runs")
        time.sleep(1.1)  # a name has the second
        run(BACK_UP)  # whoever repeats it now has a copy of the broken database beside the good one
        first_again, second = _dumps(tmp_path)
        assert (first_again, first.read_bytes()) == (first, kept)
        assert first.stat().st_size > second.stat().st_size

        damaged = tmp_path / "damaged.dump"
        damaged.write_bytes(kept[: len(kept) * 9 // 10])
        for dump in ({}, {"DUMP": str(damaged)}):
            run_line(WHERE + RESTORE, shell | dump, check=False)
            assert names() <= {"huracan", "huracan_restored"}, "a backup that cannot be restored changes nothing"
        run(RESTORE, DUMP=str(first))
        assert names() == {"huracan", "huracan_broken"}
        engine = connect(server.url())
        assert [found.run_id for found in list_runs(engine)] == [run_id]
        engine.dispose()
        run(DROP)
        assert names() == {"huracan"}


def test_nothing_is_restored_where_the_shell_does_not_say_the_database(tmp_path: Path) -> None:
    """Without its first block each of the others is refused, whatever the shell has for defaults."""
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DUMP": "x", "BACKUPS": str(tmp_path / "backups")}
    for name in ("pg_dump", "pg_restore", "createdb", "dropdb", "psql", "huracan"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/asked\n')
        (tmp_path / name).chmod(0o755)
    for block in (BACK_UP, RESTORE, DROP):
        run_line(block, environment, check=False)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.removeprefix(f"{tmp_path}/") for line in asked] == ["huracan trade stop", "pg_restore --list x"]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(1200)
def test_split_brain(world: World, shell: dict[str, str]) -> None:
    """A second start takes over from one that is silent, which ends when it wakes; a halt needs neither."""
    look, takeover, stop = run_blocks("split-brain.md")
    with world.trader("main", ENTER, "--set", "execution.lease_ttl_s=5") as (old, _):
        said, _ = run_line(look, shell | {"COLUMNS": "200"})
        assert f":{old.pid}" in said
        path = world.home / "main.jsonl"
        refused = world.run("trade", "start", "--paper", "--script", str(path), "--url", world.url)
        assert refused.returncode == 3
        old.send_signal(signal.SIGSTOP)
        run_line(takeover, shell | {"SCRIPT": str(path)})
        old.send_signal(signal.SIGCONT)
        assert old.wait(WAIT_S) == FENCED
    run_line(stop, shell)
    status = json.loads(world.run("trade", "status", "--json").stdout)
    assert status["state"] == "ACTIVE"
    assert not world.resting("main")
