"""Replays: the kernel's trades, the same each time, on books that are proven."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from huracan.execution.model import Alarm, AlarmCode, EventLog
from huracan.trader.replay import ReplayMarket, book_faults, patience_bars, replay_leg
from huracan.trader.replay_data import legs_of
from huracan.trading import Action, KernelSettings
from tests.execution.lockstep import reference_trades
from tests.parity.differential import Case, run_kernel
from tests.parity.script import Orders
from tests.parity.wild import IntegerMarket
from tests.trader.replayed import SEED, data, legs, trend


def integers(market: ReplayMarket) -> IntegerMarket:
    """Return a replay's market as the kernel's tests take it."""
    paper, instrument = market.paper, market.paper.instrument
    return IntegerMarket(
        symbol=market.symbol,
        tick=instrument.tick,
        step=instrument.step,
        min_notional=instrument.min_notional,
        base_ms=paper.base_ms,
        bars=paper.bars,
        sigma=market.sigma,
        ready=np.isfinite(market.sigma),
        day=np.array([paper.day(row) for row in range(len(paper.bars))]),
        day_ms=paper.costs.day_ms,
        spread=paper.costs.spread,
        qcap=paper.costs.qcap,
        impact=paper.costs.impact,
    )


def last_entry_ms(kernel: KernelSettings) -> int:
    """Return the last close at which all attempts of an entry still fit into the day: twice two bars, and one."""
    return data().end_ms - 5 * kernel.base_ms


@pytest.mark.parametrize("way", [0, 1], ids=["maker-first", "taker-only"])
def test_trades_are_the_kernels_for_the_same_wishes(way: int) -> None:
    """Bars, quantities, money, fees, dust and reasons, to the last digit, in both markets."""
    leg, decide = legs()[way], trend()
    base_ms = leg.kernel.base_ms
    counts = []
    for market in data().markets:
        wishes = {}
        for close_ms in range(data().start_ms, data().end_ms, base_ms):
            action = decide(close_ms).get(market.symbol)
            if action is Action.EXIT or (action is not None and close_ms <= last_entry_ms(leg.kernel)):
                wishes[close_ms // base_ms - 1] = (int(action), 0)
        rows = np.searchsorted(market.paper.bars[:, 0], (data().start_ms // base_ms - 1, data().end_ms // base_ms))
        case = Case(
            market.symbol, integers(market), leg.kernel, Orders(wishes), int(rows[0]), int(rows[1]), False,
            every_close=True,
        )  # fmt: skip
        theirs = run_kernel(case).trades
        mine = leg.trades.rows(np.flatnonzero(leg.trades.symbol == market.symbol).tolist())
        assert reference_trades(mine, market.paper.instrument, base_ms) == theirs
        counts.append(len(theirs))
    assert min(counts) >= 5


def test_the_same_replay_gives_the_same_history() -> None:
    """Every order, event, fill and entry of the ledger is equal, with its ids and times."""
    again = replay_leg(data(), legs()[0].kernel, trend(), SEED)
    assert again.log == legs()[0].log
    assert again.entries == legs()[0].entries
    assert len(again.log.fills) > 20


def test_maker_first_rests_and_taker_only_does_not() -> None:
    """The rules of a leg reach the orders: the one's entries are filled resting, the other's never."""
    maker, taker = ({fill.maker for fill in leg.log.fills if fill.side.value == "BUY"} for leg in legs())
    assert True in maker
    assert taker == {False}


def test_no_entry_is_decided_that_could_not_finish() -> None:
    """Whoever always wants in is not let in at the last closes, maker-first or not."""
    wishes = {market.symbol: Action.ENTER_LONG_NORMAL for market in data().markets}
    for kernel in legs_of(replace(data().kernel, hold_bars=4)):
        leg = replay_leg(data(), kernel, lambda close_ms: wishes, SEED)
        decided = [wish.close_ms for wish in leg.entries]
        assert data().end_ms - 10 * kernel.base_ms < max(decided) <= last_entry_ms(kernel)
        assert patience_bars(kernel) == 5


def test_time_ends_with_the_span() -> None:
    """Positions held then stay open, though there are more candles; nothing happens later."""
    wishes = {market.symbol: Action.ENTER_LONG_NORMAL for market in data().markets}
    kernel = replace(data().kernel, hold_bars=100, stop_sigmas=5.0, target_sigmas=5.0)
    leg = replay_leg(data(), kernel, lambda close_ms: wishes, SEED)
    assert (leg.open_at_end, len(leg.trades)) == (2, 0)
    assert max(event.at_ms for event in leg.log.events) < data().end_ms
    assert all(market.paper.open_ms(-1) > data().end_ms for market in data().markets)


def test_nothing_wanted_is_nothing_traded() -> None:
    """No decision, no order."""
    leg = replay_leg(data(), data().kernel, lambda close_ms: {}, SEED)
    assert (leg.entries, leg.log.orders, len(leg.trades), leg.open_at_end) == ((), (), 0, 0)


def venue_trades(log: EventLog) -> dict[tuple[str, str], tuple[Decimal, Decimal, Decimal]]:
    """Return what an exchange that agrees with a ledger has."""
    return {fill.key: (fill.quantity, fill.price, fill.commission) for fill in log.fills}


STEP = Decimal("0.001")
CORRUPTIONS: Mapping[str, Callable[[EventLog], EventLog]] = {
    "a fill is larger": lambda log: replace(
        log, fills=(replace(log.fills[0], quantity=log.fills[0].quantity + STEP), *log.fills[1:])
    ),
    "a fee is forgotten": lambda log: replace(
        log, fills=(replace(log.fills[0], commission=Decimal(0)), *log.fills[1:])
    ),
    "a fill is lost": lambda log: replace(log, fills=log.fills[:-1]),
    "an entry is booked twice": lambda log: replace(log, entries=(*log.entries, log.entries[-1])),
    "an order is stored as more": lambda log: replace(
        log, orders=(replace(log.orders[0], filled=log.orders[0].filled + STEP), *log.orders[1:])
    ),
    "an alarm rang": lambda log: replace(log, alarms=(Alarm(AlarmCode.OVERFILL, "BTC/USDT", 0, "more than ordered"),)),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_ledger_is_caught(name: str) -> None:
    """Whatever differs from the ledger's own history or from the exchange's account is a fault."""
    log = legs()[0].log
    assert book_faults(log, venue_trades(log)) == []
    assert book_faults(CORRUPTIONS[name](log), venue_trades(log))


def test_an_exchange_that_has_other_trades_is_caught() -> None:
    """A trade that the ledger has not, and one that the exchange has not."""
    log = legs()[0].log
    theirs = venue_trades(log)
    key = next(iter(theirs))
    assert book_faults(log, {**theirs, (key[0], "999999"): theirs[key]}) == ["1 trades differ from the exchange's"]
    assert book_faults(log, {one: theirs[one] for one in theirs if one != key})
    quantity, price, commission = theirs[key]
    assert book_faults(log, {**theirs, key: (quantity, price, 2 * commission)}) == [
        "2 trades differ from the exchange's"
    ]
