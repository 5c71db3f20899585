"""`huracan trade` as processes: five minutes of market, signals, the lease, locks, status, and what it refuses."""

import io
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.cli import cli
from huracan.memory import EmbeddedServer
from huracan.terminal import run
from huracan.trader.access import user_name
from tests.trader.processes import ENTER, ROUND_TRIPS, START, WAIT_S, World, until, write_candles

pytestmark = pytest.mark.postgres
CHECKOUT = Path(__file__).parents[2]
ACCOUNTS = ("market", "ctrl", "asked", "locked", "second")


@pytest.fixture(scope="module")
def world(
    database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An exchange at 120 times the market's pace, two bars a second."""
    name = database.url.database
    assert name is not None
    found = World(tmp_path_factory.mktemp("home"), database_server.url(name))
    words = [word for account in ACCOUNTS for word in ("--account", account)]
    folder = write_candles(tmp_path_factory.mktemp("candles"))
    with found.exchange(folder, "--speed", "120x", "--start", START, *words):
        yield found


def ended(process: subprocess.Popen[str], number: signal.Signals) -> int:
    """Send a signal and return the exit code."""
    process.send_signal(number)
    return process.wait(WAIT_S)


def test_five_minutes_of_market(world: World, database: Engine) -> None:
    """Round trips are traded, booked to the last digit, stored as paper trades; SIGTERM ends it with 0."""

    def closed() -> int:
        with database.connect() as connection:
            where = "WHERE account = 'market' AND mode = 'paper' AND exit_reason = 'policy_exit'"
            return int(connection.execute(text(f"SELECT count(*) FROM trade_memory {where}")).scalar_one())  # noqa: S608

    with world.trader("market", ROUND_TRIPS) as (process, facts):
        assert (facts["account"], facts["mode"], facts["symbols"]) == ("market", "paper", ["ADA/USDT", "BTC/USDT"])
        until("two round trips", lambda: closed() >= 2)
        until("five minutes", lambda: (world.status("market").market_ms or 0) >= facts["market_ms"] + 5 * 60_000)
        assert ended(process, signal.SIGTERM) == 0
    status = world.status("market")
    assert (status.mode, status.state, status.holder, status.unknown) == ("paper", "ACTIVE", None, 0)
    assert status.positions[0].symbol == "ADA/USDT"
    assert {row.name for row in status.limits} >= {"heat_frac", "daily_loss", "notional ADA/USDT"}
    with database.connect() as connection:
        ours = connection.execute(
            text(
                "SELECT trade_id, f.side::text, quantity, price, commission FROM fills f "
                "JOIN markets USING (market_no) JOIN accounts USING (account_no) "
                "WHERE name = 'market' AND symbol = 'BTC/USDT' "
                "ORDER BY trade_id::bigint"
            )
        ).all()
        policies = connection.execute(text("SELECT DISTINCT policy FROM trade_memory WHERE account = 'market'")).all()
    theirs = [(one.trade_id, one.side, one.quantity, one.price, one.commission) for one in world.trades("market")]
    assert [tuple(row) for row in ours] == theirs
    assert len(theirs) >= 4
    assert [row[0].partition("-")[0] for row in policies] == ["script"]


def test_ctrl_c_leaves_the_bracket_and_the_next_start_goes_on(world: World) -> None:
    """Exit 130; the stop rests at the venue while nobody runs; another start adopts it and trades on."""
    with world.trader("ctrl", ENTER) as (process, _):
        until("a bracket", lambda: world.lists("ctrl"))
        assert ended(process, signal.SIGINT) == 130
    left = {order.cid for order in world.resting("ctrl")}
    assert len(left) == 2
    with world.trader("ctrl", ENTER) as (process, _):
        assert {order.cid for order in world.resting("ctrl")} == left
        words = ["--script", str(world.home / "ctrl.jsonl"), "--account", "ctrl", "--url", world.url]
        refused = world.run("trade", "start", "--paper", *words)
        assert refused.returncode == 3
        assert "account ctrl is traded by" in refused.stderr.splitlines()[-1]
        stopped = world.run("trade", "stop", "--account", "ctrl")
        assert stopped.returncode == 0, stopped.stderr
        assert process.wait(WAIT_S) == 0
    status = world.status("ctrl")
    assert {order.cid for order in status.orders} == left
    assert Decimal(status.positions[0].quantity) > 0
    said = max(world.home.glob("*.err")).read_text(encoding="utf-8").splitlines()[-1]
    assert said == "stopped trading: entries taken back; 1 position, 1 with its bracket at the venue"


def test_a_lock_by_hand_keeps_entries_out_until_it_is_lifted(world: World, database: Engine) -> None:
    """Entries are denied LOCKED, which the intents say; after the unlock one goes through."""

    def codes() -> set[str]:
        with database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT DISTINCT code FROM intents JOIN markets USING (market_no) JOIN accounts USING (account_no) "
                    "WHERE name = 'locked'"
                )
            )
            return {row[0] for row in rows}

    made = world.run("trade", "lock", "*", "--for", "10d", "--reason", "holidays", "--account", "locked")
    assert made.returncode == 0, made.stderr
    with world.trader("locked", ENTER):
        until("a denial", lambda: "LOCKED" in codes())
        assert [(row.symbol, row.detail) for row in world.status("locked").locks] == [("*", "holidays")]
        assert not world.trades("locked")
        lifted = world.run("trade", "unlock", "*", "--reason", "back", "--account", "locked")
        assert lifted.stdout == "lifted 1 locks of *\n"
        until("an entry", lambda: world.lists("locked"))
    assert world.status("locked").locks == ()


