"""What a replay trades on: whole days, warm sigma, and deciders that know closed candles alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.errors import DataError, UsageError
from huracan.features.batch import context_for, run_engine
from huracan.features.engine import Engine
from huracan.market import CandleStore, MarketShape, martingale, open_folder, parse_ms
from huracan.trader.market_data import history_bars
from huracan.trader.replay import ReplayData
from huracan.trader.replay_data import legs_of, load_replay, momentum, scripted
from huracan.trader.script import parse_script
from huracan.trading import Action
from tests.trader.replayed import BARS, DAY, SYMBOLS, data, settings, write_candles

DAY_MS = 86_400_000
BASE_MS = 900_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The markets of `replayed`, and a perpetual beside them."""
    root = tmp_path_factory.mktemp("candles")
    CandleStore(root).write(martingale(MarketShape("ETH/USDT:USDT", "15m"), BARS, seed=9))
    return write_candles(root)


def test_the_last_whole_day_of_all_spot_markets_is_replayed(folder: Path) -> None:
    """By default; a day that is named gives the same span, and perpetuals are passed over."""
    found = load_replay(folder, settings(), (), None, 1)
    first_ms = found.markets[0].paper.open_ms(0)
    assert tuple(market.symbol for market in found.markets) == SYMBOLS
    assert (found.start_ms, found.end_ms) == (first_ms + DAY * DAY_MS, first_ms + (DAY + 1) * DAY_MS)
    named = load_replay(folder, settings(), SYMBOLS[:1], first_ms + DAY * DAY_MS, 1)
    assert (named.start_ms, named.end_ms) == (found.start_ms, found.end_ms)
    assert np.array_equal(named.markets[0].sigma, found.markets[0].sigma, equal_nan=True)


def test_sigma_is_that_of_a_trader_who_starts_with_the_day(folder: Path) -> None:
    """Equal to what his machines make of all markets and the history he asks for; unknown outside of it."""
    found = load_replay(folder, settings(), (), None, 1)
    kernel = found.kernel
    begin_ms = found.start_ms - history_bars(settings(), kernel) * BASE_MS
    candles = {symbol: open_folder(folder).read(symbol).between(begin_ms, found.end_ms) for symbol in SYMBOLS}
    raw = run_engine(
        Engine(context_for(candles, settings().features, kernel.decision_interval_bars, None)), candles, {}
    )
    for market in found.markets:
        start, end = market.row_at(found.start_ms - BASE_MS), market.row_at(found.end_ms)
        assert start is not None
        assert end is not None
        assert np.array_equal(market.sigma[start:end], raw[market.symbol].sigma[start - end :])
        assert np.isnan(market.sigma[end:]).all()
        assert np.isnan(market.sigma[:1_000]).all()


@pytest.mark.parametrize(
    ("symbols", "day", "days", "fault", "line"),
    [
        (["XRP/USDT"], None, 1, DataError, "no candles of XRP/USDT; found ADA/USDT, BTC/USDT"),
        (["ETH/USDT:USDT"], None, 1, UsageError, "ETH/USDT:USDT is no spot market"),
        ([], "2025-01-17T06:00:00", 1, UsageError, "--day 2025-01-17T06:00:00Z is no midnight UTC"),
        ([], "2024-12-01", 1, DataError, "ADA/USDT has candles from 2025-01-01.* choose another --day"),
        ([], "2025-01-18", 1, DataError, "not from 2025-01-18.* choose another --day"),
        ([], "2025-01-17", 2, DataError, "not from 2025-01-17.* to 2025-01-19"),
        ([], "2025-01-05", 1, DataError, "384 bars before 2025-01-05.* need 1363 to be warm; choose a later --day"),
        ([], None, 30, DataError, "choose another --day or --days"),
    ],
)
def test_what_cannot_be_replayed_is_named(
    folder: Path, symbols: list[str], day: str | None, days: int, fault: type[Exception], line: str
) -> None:
    """An unknown symbol, a perpetual, a day that is no day, one outside of the candles, one without warm-up."""
    with pytest.raises(fault, match=line):
        load_replay(folder, settings(), symbols, None if day is None else parse_ms(day), days)


