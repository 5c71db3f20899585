"""Market time: acks, stages, phases, missing bars and the end."""

import pytest

from huracan.errors import UsageError
from huracan.paper import LockStage
from tests.paper.world import ANNA, BASE_MS, BERT, FLAT, START_MS, World, market

FIRST = START_MS // BASE_MS
DOWN = (10_000, 10_000, 9_900, 9_950, 1_000_000)


def both(*bars: tuple[int, int, int, int, int]) -> World:
    """Return a lock-step exchange of two accounts."""
    return World([market([FLAT, *bars, FLAT])], [ANNA, BERT])


def test_time_moves_when_all_have_acked() -> None:
    """And not before."""
    here = both(FLAT, FLAT)
    assert here.exchange.stage == LockStage(FIRST, "close", ("anna", "bert"))
    here.step("anna")
    assert here.exchange.stage == LockStage(FIRST, "close", ("bert",))
    assert here.exchange.now_ms == START_MS + BASE_MS
    here.step("bert")
    assert here.exchange.stage == LockStage(FIRST + 1, "close", ("anna", "bert"))
    assert here.exchange.now_ms == START_MS + 2 * BASE_MS


def test_only_who_was_filled_is_waited_for_after_p1() -> None:
    """At most two waits a bar and account."""
    here = both(DOWN, FLAT)
    here.order("BUY", "LIMIT_MAKER", BERT, quantity="1", price="99.50")
    here.step()
    assert here.exchange.stage == LockStage(FIRST + 1, "fills", ("bert",))
    here.step()
    assert here.exchange.stage == LockStage(FIRST + 1, "close", ("anna", "bert"))


@pytest.mark.parametrize(
    ("account", "bar", "stage", "seq", "accepted", "reason"),
    [
        ("anna", FIRST, "close", 1, False, "the last private event is 0, not 1"),
        ("anna", FIRST + 1, "close", 0, False, f"waiting for close of bar {FIRST}"),
        ("anna", FIRST, "fills", 0, True, "passed"),
        ("anna", FIRST - 1, "close", 0, True, "passed"),
        ("carl", FIRST, "close", 0, False, "no such account or stage"),
        ("anna", FIRST, "lunch", 0, False, "no such account or stage"),
    ],
)
def test_other_acks(account: str, bar: int, stage: str, seq: int, accepted: bool, reason: str) -> None:
    """What does not fit is refused with what is waited for; what has passed is accepted again."""
    here = both(FLAT)
    done = here.exchange.ack(account, bar, stage, seq)
    assert (done.accepted, done.reason) == (accepted, reason)
    assert here.exchange.stage == LockStage(FIRST, "close", ("anna", "bert"))


def test_an_ack_whose_reply_was_lost_can_be_sent_again() -> None:
    """Once or twice is the same."""
    here = both(FLAT, FLAT)
    here.step("anna")
    here.step("anna")
    here.step("bert")
    assert here.exchange.ack("anna", FIRST, "close", 0).accepted
    assert here.exchange.stage == LockStage(FIRST + 1, "close", ("anna", "bert"))


def test_a_window_trades_at_the_open_while_the_public_sees_the_close() -> None:
    """Commands after the close of t meet the open of t+1; depth, prices and candles answer with t."""
    here = World([market([FLAT, (10_500, 10_500, 10_500, 10_500, 9_000), FLAT])])
    assert here.get("/api/v3/ticker/price", symbol="AAAUSDT")["price"] == "100.00000000"
    assert here.get("/api/v3/depth", symbol="AAAUSDT")["asks"][0][0] == "100.01000000"
    assert here.order("BUY", "MARKET", quantity="1")["fills"][0]["price"] == "105.01000000"
    assert here.drained("") == []


