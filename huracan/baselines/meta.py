"""Meta-labelling: a second model that says which of a policy's entries to leave out.

It learns from the policy's own trades on days that the policy had not seen, of earlier folds alone, whether an entry in
such a state wins; beside the state it knows how sure the policy was. An entry whose calibrated chance lies below break
even is not made. What that changes is reported; nothing that is served uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import DataError
from huracan.features.layout import S_COST, S_LGBM_EDGE, S_MAKER_SAVING, STATE_SIZE
from huracan.patterns import EMBEDDED
from huracan.policy import Decision, Ensemble
from huracan.trading import Action
from huracan.trees import Forest, Platt, Spans, auc, brier, check_split, fit_platt, purged_folds
from huracan.trees.fit import grow

__all__ = ["META", "Entries", "MetaModel", "MetaPolicy", "train_meta"]

META: Final = "meta"
"""Name of the filtered policy in reports."""
TRADES_MIN: Final = 200
FOLDS: Final = 4
TREES: Final = 60
LEAVES: Final = 7
SEED: Final = 1
COLUMNS: Final[npt.NDArray[np.int64]] = np.array([*EMBEDDED, S_LGBM_EDGE, S_COST, S_MAKER_SAVING], np.int64)
"""State entries that mean the same whatever window they were fitted on: trades of several folds are learnt from."""

States = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Closed trades of a policy that the meta model may learn from.

    Attributes:
        states: float32[n, 80], in which the entries were decided.
        confidence: float64[n], of the policy, 0 to 1.
        entry_ms: int64[n], bar of the first fill, ms UTC.
        known_ms: int64[n], close of the bar of the last fill.
        result: float64[n], net over initial risk.
    """

    states: States
    confidence: Floats
    entry_ms: Ints
    known_ms: Ints
    result: Floats

    def __len__(self) -> int:
        return len(self.result)

    def until(self, at_ms: int) -> "Entries":
        """Return the trades whose result is known at a moment."""
        rows = self.known_ms <= at_ms
        return Entries(
            self.states[rows], self.confidence[rows], self.entry_ms[rows], self.known_ms[rows], self.result[rows]
        )

    @staticmethod
    def none() -> "Entries":
        """Return no trades."""
        no, nothing = np.zeros(0, np.int64), np.zeros(0)
        return Entries(np.zeros((0, STATE_SIZE), np.float32), nothing, no, no, nothing)

    @staticmethod
    def joined(parts: "Sequence[Entries]") -> "Entries":
        """Return the trades of all parts; at least one."""
        names = ("states", "confidence", "entry_ms", "known_ms", "result")
        return Entries(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class MetaModel:
    """Chance that an entry of the policy wins.

    Attributes:
        forest: None when there was nothing to learn from: every entry is made.
        platt: fitted on held-out trades.
        break_even: chance at which the policy's mean win and loss balance.
        learnt: trades it was trained on.
        wins: among them.
        auc: of held-out scores, None without a forest; `brier` likewise.
        brier: of held-out chances.
        reason: why there is no forest, else "".
    """

    forest: Forest | None
    platt: Platt
    break_even: float
    learnt: int
    wins: int
    auc: float | None
    brier: float | None
    reason: str = ""

    def keeps(self, states: States, confidence: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return bool[n], which entries to make; states float32[n, 80], confidence [n]."""
        if self.forest is None:
            return np.ones(len(states), np.bool_)
        chance = self.platt.probability(self.forest.score(_rows(states, confidence)))
        return np.asarray(chance >= self.break_even, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class MetaPolicy:
    """A policy whose entries the meta model may leave out; everything else it decides stands."""

    policy: Ensemble
    meta: MetaModel

    def decide(self, states: States) -> Decision:
        """Return the policy's decision, with DO_NOTHING where an entry is left out."""
        said = self.policy.decide(states)
        enters = np.flatnonzero((said.action >= Action.ENTER_LONG_SMALL) & (said.action <= Action.ENTER_LONG_LARGE))
        left = enters[~self.meta.keeps(states[enters], said.confidence[enters])]
        if not left.size:
            return said
        action, confidence = said.action.copy(), said.confidence.copy()
        action[left], confidence[left] = int(Action.DO_NOTHING), said.probs[left, int(Action.DO_NOTHING)]
        return replace(said, action=action, confidence=confidence)

    def act(self, states: States) -> Ints:
        """Return the legal action per row; states are float32[N, 80]."""
        return self.decide(states).action


def train_meta(entries: Entries, seed: int = SEED) -> MetaModel:
    """Learn from a policy's closed trades; too few, or all alike, make a model that leaves nothing out and says why."""
    won = entries.result > 0.0
    wins = int(np.count_nonzero(won))
    try:
        if len(entries) < TRADES_MIN:
            raise DataError(f"meta: {len(entries)} closed trades of earlier folds, at least {TRADES_MIN} are needed")
        return _train(entries, won, seed)
    except DataError as error:
        return MetaModel(None, Platt(0.0, 0.0), 0.0, len(entries), wins, None, None, str(error))


def _train(entries: Entries, won: npt.NDArray[np.bool_], seed: int) -> MetaModel:
    rows, weight = _rows(entries.states, entries.confidence), np.ones(len(entries))
    if not np.isfinite(rows).all():
        raise DataError("meta: entry states hold NaN or infinity; trade shadow again")
    spans = Spans(entries.entry_ms, entries.known_ms)
    score = np.empty(len(entries))
    for split in purged_folds(spans, FOLDS, 0):
        check_split(spans, split.train, split.test)
        forest = grow(rows[split.train], won[split.train], weight[split.train], seed, trees=TREES, leaves=LEAVES)
        score[split.test] = forest.score(rows[split.test])
    platt = fit_platt(score, won, weight)
    win, loss = float(entries.result[won].mean()), -float(entries.result[~won].mean())
    return MetaModel(
        forest=grow(rows, won, weight, seed, trees=TREES, leaves=LEAVES),
        platt=platt,
        break_even=loss / (win + loss),
        learnt=len(entries),
        wins=int(np.count_nonzero(won)),
        auc=auc(score, won),
        brier=brier(platt.probability(score), won),
    )


def _rows(states: States, confidence: npt.NDArray[np.floating]) -> States:
    """Return float32[n, 48]: the entries of `COLUMNS`, then the confidence."""
    return np.column_stack([states[:, COLUMNS], confidence.astype(np.float32)]).astype(np.float32)