@pytest.fixture
def at_home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands of this process with the world's home and database."""
    for name in [name for name in os.environ if name.startswith("HURACAN")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HURACAN_HOME", str(world.home))
    monkeypatch.setenv("HURACAN__DATABASE__URL", world.database_url)


BAD_SCRIPTS = {
    "empty": "",
    "no json": "enter",
    "no market": '{"every": 1, "symbol": "BTC", "action": "EXIT"}',
}


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["start", "--script", "GOOD"], 2, "give either --paper or --live"),
        (["start", "--paper", "--live", "--script", "GOOD"], 2, "give either --paper or --live"),
        (["start", "--paper"], 2, "no paper exchange; give --url"),
        (["start", "--paper", "--script", "/nowhere"], 2, "script /nowhere cannot be read"),
        (["start", "--paper", "--script", "empty"], 2, "holds 0 steps"),
        (["start", "--paper", "--script", "no json"], 2, "line 1"),
        (["start", "--paper", "--script", "no market"], 2, "symbol 'BTC' is no spot market"),
        (["start", "--paper", "--script", "GOOD"], 2, "no paper exchange; give --url"),
        (["start", "--paper", "--script", "GOOD", "--url", "localhost"], 2, "is no address"),
        (["start", "--paper", "--script", "GOOD", "--url", "https://api.binance.com"], 2, "is the real exchange"),
        (["start", "--paper", "--script", "GOOD", "--url", "URL", "--account", "bob"], 2, "no keys for account bob"),
        (["start", "--paper", "--script", "GOOD", "--url", "URL", "--symbol", "XRP/USDT"], 2, "symbol XRP/USDT is un"),
        (["start", "--paper", "--script", "GOOD", "--url", "URL", "--set", "trading.stake_amount=9000"], 3, "allows"),
        (["start", "--paper", "--script", "GOOD", "--url", "URL", "--set", "trading.stake_amount=100",
          "--set", "trading.account_to_quote_rate=1000"], 3, "the account is worth 100000"),
        (["start", "--paper", "--script", "GOOD", "--url", "URL", "--credentials", "/nowhere"], 2, "cannot be read"),
        (["start", "--live", "--script", "GOOD"], 2, "no venue credentials"),
        (["start", "--live", "--script", "GOOD", "--set", "health.monitor_expected=never"], 2, "needs the monitor"),
        (["start", "--live", "--script", "GOOD", "--url", "URL"], 2, "live trading goes to the real exchange alone"),
        (["stop"], 0, "no trader runs for asked"),
        (["unlock", "BTC/USDT", "--reason", "x"], 0, "lifted 0 locks of BTC/USDT"),
        (["status"], 0, ""),
        (["lock", "BTC", "--reason", "x"], 2, "'BTC' is no market"),
        (["lock", "BTC/USDT", "--reason", " "], 2, "--reason is empty"),
        (["lock", "BTC/USDT", "--reason", "x", "--for", "soon"], 2, "--for soon: no length"),
        (["unlock", "BTC", "--reason", "x"], 2, "'BTC' is no market"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line(
    world: World, words: list[str], code: int, line: str, at_home: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 for a mistake, 3 for a refusal, and the line says what to do."""
    good = world.home / "good.jsonl"
    good.write_text(ENTER, encoding="utf-8")
    for name, script in BAD_SCRIPTS.items():
        (world.home / name).write_text(script, encoding="utf-8")
    places = {"GOOD": str(good), "URL": world.url} | {name: str(world.home / name) for name in BAD_SCRIPTS}
    given = [places.get(word, word) for word in words]
    account = [] if "--account" in words else ["--account", "asked"]
    found = run(cli, ["trade", *given, *account])
    said = capsys.readouterr()
    assert found == code, said.err
    assert line in (said.err if code else said.out).splitlines()[-1]


@pytest.mark.parametrize("told", ["", "yes\n", "other\n"])
def test_live_trading_wants_the_accounts_name(
    world: World, told: str, at_home: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the name typed nothing is connected; the words say which user of the system it runs as."""
    script = world.home / "live.jsonl"
    script.write_text(ENTER, encoding="utf-8")
    monkeypatch.setenv("HURACAN__VENUE__API_KEY", "key")
    monkeypatch.setenv("HURACAN__VENUE__SECRET", "secret")
    monkeypatch.setattr("sys.stdin", io.StringIO(told))
    assert run(cli, ["trade", "start", "--live", "--script", str(script), "--account", "asked"]) == 3
    said = capsys.readouterr().err
    assert f"as operating system user {user_name()}" in said
    assert "nothing was sent" in said.splitlines()[-1]


def test_every_command_of_its_page_runs_as_written(world: World, tmp_path: Path) -> None:
    """The day on paper of docs/trading.md, in one shell: it trades, is halted with proof, and stopped."""
    page = (CHECKOUT / "docs" / "trading.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == 1
    told = world.environment | {"HURACAN_HOME": str(tmp_path / "home"), "HURACAN__EXECUTION__ACCOUNT": "main"}
    done = subprocess.run(
        ["bash", "-c", "set -e\n" + blocks[0]], cwd=tmp_path, env=told, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "halted main: zero open orders in BTC/USDT, REV1/USDT" in done.stdout
    assert "started with agreeing books" in done.stdout
    assert "main: HALTED -> ACTIVE" in done.stdout
    log = (tmp_path / "build" / "trading" / "trader.log").read_text(encoding="utf-8")
    assert log.count("trade.decision") >= 3
    assert re.match(r"stopped trading: entries taken back; \d positions?", log.splitlines()[-1])
