"""Closed trades in a database with planted patterns, their analyses and what came after their exits."""

from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.memory import TradeRows, open_run, read_trades, write_trades
from huracan.memory.analyses import TradeAnalysis, write_analyses
from tests.insights.worlds import planted_trades


def store(
    engine: Engine, means: tuple[float, ...], count: int, seed: int, *, policy: str = "ensemble", **more: object
) -> tuple[int, TradeRows]:
    """Return a new run and its trades, both in the database."""
    run_id = open_run(engine, "train", Settings(), "data", "test")
    write_trades(engine, run_id, planted_trades(means, count, seed, policy=policy, **more)[0])  # type: ignore[arg-type]
    return run_id, read_trades(engine, run_id)


def analysed(engine: Engine, run_id: int, trades: TradeRows) -> None:
    """Store an analysis of each trade: two thirds of the losses by cost, the rest unexplained; 40 bp were missed."""
    base = TradeAnalysis(
        policy="", account="", symbol="", fold=0, mode="shadow", seq=0, won=False, p_value=0.5, predicted_r=None,
        captured_frac=0.4, entry_quality=0.5, exit_quality=0.5, mae_used=0.5, neighbours=None, neighbour_wins=None,
        features=(), contributions=(), foreseen=False, findings_json="[]", hold_bars=60, tracked_bars=120, high_bars=5,
        low_bars=9, missed_bps=40.0, move_bps=(1.0, 2.0, -12.0, 4.0), mfe_bps=(1.0,) * 4, mae_bps=(-1.0,) * 4,
    )  # fmt: skip
    rows = []
    for n in range(len(trades)):
        won = bool(trades.net[n] > 0)
        cost = not won and n % 3 > 0
        rows.append(
            replace(
                base,
                policy=str(trades.policy[n]),
                account=str(trades.account[n]),
                symbol=str(trades.symbol[n]),
                mode=str(trades.mode[n]),
                seq=int(trades.seq[n]),
                won=won,
                foreseen=cost,
                findings_json='[["cost",0.9,{"share":[0.9,0.5]}],["late_entry",0.2,{}]]' if cost else "[]",
            )
        )
    write_analyses(engine, run_id, rows)


def losses(trades: TradeRows) -> tuple[int, int]:
    """Return (losses explained by cost, losses unexplained) of `analysed`."""
    lost = trades.net <= 0
    explained = lost & (np.arange(len(trades)) % 3 > 0)
    return int(explained.sum()), int((lost & ~explained).sum())
