"""Everything up, as a person brings it up: what it opens, what it tells, what a kill does to it, and its end."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import psutil
import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer, connect
from serve.cluster import ask_dashboard, processes
from tests.serve.brought import ACCOUNT, UP_S, Up, replayed
from tests.trader.processes import SYMBOLS, until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(900)]

LOOPBACK = ("127.", "::1", "::ffff:127.")


@pytest.fixture(scope="module")
def up(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An exchange behind a relay, a version, and everything up on it."""
    name = database.url.database
    assert name is not None
    home, candles = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("candles")
    with replayed(home, database_server.url(name), candles) as world:
        yield world


def listening(found: list[psutil.Process]) -> dict[tuple[str, int], str]:
    """Return what every process listens on."""
    rows = {}
    for process in found:
        for row in process.net_connections("inet"):
            if row.status == psutil.CONN_LISTEN:
                rows[(row.laddr.ip, row.laddr.port)] = process.name()
    return rows


def test_up_again_changes_nothing_and_says_what_it_serves(up: Up) -> None:
    """The second call names the same cluster; what nobody has proven is labelled so; a second trader is refused."""
    before = up.head
    again = up.command("serve", "up")
    assert (again["up"], again["started"]) == (True, False)
    assert up.head == before
    assert [row["standing"] for row in again["versions"]] == ["candidate: UNPROVEN"]
    states = {row["name"]: row["state"] for row in again["parts"]}
    assert states == {
        "huracan-feed": "FOLLOWS",
        "signals": "RUNNING",
        "huracan-monitor": "WATCHES",
        "huracan-execution": "TRADING",
    }
    kept = (up.home / "serve" / "settings.json").read_bytes()
    other = up.run("serve", "up", "--set", "risk.max_open_trades=1")
    assert other.returncode == 3
    assert "other settings: risk.max_open_trades" in other.stderr
    assert (up.home / "serve" / "settings.json").read_bytes() == kept, "what restarts would follow them"
    second = up.run("trade", "start", "--paper")
    assert second.returncode == 3
    assert "already" in second.stderr


