"""`huracan trade beside` as a process: what stands in the database, compared with the account."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer, open_run
from huracan.trader.beside import Besides, StoredBeside
from tests.signals.test_beside import WORLD, version_of
from tests.trader.test_beside import INSTRUMENTS, SETTINGS, SPAN

pytestmark = pytest.mark.postgres


def _run(url: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"HURACAN__DATABASE__URL": url, "HURACAN_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("huracan")), "trade", "beside", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_version_beside_an_account_is_told_with_its_trades(
    database: Engine, database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """As a table and as JSON; on its first day there is no difference yet, and an account without any says so."""
    name = database.url.database
    assert name is not None
    url = database_server.url(name)
    run_id = open_run(database, "paper", SETTINGS, "", "test")

    async def trade() -> int:
        ledger = StoredBeside(database, "anna", run_id)
        besides = Besides(SETTINGS, INSTRUMENTS, "anna", ledger, lambda: (version_of("one"),))
        for close, closes in WORLD.closes(*SPAN):
            await besides.on_close(close, closes)
        await besides.close()
        return int(json.loads(besides.accounts["one"].to_bytes())["seq"])

    count = asyncio.run(trade())
    told = _run(url, tmp_path, "--account", "anna", "--json")
    assert told.returncode == 0, told.stderr
    (row,) = json.loads(told.stdout)
    assert (row["version"], row["trades"], row["own_trades"], row["ahead_per_day"]) == ("one", count, 0, None)
    assert count > 30
    assert "no whole day yet" in _run(url, tmp_path, "--account", "anna").stdout
    assert _run(url, tmp_path, "--account", "nobody").stdout.startswith("nothing trades beside nobody")
