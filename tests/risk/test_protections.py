"""Protections: freqtrade's four, with known answers on hand-made trades."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.config import ProtectionSettings
from huracan.risk.live import ClosedTrade, LockBook, PairLock, protect
from huracan.trading import ExitReason

BAR = 60_000


def _trade(symbol: str, bar: int, profit: float, reason: ExitReason = ExitReason.POLICY_EXIT) -> ClosedTrade:
    """Return a trade whose exit was filled somewhere inside bar number `bar`."""
    return ClosedTrade(symbol, bar * BAR + 17, profit, reason)


def _stop(symbol: str, bar: int, profit: float = -0.01) -> ClosedTrade:
    return _trade(symbol, bar, profit, ExitReason.STOP_LOSS)


def _locks(protection: ProtectionSettings, trades: list[ClosedTrade], bars_closed: int) -> dict[str, int]:
    """Return symbol -> number of the first bar after the lock, judged at the close of bar `bars_closed - 1`."""
    symbols = {trade.symbol for trade in trades}
    locks = protect([protection], trades, symbols, bars_closed * BAR, BAR)
    assert all(lock.since_ms == bars_closed * BAR and lock.source == protection.method for lock in locks)
    assert all(lock.until_ms % BAR == 0 for lock in locks)
    return {lock.symbol: lock.until_ms // BAR for lock in locks}


def test_cooldown_locks_the_coin_that_was_sold() -> None:
    """Sold in bar 10, two candles: bars 11 and 12 are locked; at the close of bar 12 the coin may be entered again."""
    cooldown = ProtectionSettings(method="CooldownPeriod", stop_duration_candles=2)
    trades = [_trade("A", 10, 0.5), _trade("B", 3, -0.5)]
    assert _locks(cooldown, trades, 11) == {"A": 13}
    assert _locks(cooldown, trades, 12) == {"A": 13}
    assert _locks(cooldown, trades, 13) == {}


def test_stoploss_guard_counts_losing_stops_over_all_coins_and_by_coin() -> None:
    """Three stops on two coins lock everything; two on one coin lock nothing with a limit of three."""
    guard = ProtectionSettings(
        method="StoplossGuard", lookback_period_candles=10, trade_limit=3, stop_duration_candles=5
    )
    trades = [_stop("A", 5), _stop("A", 7), _stop("B", 9), _trade("B", 9, -0.9)]
    assert _locks(guard, trades[:2], 10) == {}
    assert _locks(guard, trades, 10) == {"*": 15}
    assert _locks(guard, [*trades, _stop("A", 9)], 10) == {"*": 15, "A": 15}
    # bar 5 leaves the lookback of ten bars when bar 15 has closed
    assert _locks(guard.model_copy(update={"stop_duration_candles": 50}), trades, 15) == {"*": 60}
    assert _locks(guard.model_copy(update={"stop_duration_candles": 50}), trades, 16) == {}


def test_stoploss_guard_leaves_winning_stops_out_and_can_stay_with_the_coin() -> None:
    """A stop that still won does not count, unless more than that is required; only_per_pair locks no other coin."""
    guard = ProtectionSettings(
        method="StoplossGuard", lookback_period_candles=10, trade_limit=2, stop_duration_candles=5, only_per_pair=True
    )
    trades = [_stop("A", 5, -0.01), _stop("A", 6, 0.02)]
    assert _locks(guard, trades, 10) == {}
    assert _locks(guard.model_copy(update={"required_profit": 0.03}), trades, 10) == {"A": 12}
    assert _locks(guard, [*trades, _stop("A", 7)], 10) == {"A": 13}
    default = ProtectionSettings(method="StoplossGuard", lookback_period_candles=50, stop_duration_candles=50)
    nine = [_stop("A", bar) for bar in range(9)]
    assert _locks(default, nine, 20) == {}
    assert _locks(default, [*nine, _stop("A", 9)], 20) == {"*": 60, "A": 60}


def test_max_drawdown_measures_the_fall_of_the_summed_results() -> None:
    """+0.10, -0.08, +0.03, -0.07: highest 0.10, lowest after it -0.02, a fall of 0.12."""
    trades = [_trade("A", 1, 0.10), _trade("B", 2, -0.08), _trade("A", 3, 0.03), _trade("B", 4, -0.07)]

    def drawdown(allowed: float, trade_limit: int = 1) -> ProtectionSettings:
        return ProtectionSettings(
            method="MaxDrawdown",
            lookback_period_candles=100,
            stop_duration_candles=10,
            max_allowed_drawdown=allowed,
            trade_limit=trade_limit,
        )

    assert _locks(drawdown(0.119), trades, 6) == {"*": 15}
    assert _locks(drawdown(0.121), trades, 6) == {}
    assert _locks(drawdown(0.119, trade_limit=5), trades, 6) == {}
    assert _locks(drawdown(0.05), [_trade("A", 1, -0.06)], 2) == {"*": 12}


def test_low_profit_pairs_locks_the_coin_whose_results_sum_to_too_little() -> None:
    """A earned 0.01 - 0.03, B 0.05; with a requirement of 0.06 both are too poor."""
    low = ProtectionSettings(
        method="LowProfitPairs", lookback_period_candles=10, trade_limit=2, stop_duration_candles=4
    )
    trades = [_trade("A", 5, 0.01), _trade("A", 6, -0.03), _trade("B", 6, 0.02), _trade("B", 7, 0.03)]
    assert _locks(low, trades, 8) == {"A": 11}
    assert _locks(low.model_copy(update={"required_profit": 0.06}), trades, 8) == {"A": 11, "B": 12}
    assert _locks(low.model_copy(update={"trade_limit": 3}), trades, 8) == {}


@pytest.mark.parametrize("method", ["MaxDrawdown", "LowProfitPairs", "StoplossGuard"])
def test_a_result_that_is_no_number_locks(method: str) -> None:
    """Doubt locks: a result that is not known is not a good one."""
    protection = ProtectionSettings.model_validate({"method": method, "trade_limit": 1})
    assert _locks(protection, [_stop("A", 1, math.nan)], 2)


def test_nothing_closed_locks_nothing() -> None:
    """Without trades no protection has an opinion."""
    methods = ("StoplossGuard", "MaxDrawdown", "CooldownPeriod", "LowProfitPairs")
    assert protect([ProtectionSettings(method=method) for method in methods], [], {"A"}, BAR, BAR) == ()


def test_only_coins_whose_trade_just_ended_are_looked_at() -> None:
    """B's trade ends: A, whose lock a person may have lifted, is not locked again; all together are looked at."""
    low = ProtectionSettings(method="LowProfitPairs")
    guard = ProtectionSettings(method="StoplossGuard", trade_limit=2)
    trades = [_stop("A", 1), _stop("B", 2)]
    locks = protect([low, guard], trades, {"B"}, 3 * BAR, BAR)
    assert [(lock.source, lock.symbol) for lock in locks] == [("LowProfitPairs", "B"), ("StoplossGuard", "*")]
    assert protect([low, guard], trades, (), 3 * BAR, BAR) == ()


