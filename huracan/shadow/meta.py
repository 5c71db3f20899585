"""Meta-labelling over the folds: what its models learn from, and what leaving out entries would have changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from huracan.baselines import Entries, MetaModel
from huracan.config import ShadowSettings
from huracan.shadow.bootstrap import Resampler
from huracan.shadow.run import ShadowResult
from huracan.shadow.summary import MetaFold, MetaSummary
from huracan.trading import ExitReason

__all__ = ["MetaOutcome", "entries_of", "summarise_meta"]


@dataclass(frozen=True, slots=True)
class MetaOutcome:
    """One fold with and without the meta model.

    Attributes:
        model: trained on the folds before.
        result: of the filtered policy; None where the model leaves nothing out.
    """

    model: MetaModel
    result: ShadowResult | None


def entries_of(result: ShadowResult, base_ms: int) -> Entries:
    """Return the closed trades of a result that a meta model may learn from: those that the market ended.

    Args:
        result: of the judged policy in one fold.
        base_ms: length of a bar.
    """
    kept = result.trades.where(result.trades.reason != ExitReason.END_OF_DATA)
    risk = np.maximum(kept.risk_frac * kept.notional_in, np.finfo(np.float64).tiny)
    return Entries(kept.entry_state, kept.confidence, kept.entry_ms, kept.exit_ms + base_ms, kept.net / risk)


def summarise_meta(
    without: Sequence[ShadowResult], outcomes: Sequence[MetaOutcome], settings: ShadowSettings, seed: int
) -> MetaSummary:
    """Compare the judged policy with its filtered self, fold by fold.

    Args:
        without: the judged policy, by fold.
        outcomes: of the same folds.
        settings: resamples and confidence level.
        seed: of the resampling.
    """
    pairs = [
        (plain, outcome.result) for plain, outcome in zip(without, outcomes, strict=True) if outcome.result is not None
    ]
    gain = np.concatenate([np.zeros(0), *(filtered.daily - plain.daily for plain, filtered in pairs)])
    interval = None
    if gain.size:
        resampler = Resampler(gain, resamples=settings.bootstrap_resamples, level=settings.confidence_level, seed=seed)
        interval = resampler.interval(gain)
    plain_trades, plain_precision = _precision([plain for plain, _ in pairs])
    trades, precision = _precision([filtered for _, filtered in pairs])
    return MetaSummary(
        folds=tuple(
            MetaFold(
                plain.fold,
                outcome.model.learnt,
                outcome.model.wins,
                outcome.model.auc,
                outcome.model.brier,
                outcome.model.reason,
            )
            for plain, outcome in zip(without, outcomes, strict=True)
        ),
        days=int(gain.size),
        trades_without=plain_trades,
        trades_with=trades,
        precision_without=plain_precision,
        precision_with=precision,
        net_without=float(sum(plain.daily.sum() for plain, _ in pairs)),
        net_with=float(sum(filtered.daily.sum() for _, filtered in pairs)),
        day_difference=interval,
        earns=interval is not None and interval.low > 0.0,
    )


def _precision(results: Sequence[ShadowResult]) -> tuple[int, float | None]:
    net = np.concatenate([np.zeros(0), *(r.trades.net[r.trades.reason != ExitReason.END_OF_DATA] for r in results)])
    return int(net.size), float(np.mean(net > 0)) if net.size else None
