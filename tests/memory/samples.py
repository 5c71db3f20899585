"""Trades made up for tests: every column random, yet true to the rules of the table."""

from dataclasses import fields

import numpy as np
from sqlalchemy import Engine, text

from huracan.memory import TradeRows

ANALYSED = ("win_analysis", "loss_analysis", "post_exit_tracking")
REASONS = ("take_profit", "stop_loss", "time_limit", "policy_exit", "risk_exit", "kill_switch", "end_of_data")


def sample_trades(
    count: int, seed: int, symbol: str = "BTC/USDT", policy: str = "ensemble-3", fold: int = 0, account: str = "coin"
) -> TradeRows:
    """Return one block of `count` trades whose parts add up to their net."""
    rng = np.random.default_rng(seed)
    price, spread, slippage, fee = (rng.normal(size=count) * scale for scale in (20.0, -0.5, -0.2, -1.0))
    entry_time = 1_750_000_000_000 + np.cumsum(rng.integers(1, 10_000, count)) * 60_000

    def large() -> np.ndarray:
        return rng.integers(-(2**62), 2**62, count)

    return TradeRows(
        policy=np.full(count, policy),
        account=np.full(count, account),
        symbol=np.full(count, symbol),
        mode=np.full(count, "shadow"),
        side=np.full(count, "long"),
        exit_reason=rng.choice(REASONS, count),
        fold=np.full(count, fold),
        seq=np.arange(count),
        action=rng.integers(1, 4, count),
        regime=rng.integers(-1, 6, count),
        entry_time=entry_time,
        exit_time=entry_time + rng.integers(0, 1_000, count) * 60_000,
        entry_price=rng.uniform(1e-5, 1e5, count),
        exit_price=rng.uniform(1e-5, 1e5, count),
        quantity=rng.uniform(1e-8, 1e8, count),
        price_part=price,
        spread_part=spread,
        slippage_part=slippage,
        fee=fee,
        net=price + spread + slippage + fee,
        mfe_frac=rng.uniform(0, 0.1, count),
        mae_frac=-rng.uniform(0, 0.1, count),
        risk_frac=rng.uniform(0.005, 0.05, count),
        confidence=rng.uniform(size=count),
        steps_in=large(),
        steps_out=large(),
        tick_steps_in=large(),
        tick_steps_out=large(),
        fee_base_e8=large(),
        fee_quote_e8=large(),
        dust_in_e8=large(),
        dust_out_e8=large(),
        high_ticks=large(),
        low_ticks=large(),
        layout=large(),
        entry_state=rng.normal(size=(count, 80)).astype(np.float32),
    )


def joined(*blocks: TradeRows) -> TradeRows:
    """Return the rows of all blocks."""
    return TradeRows(
        **{
            column.name: np.concatenate([getattr(block, column.name) for block in blocks])
            for column in fields(TradeRows)
        }
    )


def same(left: TradeRows, right: TradeRows) -> bool:
    """Return whether both hold the same rows in the same order, bit for bit."""
    return all(_bits(getattr(left, column.name)) == _bits(getattr(right, column.name)) for column in fields(TradeRows))


def _bits(values: np.ndarray) -> object:
    return values.tolist() if values.dtype.kind == "U" else (values.dtype.str, values.shape, values.tobytes())


def count_analyses(engine: Engine, run_id: int) -> dict[str, int]:
    """Return how many rows each table of analyses holds for a run's trades."""
    counts = "SELECT count(*) FROM {} JOIN trade_memory USING (trade_id) WHERE run_id = :run_id"
    with engine.connect() as connection:
        return {
            table: connection.execute(text(counts.format(table)), {"run_id": run_id}).scalar_one() for table in ANALYSED
        }