def test_a_folder_that_is_not_there_or_holds_perpetuals_alone(tmp_path: Path) -> None:
    """Both are named."""
    with pytest.raises(DataError, match="there is no such folder"):
        load_replay(tmp_path / "nowhere", settings(), (), None, 1)
    CandleStore(tmp_path).write(martingale(MarketShape("ETH/USDT:USDT", "15m"), 100, seed=9))
    with pytest.raises(UsageError, match="holds no spot market"):
        load_replay(tmp_path, settings(), (), None, 1)


def test_the_two_legs_differ_in_how_they_enter_alone() -> None:
    """Everything else is the same rule."""
    maker, taker = legs_of(data().kernel)
    assert (maker.maker_entry, taker.maker_entry) == (True, False)
    assert replace(maker, maker_entry=False) == taker


def with_closes(closes: list[int], interval: int) -> ReplayData:
    """Return the first market with these last closes of the day."""
    market = data().markets[0]
    end = market.row_at(data().end_ms)
    assert end is not None
    bars = market.paper.bars.copy()
    bars[end - len(closes) : end, 4] = closes
    paper = replace(market.paper, bars=bars)
    kernel = replace(data().kernel, decision_interval_bars=interval)
    return replace(data(), markets=(replace(market, paper=paper),), kernel=kernel)


def test_momentum_follows_the_move_since_so_many_bars() -> None:
    """In after a rise, out after a fall, nothing when the price is where it was."""
    decide = momentum(with_closes([100, 100, 103, 90, 103, 95], interval=1), bars=2)
    last = [decide(data().end_ms - back * BASE_MS).get("ADA/USDT") for back in (3, 2, 1, 0)]
    assert last == [Action.ENTER_LONG_NORMAL, Action.EXIT, None, Action.ENTER_LONG_NORMAL]


def test_momentum_decides_when_a_policy_may() -> None:
    """Every fourth bar of the grid, where that is the interval."""
    decide = momentum(with_closes(list(range(100, 196)), interval=4), bars=2)
    asked = [data().start_ms + number * BASE_MS for number in range(97)]
    when = [close_ms for close_ms in asked if decide(close_ms)]
    assert len(when) >= 23
    assert all(close_ms // BASE_MS % 4 == 0 for close_ms in when)


def test_momentum_knows_no_later_candle() -> None:
    """Other closes after a moment change nothing that was decided up to it."""
    one, other = ([100, 101, 99, 104, 103, 102, *tail] for tail in ([110, 120], [50, 40]))
    moment = data().end_ms - 2 * BASE_MS
    decisions = [momentum(with_closes(closes, interval=1), bars=2) for closes in (one, other)]
    asked = range(data().start_ms, moment + 1, BASE_MS)
    assert [decisions[0](at) for at in asked] == [decisions[1](at) for at in asked]
    assert decisions[0](data().end_ms) != decisions[1](data().end_ms)


def test_a_script_decides_what_is_due() -> None:
    """And one for a market that is not replayed is refused."""
    lines = (
        '{"every": 4, "symbol": "ADA/USDT", "action": "ENTER_LONG_SMALL"}\n'
        '{"every": 4, "offset": 2, "symbol": "ADA/USDT", "action": "EXIT"}'
    )
    decide = scripted(data(), parse_script(lines, BASE_MS))
    asked = [decide(data().start_ms + number * BASE_MS).get("ADA/USDT") for number in range(1, 5)]
    assert asked == [Action.ENTER_LONG_SMALL, None, Action.EXIT, None]
    with pytest.raises(UsageError, match="the script trades XRP/USDT, which is not replayed"):
        scripted(data(), parse_script('{"every": 1, "symbol": "XRP/USDT", "action": "EXIT"}', BASE_MS))
