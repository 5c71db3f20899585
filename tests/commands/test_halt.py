"""`huracan halt` and `huracan resume` as processes: with a trader that runs, hangs or died, and without a database."""

import re
import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from tests.trader.processes import ENTER, START, WAIT_S, World, until, write_candles

pytestmark = pytest.mark.postgres
ACCOUNTS = ("runs", "hangs", "died", "alone")


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


def test_a_running_trader_obeys_and_a_person_lets_it_go_on(world: World) -> None:
    """The halt ends with the proof; the trader stays, sends nothing, and protects its coins again after a resume."""
    with world.trader("runs", ENTER) as (process, _):
        until("a bracket", lambda: world.lists("runs"))
        done = world.run("halt", "--reason", "look at it", "--account", "runs")
        assert done.returncode == 0, done.stderr
        proof = r"halted runs: zero open orders in BTC/USDT \(by .+; \d cancelled from here\)"
        assert re.fullmatch(proof + r"; holds BTC/USDT [\d.]+ WITHOUT a stop\n", done.stdout)
        assert (world.resting("runs"), world.lists("runs")) == ((), ())
        before = world.status("runs")
        assert (before.state, before.state_reason, before.orders) == ("HALTED", "look at it", ())
        assert before.holder is not None
        market_ms = before.market_ms or 0
        until("five closes", lambda: (world.status("runs").market_ms or 0) >= market_ms + 300_000)
        assert world.resting("runs") == ()
        assert world.run("resume", "--reason", "nothing was wrong", "--account", "runs").stdout == (
            "runs: HALTED -> ACTIVE\n"
        )
        until("the bracket again", lambda: world.lists("runs"))
        assert process.poll() is None


def test_a_trader_that_hangs_is_not_waited_for(world: World) -> None:
    """Stopped in the middle, it cannot obey; its orders are cancelled from outside, and when it wakes it obeys.

    Ended then, it says that what it holds has no stop.
    """
    with world.trader("hangs", ENTER) as (process, _):
        until("a bracket", lambda: world.lists("hangs"))
        process.send_signal(signal.SIGSTOP)
        done = world.run("halt", "--reason", "it hangs", "--account", "hangs")
        assert done.returncode == 0, done.stderr
        assert world.resting("hangs") == ()
        process.send_signal(signal.SIGCONT)
        until("the end of its open orders", lambda: not world.status("hangs").orders)
        assert world.resting("hangs") == ()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        said = max(world.home.glob("*.err")).read_text(encoding="utf-8").splitlines()[-1]
        quantity = world.status("hangs").positions[0].quantity
        assert said == f"stopped trading: entries taken back; 1 position, BTC/USDT {quantity} WITHOUT a stop"


def test_a_dead_traders_orders_are_cancelled_and_the_next_one_starts_halted(world: World) -> None:
    """After SIGKILL nobody obeys; the halt does it, and holds for whoever starts next."""
    with world.trader("died", ENTER) as (process, _):
        until("a bracket", lambda: world.lists("died"))
        process.kill()
        process.wait(WAIT_S)
    assert world.run("halt", "--reason", "it died", "--account", "died").returncode == 0
    assert (world.resting("died"), world.lists("died")) == ((), ())
    with world.trader("died", ENTER, "--wait", "30") as (_, facts):
        assert facts["state"] == "HALTED"
        market_ms = facts["market_ms"]
        until("three closes", lambda: (world.status("died").market_ms or 0) >= market_ms + 180_000)
        assert world.resting("died") == ()


def test_without_a_database_it_cancels_and_says_that_nothing_is_stored(world: World) -> None:
    """What can be done is done, and the exit code is not 0."""
    with world.trader("alone", ENTER):
        until("a bracket", lambda: world.lists("alone"))
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    words = ["halt", "--reason", "all is lost", "--account", "alone", "--url", world.url, "--symbol", "BTC/USDT"]
    done = world.run(*words, HURACAN__DATABASE__URL=nowhere)
    assert done.returncode == 1
    assert "HALT NOT PROVEN" in done.stderr.splitlines()[-1]
    assert "the halt is NOT stored" in done.stderr.splitlines()[-1]
    assert world.resting("alone") == ()


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["halt"], 2, "Missing option '--reason'"),
        (["halt", "--reason", " "], 2, "--reason is empty"),
        (["halt", "--reason", "x", "--account", "nobody"], 2, "nobody knows where account nobody is traded"),
        (["halt", "--reason", "x", "--account", "died", "--live"], 2, "no venue credentials"),
        (["halt", "--reason", "x", "--account", "nobody", "--url", "http://127.0.0.1:9"], 2, "no keys for account"),
        (["resume", "--reason", "x", "--account", "nobody"], 2, "account nobody was never traded here"),
        (["resume", "--reason", ""], 2, "--reason is empty"),
    ],
)
def test_a_mistake_is_one_clear_line(world: World, words: list[str], code: int, line: str) -> None:
    """Exit 2, and the line says what to do."""
    done = world.run(*words)
    assert done.returncode == code, done.stderr
    assert line in done.stderr.splitlines()[-1]


def test_a_venue_that_is_away_is_no_proof(world: World) -> None:
    """The halt is stored, the proof fails in time, and the exit code says so."""
    done = world.run(
        "halt", "--reason", "away", "--account", "died", "--url", "http://127.0.0.1:9", "--set",
        "execution.halt_proof_s=1", "--set", "execution.timeout_ms=300",
    )  # fmt: skip
    assert done.returncode == 1
    assert "the halt is stored" in done.stderr.splitlines()[-1]