def test_everything_listens_on_loopback_but_one_port_of_ray_that_wants_the_token(up: Up) -> None:
    """Ray Serve opens a port of each replica to every interface, whatever it is told; without a token it refuses."""
    sockets = listening(processes(up.head))
    assert len(sockets) >= 10
    open_to_all = {row: name for row, name in sockets.items() if not row[0].startswith(LOOPBACK)}
    assert all("ServeReplica" in name for name in open_to_all.values()), open_to_all
    for (_, port), _name in open_to_all.items():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as refused:
                ask(b"", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert up.http("nobody", "GET", "/v1/health")[0] == 401


def test_no_secret_is_on_a_command_line_in_an_environment_or_in_the_dashboard(up: Up) -> None:
    """The database's password and the keys of the account are in files of their owner alone."""
    engine = connect(up.database_url)
    password = engine.url.password
    engine.dispose()
    secrets = [str(password), up.keys.accounts[ACCOUNT].secret]
    members = processes(up.head)
    told = "".join(" ".join(one.cmdline()) for one in members)
    shared = [one for one in members if "ray::" not in "".join(one.cmdline()[:1])]
    environments = b"".join(Path(f"/proc/{one.pid}/environ").read_bytes() for one in shared)
    with pytest.MonkeyPatch.context() as patched:  # what other tests of this process have set comes back
        patched.setenv("RAY_AUTH_MODE", "token")
        patched.setenv("RAY_AUTH_TOKEN_PATH", str(up.home / "ray" / "token"))
        pages = ["/api/v0/actors?detail=true", "/api/v0/workers?detail=true", "/api/v0/runtime_envs?detail=true"]
        shown = "".join(
            json.dumps(ask_dashboard(up.head.dashboard, page)) for page in (*pages, "/api/serve/applications/")
        )
    assert "huracan-execution" in shown
    for secret in secrets:
        assert secret not in told
        assert secret.encode() not in environments
        assert secret not in shown


def test_what_it_measures_can_be_read_by_prometheus(up: Up) -> None:
    """Ray's agent tells decisions, orders, latencies, result and heat, on loopback."""
    until("orders", lambda: up.orders(ACCOUNT))
    wanted = ("decisions_total", "decision_seconds_count", "sent_seconds_count", "orders_total", "equity", "pnl_day",
              "heat_frac", "feed_closes_total")  # fmt: skip

    def scraped() -> bool:
        found = json.loads(
            (Path(up.head.folder) / "session_latest" / "prom_metrics_service_discovery.json").read_text()
        )
        lines = ""
        for target in found[0]["targets"]:
            assert target.startswith("127.0.0.1:")
            with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as reply:
                lines += reply.read().decode()
        return all(f"ray_huracan_{name}" in lines for name in wanted)

    until("every metric", scraped)


def test_a_person_halts_and_resumes_by_command_and_by_http(up: Up) -> None:
    """A token that may only read may not; the halt is proven; trading goes on afterwards."""
    reads, trades = (up.command("serve", "token", "new", name, "--scope", name)["token"] for name in ("read", "trade"))
    time.sleep(1.5)
    assert up.http(reads, "POST", "/v1/halt", {"reason": "a test"})[0] == 403
    status, answer = up.http(trades, "POST", "/v1/halt", {"reason": "a test"})
    assert status == 200, answer
    assert up.status(ACCOUNT).state == "HALTED"
    assert [row for symbol in SYMBOLS for row in up.resting(ACCOUNT, symbol)] == []
    assert up.http(trades, "POST", "/v1/resume", {"reason": "all well"})[0] == 200
    assert up.status(ACCOUNT).state == "ACTIVE"
    done = up.run("halt", "--reason", "by command", "--account", ACCOUNT)
    assert done.returncode == 0, done.stderr
    assert up.run("resume", "--reason", "all well", "--account", ACCOUNT).returncode == 0
    for name in ("read", "trade"):
        up.command("serve", "token", "revoke", name)
    time.sleep(1.5)
    assert up.http(reads, "GET", "/v1/status")[0] == 401


def test_killed_with_orders_open_it_comes_back_and_sends_nothing_twice(up: Up) -> None:
    """SIGKILL again and again: Ray restarts it, it waits for its lease, finds slot and orders as they were, goes on."""
    for number in range(3):
        until("a bracket", lambda: up.lists(ACCOUNT))
        pid, slots = up.pid(), up.slots()
        held = {row.symbol for row in up.status(ACCOUNT).positions}
        os.kill(pid, signal.SIGKILL)
        if number == 0:
            assert _kept(slots, up.slots())
        until("its successor", lambda died=pid: up.pid() not in (0, died), UP_S)  # type: ignore[misc]
        print(f"killed {pid} holding {sorted(held)}, succeeded by {up.pid()}")
    log = up.converge(ACCOUNT, 2)
    assert len({(fill.symbol, fill.trade_id) for fill in log.fills}) == len(log.fills)  # a market numbers its trades


def _kept(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Return whether what was written before a kill is there, or what was being written when it came."""
    return before.keys() <= after.keys()


def test_down_ends_everything_and_may_be_repeated(up: Up) -> None:
    """The trader comes first: entries are taken back, what is held keeps its stop; then nothing of it runs any more."""
    head, members = up.head, processes(up.head)
    done = up.command("serve", "down")
    assert done["stopped"] == ["huracan-execution", "huracan-monitor", "signals", "huracan-feed", "cluster"]
    assert not head.runs
    assert not [one for one in members if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert up.status(ACCOUNT).holder is None
    assert all(order.side == "SELL" for symbol in SYMBOLS for order in up.resting(ACCOUNT, symbol))
    assert not (up.home / "serve" / "settings.json").exists()
    assert up.command("serve", "down")["stopped"] == []