def test_a_lock_explains_itself() -> None:
    """The reason names the protection, the figures and the duration."""
    guard = ProtectionSettings(method="StoplossGuard", trade_limit=1, stop_duration_candles=5, only_per_pair=True)
    (lock,) = protect([guard], [_stop("A", 1)], ["A"], 2 * BAR, BAR)
    assert isinstance(lock, PairLock)
    assert lock.reason == "StoplossGuard: 1 stop-losses, limit 1, within 60 candles, locked for 5 candles"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"), st.integers(0, 40), st.floats(-0.1, 0.1), st.sampled_from(ExitReason), st.booleans()
        ),
        max_size=12,
    ),
    st.integers(0, BAR - 1),
)
def test_where_in_the_bar_an_exit_was_filled_changes_nothing(
    rows: list[tuple[str, int, float, ExitReason, bool]], offset: int
) -> None:
    """Parity: a fill at the open and one at the last millisecond of the bar give the same locks; so does any order."""
    protections = [
        ProtectionSettings.model_validate({"method": method, "stop_duration_candles": 7, **more})
        for method, more in (
            ("CooldownPeriod", {}),
            ("StoplossGuard", {"lookback_period_candles": 9, "trade_limit": 2}),
            ("LowProfitPairs", {"lookback_period_candles": 9}),
        )
    ]
    early = [ClosedTrade(symbol, bar * BAR, profit, reason) for symbol, bar, profit, reason, _ in rows]
    late = [ClosedTrade(symbol, bar * BAR + offset, profit, reason) for symbol, bar, profit, reason, _ in rows]
    shuffled = sorted(late, key=lambda trade: (trade.reason, -trade.exit_ms))

    def ends(trades: list[ClosedTrade]) -> list[tuple[str, str, int]]:
        return [(lock.source, lock.symbol, lock.until_ms) for lock in protect(protections, trades, "AB", 41 * BAR, BAR)]

    assert ends(early) == ends(late) == ends(shuffled)


def test_judging_at_every_close_makes_each_lock_once() -> None:
    """The book of a run over twenty closes holds one row for each trade that asked for a lock."""
    cooldown = ProtectionSettings(method="CooldownPeriod", stop_duration_candles=3)
    trades = [_trade("A", 5, 0.0), _trade("A", 12, 0.0)]
    book = LockBook()
    for closed in range(1, 21):
        done = [trade for trade in trades if trade.exit_ms < closed * BAR]
        book = book.added(*protect([cooldown], done, "A", closed * BAR, BAR))
    assert [(row.since_ms // BAR, row.until_ms // BAR) for row in book.rows] == [(6, 9), (13, 16)]