def test_commands_wait_for_the_next_existing_bar() -> None:
    """A market without a bar for two minutes fills at its next open, and its trades are dated there."""
    gap = market([FLAT, (11_000, 11_000, 11_000, 11_000, 9_000), FLAT], missing=[1, 2])
    other = market([FLAT] * 6, symbol="BBB/USDT")
    here = World([gap, other])
    here.order("BUY", "MARKET", quantity="1")
    (trade,) = here.exchange.trades("anna")
    assert (trade["price"], trade["time"]) == ("110.01000000", START_MS + 3 * BASE_MS)
    for _ in range(2):
        here.bar()
    assert here.get("/api/v3/ticker/price", symbol="AAAUSDT")["price"] == "100.00000000"
    here.bar()
    assert here.get("/api/v3/ticker/price", symbol="AAAUSDT")["price"] == "110.00000000"


def test_after_the_last_bar_its_close_is_the_book() -> None:
    """What is held can still be sold; nothing is waited for."""
    here = World([market([FLAT, (10_000, 10_000, 9_000, 9_500, 9_000)])])
    here.order("BUY", "MARKET", quantity="1")
    here.bar()
    assert here.exchange.ended
    assert here.exchange.stage is None
    assert here.order("SELL", "MARKET", quantity="0.5")["fills"][0]["price"] == "94.99000000"
    assert not here.exchange.ack("anna", FIRST + 1, "close", 0).accepted


def test_quiet_bars_fill_no_resting_order() -> None:
    """Volume 0: no P1 to P3, takers still meet the book."""
    here = World([market([FLAT, (10_000, 10_000, 10_000, 10_000, 0), FLAT])])
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99.50", newClientOrderId="a")
    here.order("BUY", "MARKET", quantity="1")
    here.bar()
    assert here.query("a")["status"] == "NEW"


def test_free_run_plays_phases_at_the_quarters() -> None:
    """Window, resting buys at 1/4, stops at 1/2, resting sells at 3/4, close at 1."""
    here = World([market([FLAT, (10_000, 10_100, 9_900, 10_000, 1_000_000), FLAT])], lockstep=False)
    start = here.exchange.now_ms
    assert here.exchange.next_ms() == start
    here.exchange.advance(start)
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99.50", newClientOrderId="buy")
    here.order("BUY", "MARKET", quantity="3")
    here.oco("1", "101.50", "99.20", belowClientOrderId="stop")
    here.order("SELL", "LIMIT_MAKER", quantity="1", price="100.50", newClientOrderId="sell")
    seen = []
    for quarter in range(4):
        assert here.exchange.next_ms() == start + (quarter + 1) * 15_000
        here.exchange.advance(start + (quarter + 1) * 15_000)
        seen.append(tuple(here.query(cid)["status"] for cid in ("buy", "stop", "sell")))
    assert seen == [
        ("FILLED", "NEW", "NEW"),
        ("FILLED", "FILLED", "NEW"),
        ("FILLED", "FILLED", "FILLED"),
        ("FILLED", "FILLED", "FILLED"),
    ]


def test_one_long_step_is_many_short_ones() -> None:
    """The clock's granularity changes nothing."""
    bars = [FLAT, DOWN, FLAT, DOWN, FLAT, FLAT]

    def run(step_ms: int) -> object:
        here = World([market(bars, missing=[3])], lockstep=False)
        here.exchange.advance(here.exchange.now_ms)
        here.order("BUY", "LIMIT_MAKER", quantity="9", price="99.50")
        end = here.exchange.now_ms + 8 * BASE_MS
        while here.exchange.now_ms < end:
            here.exchange.advance(min(end, here.exchange.now_ms + step_ms))
        return here.exchange.trades("anna"), [event.payload for event in here.drained()]

    assert run(1_000) == run(8 * BASE_MS) == run(7_777)


def test_time_does_not_go_back_and_lockstep_has_no_clock() -> None:
    """Either would make a replay another market."""
    free = World([market([FLAT] * 3)], lockstep=False)
    with pytest.raises(UsageError, match="cannot go back"):
        free.exchange.advance(START_MS)
    locked = World([market([FLAT] * 3)])
    assert locked.exchange.next_ms() is None
    with pytest.raises(UsageError, match="acks"):
        locked.exchange.advance(locked.exchange.now_ms + 1)
