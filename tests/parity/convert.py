"""One `IntegerMarket` and one configuration for both sides: a tape for the kernel, decimals for the reference."""

from decimal import ROUND_CEILING, Decimal

import numpy as np

from huracan.trading import Instrument, KernelSettings, Tape, decision_rows
from huracan.trading.costs import make_cost_table
from tests.parity.actor import TraderRules
from tests.parity.messages import BookCost, Candle
from tests.parity.observe import FEE_UNIT, StateRules
from tests.parity.session import Market, ReferenceRules
from tests.parity.venue import VenueRules
from tests.parity.wild import IntegerMarket

START_QUOTE = Decimal(1_000_000)
TIMEFRAME_OF_MS = {60_000: "1m", 900_000: "15m", 3_600_000: "1h", 86_400_000: "1d"}


def pays_in_quote(market: IntegerMarket, settings: KernelSettings) -> bool:
    """Return whether buys pay their fee in quote currency: by configuration, and always on perpetuals."""
    return settings.fee_in_quote or ":" in market.symbol


def make_tape(market: IntegerMarket, settings: KernelSettings) -> Tape:
    """Return the kernel's view of the market; state entries 0-61 are zeros."""
    rows = decision_rows(market.bars[:, 0], settings.decision_interval_bars)
    costs = make_cost_table(market.symbol, market.day_ms, market.spread, market.qcap, market.impact)
    return Tape(
        symbol=market.symbol,
        instrument=Instrument(
            symbol=market.symbol,
            tick=market.tick,
            step=market.step,
            min_notional=market.min_notional,
            fee_maker_ppm=settings.fee_maker_ppm,
            fee_taker_ppm=settings.fee_taker_ppm,
            fee_in_quote=pays_in_quote(market, settings),
        ),
        timeframe=TIMEFRAME_OF_MS[market.base_ms],
        bars=np.ascontiguousarray(market.bars),
        sigma=market.sigma,
        day=market.day.astype(np.int32),
        costs=costs,
        rows=rows,
        features=np.zeros((len(rows), 62), np.float32),
        ready=market.ready,
        segment=np.zeros(len(market.bars), np.int32),
    )


def make_market(market: IntegerMarket, cost_scale: float = 1.0) -> Market:
    """Return the reference's view of the market, in exact decimals; costs scaled and rounded as the contract says."""
    tick, step = market.tick, market.step
    candles = []
    for row in market.bars.tolist():
        opening, high, low, close = (value * tick for value in row[1:5])
        candles.append(Candle(row[0], opening, high, low, close, row[5] * step))
    days = [
        BookCost(int(np.rint(spread * cost_scale)), qcap, impact * cost_scale)
        for spread, qcap, impact in zip(
            market.spread.tolist(), market.qcap.tolist(), market.impact.tolist(), strict=True
        )
    ]
    costs = [days[day] for day in market.day.tolist()]
    return Market(market.symbol, candles, costs, market.sigma.tolist())


def make_rules(market: IntegerMarket, settings: KernelSettings, cost_scale: float = 1.0) -> ReferenceRules:
    """Return the reference's rule book for this market."""
    maker_ppm = int(np.rint(settings.fee_maker_ppm * cost_scale))
    taker_ppm = int(np.rint(settings.fee_taker_ppm * cost_scale))
    grid = market.tick * market.step
    return ReferenceRules(
        venue=VenueRules(
            tick=market.tick,
            step=market.step,
            maker_fee=maker_ppm * FEE_UNIT,
            taker_fee=taker_ppm * FEE_UNIT,
            fee_in_quote=pays_in_quote(market, settings),
            share=(settings.share_num, settings.share_den),
            stop_slip=settings.stop_slip_range_frac,
        ),
        trader=TraderRules(
            tick=market.tick,
            step=market.step,
            stake=settings.stake_quote // grid * grid,
            min_notional=(market.min_notional / grid).to_integral_value(ROUND_CEILING) * grid,
            hold=settings.hold_bars,
            stop_sigmas=settings.stop_sigmas,
            target_sigmas=settings.target_sigmas,
            distance_min=settings.distance_min,
            cap_bps=settings.cap_bps,
            maker_entry=settings.maker_entry,
            maker_exit=settings.maker_exit,
            life=settings.maker_life_bars,
            tries=settings.maker_tries,
            fallback_taker=settings.maker_fallback_taker,
            exit_life=settings.maker_exit_life_bars,
        ),
        state=StateRules(maker_ppm, taker_ppm),
        interval=settings.decision_interval_bars,
        start_quote=START_QUOTE,
    )
