"""How much a policy relies on blocks of the state that it was trained with: it trades once more with them at zero.

That is reliance, not worth: who learnt with a block and loses it may do worse than who never had it. What a block is
worth shows only beside a second policy that was trained without it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from huracan.config import ShadowSettings
from huracan.features.layout import MEMORY_SLICE, S_LGBM_EDGE
from huracan.shadow.bootstrap import Resampler
from huracan.shadow.run import ShadowResult
from huracan.shadow.summary import AblationSummary
from huracan.trading import ExitReason, Tape

__all__ = ["BLOCKS", "summarise_ablations", "without"]

BLOCKS: Final[Mapping[str, slice]] = {
    "memory": slice(MEMORY_SLICE.start, S_LGBM_EDGE),
    "tree": slice(S_LGBM_EDGE, S_LGBM_EDGE + 1),
}
"""State entries by name: of past trades (52-60), and the tree model's opinion (61); zero: nothing is known."""


def without(tapes: Sequence[Tape], block: str) -> tuple[Tape, ...]:
    """Return tapes whose states know nothing of a block.

    Args:
        tapes: with features.
        block: name in `BLOCKS`.
    """
    found = []
    for tape in tapes:
        features = tape.features.copy()
        features[:, BLOCKS[block]] = 0.0
        found.append(tape.with_features(features))
    return tuple(found)


def summarise_ablations(
    whole: Sequence[ShadowResult], ablated: Sequence[Mapping[str, ShadowResult]], settings: ShadowSettings, seed: int
) -> tuple[AblationSummary, ...]:
    """Compare a policy with itself without each block, on the same days.

    Args:
        whole: the judged policy, by fold.
        ablated: the same folds, by block; folds in which the policy was not trained with a block lack it.
        settings: resamples and confidence level.
        seed: of the resampling.
    """
    found = []
    for block in BLOCKS:
        pairs = [(with_, fold[block]) for with_, fold in zip(whole, ablated, strict=True) if block in fold]
        if not pairs:
            continue
        gain = np.concatenate([with_.daily - less.daily for with_, less in pairs])
        resampler = Resampler(gain, resamples=settings.bootstrap_resamples, level=settings.confidence_level, seed=seed)
        interval = resampler.interval(gain)
        found.append(
            AblationSummary(
                block=block,
                days=int(gain.size),
                trades_with=sum(_closed(with_) for with_, _ in pairs),
                trades_without=sum(_closed(less) for _, less in pairs),
                net_with=float(sum(with_.daily.sum() for with_, _ in pairs)),
                net_without=float(sum(less.daily.sum() for _, less in pairs)),
                day_difference=interval,
                relies=interval.low > 0.0,
                misled=interval.high < 0.0,
            )
        )
    return tuple(found)


def _closed(result: ShadowResult) -> int:
    return int(np.sum(result.trades.reason != ExitReason.END_OF_DATA))
