"""An answer of the memory, made of given trades without a database."""

from dataclasses import replace

import numpy as np

from huracan.insights import Insights, find_patterns
from huracan.insights.tables import LEVEL, Cutter
from huracan.memory import StoredProposal
from huracan.memory.remembered import Remembered
from tests.insights.worlds import planted_trades

LONGER_HOLD = StoredProposal(
    "ensemble", "coin", "shadow", "hold", "validated",
    {"stop_sigmas": 0.7071, "target_sigmas": 1.06, "hold_bars": 120}, "{}", "early days: +9 bp; later days: +8 bp",
)  # fmt: skip


def sample_answer(means: tuple[float, ...] = (0.6, -0.6), count: int = 500, seed: int = 3) -> Insights:
    """Return the answer of planted trades with their library, causes and what came after their exits."""
    trades, _ = planted_trades(means, count, seed, policy="ensemble")
    library = find_patterns(trades, 7)
    keys = zip(library.members.symbol, library.members.seq, strict=True)
    placed = dict(zip(keys, library.members.number.tolist(), strict=True))
    rows = np.arange(count)
    known = Remembered(
        trade_id=rows, run_id=np.full(count, 7), mode=trades.mode, policy=trades.policy, account=trades.account,
        symbol=trades.symbol, exit_reason=trades.exit_reason, regime=trades.regime, entry_ms=trades.entry_time,
        exit_ms=trades.exit_time, value=trades.entry_price * trades.quantity,
        risk=trades.entry_price * trades.quantity * trades.risk_frac, net=trades.net, fee=trades.fee,
        slippage=trades.spread_part + trades.slippage_part, price_part=trades.price_part,
        pattern=np.array([placed[key] for key in zip(trades.symbol, trades.seq, strict=True)]),
        analysed=np.ones(count, bool), finding=np.where(rows % 3 > 0, "stop_in_noise", ""), foreseen=rows % 5 == 0,
        captured_frac=np.full(count, 0.4), missed_bps=np.full(count, 40.0) + rows % 7, move_bps=np.full(count, -12.0),
    )  # fmt: skip
    cutter = Cutter(known)
    return Insights(
        about="shadow trades, run 7, version ensemble, account coin", mode="shadow", run_ids=(7,),
        first_ms=int(known.entry_ms.min()), last_ms=int(known.entry_ms.max()), days=60, level=LEVEL, claim_rate=0.1,
        by_mode=(("shadow", count),), total=cutter.total(), sections=cutter.sections(), setups=cutter.setups(),
        analysed=count, causes=cutter.findings(won=False), factors=cutter.findings(won=True),
        after_exits=cutter.after_exits(), libraries=(replace(library.found, set_id=1),), proposals=(LONGER_HOLD,),
        gaps=("nothing <else>",),
    )  # fmt: skip
