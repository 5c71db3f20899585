"""Runbooks of one machine with everything up: a ban, a lost head, an upgrade, as the operator types them."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from serve.cluster import processes
from tests.cluster.runbooks import run_blocks
from tests.jobs.shell import run_line
from tests.serve.brought import ACCOUNT, UP_S, Up, replayed
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

BAN_S = 20


@pytest.fixture(scope="module")
def up(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything up, trading."""
    home, stored = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("candles")
    name = database.url.database
    assert name is not None
    with replayed(home, database_server.url(name), stored) as world:
        yield world


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    """A token that may do everything."""
    return str(up.command("serve", "token", "new", "tests", "--scope", "trade")["token"])


@pytest.fixture
def shell(up: Up) -> dict[str, str]:
    """An operator's environment: this interpreter's programs, HURACAN_HOME, and what `serve up` was configured by."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return up.environment | {"PATH": path, "COLUMNS": "200"}


def _trades(up: Up, token: str) -> None:
    """Wait until signals are answered and another order leaves; nothing was sent twice."""
    until("signals", lambda: up.http(token, "POST", "/v1/signals", {})[0] == 200, UP_S)
    posted = len(up.posts(ACCOUNT))
    until("another order", lambda: len(up.posts(ACCOUNT)) > posted, UP_S)
    log = up.converge(ACCOUNT, 2, UP_S)
    assert len({(fill.symbol, fill.trade_id) for fill in log.fills}) == len(log.fills)


def test_exchange_ban(up: Up, token: str, shell: dict[str, str]) -> None:
    """A 418: the account reduces only, the job that asked too much is stopped, and after the blocks it trades."""
    stop, look, go_on = run_blocks("exchange-ban.md")
    _trades(up, token)
    _, shell = run_line("\n".join(line for line in stop.splitlines() if line.startswith("export")), shell)
    run_line("ray job submit --no-wait --submission-id fetching -- sleep 900", shell)
    up.admin("POST", "faults", {"script": [{"kind": "BANNED", "route": "POST /api/v3/order", "how": str(BAN_S)}]})
    until("REDUCING", lambda: up.status(ACCOUNT).state == "REDUCING", UP_S)
    said, _ = run_line(stop, shell)
    assert "STOPPED" in said
    said, _ = run_line(look, shell)
    assert "REDUCING" in said
    run_line('huracan trade lock BTC/USDT --reason "sold by hand"', shell)
    run_line(go_on, shell)
    status = up.status(ACCOUNT)
    assert status.state == "ACTIVE"
    assert status.locks == ()
    _trades(up, token)


def test_head_loss(up: Up, token: str, shell: dict[str, str]) -> None:
    """Ray's control store is killed, and with it everything on this machine: the block brings it back."""
    (block,) = run_blocks("head-loss.md")
    _trades(up, token)
    before = up.pid()
    stores = [one for one in processes(up.head) if one.name() == "gcs_server"]
    assert stores
    for one in stores:
        one.kill()
    until("the trader gone", lambda: up.process_of("execution") is None, UP_S)
    said, _ = run_line(block, shell)
    assert "signals" in said
    assert up.pid() not in (0, before)
    _trades(up, token)


def test_upgrade(up: Up, token: str, shell: dict[str, str]) -> None:
    """Down, set up, up: what the account held it holds, and it trades on."""
    upgrade, after = run_blocks("upgrade.md")
    _trades(up, token)
    known = {order.cid for order in up.orders(ACCOUNT)}
    run_line(upgrade, shell)
    said, _ = run_line(after, shell)
    assert "ACTIVE" in said
    assert known <= {order.cid for order in up.orders(ACCOUNT)}
    assert json.loads(run_line("huracan trade status --json", shell)[0])["state"] == "ACTIVE"
    _trades(up, token)
