"""What an execution report holds, as plain frozen values; its `report.json` is this tree and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from huracan.report.execution_rows import OrderExcerpt

__all__ = ["ExecutionReport", "LegReport", "Mean", "Part"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum over a sum with its bootstrap interval, and of how many observations (a difference: hours) it is."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one coin, or of all, under one way of entering; None where there was nothing to measure.

    Shares are of the value wanted; values are at the decision's close unless said otherwise; costs are positive.

    Attributes:
        symbol: ccxt symbol, or "all".
        entries: decided.
        orders: maker orders sent; of them `orders_filled` had a fill, `orders_whole` were filled to the end,
            `orders_refused` would have taken from the book.
        orders_filled, orders_whole, orders_refused: see there.
        fill_rate: share of maker orders that had a fill.
        maker_share, taker_share, missed_share: bought resting, bought by taking, not bought.
        bars_to_fill: median bars from the decision to an entry's first maker fill.
        slippage_close: paid above the decision's close, bp of the value bought.
        slippage_open: paid above the next bar's open, bp of the value bought at that open.
        fee: entry fees, bp of the value bought.
        entry_cost: slippage_close + fee.
        markout_resting: move of the price from a resting fill to the close so many bars after its bar, bp of what was
            paid; negative: it went against the buyer. `markout_taking` of fills that took.
        markout_taking: see there.
        missed_move: move from the decision's close to the close at which the last attempt is over, bp of the value not
            bought.
        shortfall: cost of all that was wanted, what was missed being bought at that close with the taker's fee, bp of
            the value wanted (Perold 1988); the figure that compares both ways whole.
        trades: closed.
        net_bps: their net result, bp of what was paid.
        net: the same, quote currency.
        fees: of all venue trades, sales included, quote currency.
    """

    symbol: str
    entries: int
    orders: int
    orders_filled: int
    orders_whole: int
    orders_refused: int
    fill_rate: Mean | None
    maker_share: Mean | None
    taker_share: Mean | None
    missed_share: Mean | None
    bars_to_fill: float | None
    slippage_close: Mean | None
    slippage_open: Mean | None
    fee: Mean | None
    entry_cost: Mean | None
    markout_resting: Mapping[int, Mean | None]
    markout_taking: Mapping[int, Mean | None]
    missed_move: Mean | None
    shortfall: Mean | None
    trades: int
    net_bps: Mean | None
    net: float
    fees: float


@dataclass(frozen=True, slots=True)
class LegReport:
    """One way of entering.

    Attributes:
        total: all coins together.
        coins: each coin, sorted by symbol.
        fill_curve: share of the value wanted that was bought within 1, 2, 3, ... bars.
        slippages: of each entry that bought, against the decision's close, bp.
        open_at_end: positions still held.
        fills: venue trades, sales included.
        requests: HTTP requests of the engine.
        wall_s: how long the replay took.
    """

    total: Part
    coins: tuple[Part, ...]
    fill_curve: tuple[float, ...]
    slippages: tuple[float, ...]
    open_at_end: int
    fills: int
    requests: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """A replay's execution quality.

    Attributes:
        created_ms: wall time.
        version: of huracan.
        source, decider: where candles and decisions came from, for people.
        timeframe: of the candles.
        start_ms, end_ms: span of market time.
        symbols: replayed.
        fee_maker_ppm, fee_taker_ppm: as configured.
        maker_life_bars, maker_tries, maker_fallback: how maker-first enters; its last attempt is over `patience_bars`
            after the decision.
        level: of all intervals.
        seed: of exchange and bootstrap.
        headline: the result in a sentence or two.
        caveats: what the figures do not show.
        maker, taker: the two ways.
        differences: maker-first minus taker-only by name of the figure in `Part`, bp.
        excerpt: the busiest hours of maker entries; None without any.
    """

    created_ms: int
    version: str
    source: str
    decider: str
    timeframe: str
    start_ms: int
    end_ms: int
    symbols: tuple[str, ...]
    fee_maker_ppm: int
    fee_taker_ppm: int
    maker_life_bars: int
    maker_tries: int
    maker_fallback: str
    patience_bars: int
    level: float
    seed: int
    headline: str
    caveats: tuple[str, ...]
    maker: LegReport
    taker: LegReport
    differences: Mapping[str, Mean | None]
    excerpt: OrderExcerpt | None
