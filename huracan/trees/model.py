"""The calibrated tree model of one training window: forest, sigmoid, break-even, threshold; stored as text and JSON.

What it says of a decision is p, the calibrated chance that a stake bought there earns more than it costs, and
p - p*, where p* = L / (W + L) is the chance at which the mean win W and the mean loss L of its training labels (in R)
break even. (p - p*) (W + L) is the expected net result in R.

Never a pickle. The JSON holds the hash of the text and some scores that loading repeats; the hash of the JSON names
the whole.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError, DataError
from huracan.features.layout import MARKET_SIZE
from huracan.trees.calibration import Platt
from huracan.trees.forest import Forest

__all__ = ["TreeFacts", "TreeModel"]

FORMAT: Final = "huracan-tree"
FORMAT_VERSION: Final = 1
GOLDEN_ROWS: Final = 16
GOLDEN_SEED: Final = 20_250_611

States = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """Where a tree model comes from, and what its training window said of it.

    Attributes:
        fit: SHA-256 of the feature fit whose market entries it reads; others mean something else.
        hold_bars: longest hold of the rules that its labels were made by.
        train_start_ms: first bar of its window, ms UTC.
        train_end_ms: its end, exclusive; no label reaches past it.
        labels: it was trained on.
        wins: among them.
        folds: held-out folds behind calibration and threshold.
        auc: of the held-out scores.
        brier: of the held-out probabilities.
        seed: of LightGBM.
        lightgbm: version of the library.
    """

    fit: str
    hold_bars: int
    train_start_ms: int
    train_end_ms: int
    labels: int
    wins: int
    folds: int
    auc: float
    brier: float
    seed: int
    lightgbm: str


@dataclass(frozen=True, slots=True, eq=False)
class TreeModel:
    """A forest whose scores are probabilities.

    Attributes:
        forest: over the market entries.
        platt: fitted on held-out scores.
        win: W, mean result of a win, R.
        loss: L, mean size of a loss, R.
        threshold: p - p* above which an entry pays, chosen on held-out rows of the training window; infinite: none did.
        facts: provenance.
    """

    forest: Forest
    platt: Platt
    win: float
    loss: float
    threshold: float
    facts: TreeFacts

    def __post_init__(self) -> None:
        if self.forest.columns != MARKET_SIZE:
            raise ArtefactError(
                f"tree model reads {self.forest.columns} features, the market part of a state has {MARKET_SIZE}: it is "
                "of another feature layout; train again"
            )
        figures = (self.win, self.loss, self.platt.slope, self.platt.offset)
        if not (all(math.isfinite(figure) for figure in figures) and self.win > 0 and self.loss > 0):
            raise ArtefactError(f"tree model has mean win {self.win} and loss {self.loss}; train again")
        if self.platt.slope < 0 or math.isnan(self.threshold):
            raise ArtefactError("tree model has a falling calibration or no threshold; train again")

    @property
    def break_even(self) -> float:
        """Return p*."""
        return self.loss / (self.win + self.loss)

    def probability(self, market: States) -> Floats:
        """Return float64[n], the calibrated chance of a win for float32[n, >= 52] states.

        Raises:
            DataError: a state is not finite.
        """
        return self.platt.probability(self.forest.score(market))

    def edge(self, market: States) -> States:
        """Return float32[n], p - p* for float32[n, >= 52] states: entry 61.

        Raises:
            DataError: a state is not finite.
        """
        return self.edge_of(self.probability(market))

    def history(self, market: States, close_ms: NDArray[np.int64]) -> States:
        """Return `edge`: behind its training window the model says the same whatever the time."""
        return self.edge(market)

    def edge_of(self, probability: Floats) -> States:
        """Return float32[n], p - p* of probabilities."""
        return (probability - self.break_even).astype(np.float32)

    def expected_result(self, market: States) -> Floats:
        """Return float64[n], expected net result of a stake, R."""
        return (self.probability(market) - self.break_even) * (self.win + self.loss)

    # ---- files ------------------------------------------------------------------------------------------------

    def to_files(self) -> tuple[bytes, bytes]:
        """Return (text model, JSON); the same model gives the same bytes."""
        text = self.forest.text.encode()
        body = {
            "text_sha256": hashlib.sha256(text).hexdigest(),
            "platt": asdict(self.platt),
            "win": self.win,
            "loss": self.loss,
            "threshold": None if math.isinf(self.threshold) else self.threshold,
            "facts": asdict(self.facts),
            "golden": self.edge(_golden_states()).tolist(),
        }
        document = {"format": FORMAT, "format_version": FORMAT_VERSION, "body": body}
        return text, (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()

    @classmethod
    def from_files(cls, text: bytes, document: bytes, fit: str | None = None) -> Self:
        """Return the model that wrote `to_files`.

        Args:
            text: the text model.
            document: the JSON.
            fit: SHA-256 of the feature fit whose states it will be asked about; None: whichever it was trained on.

        Raises:
            ArtefactError: one of them is damaged or changed, does not belong to the other, or the model reads states
                of another feature fit.
        """
        try:
            told = json.loads(document)
            if told["format"] != FORMAT or told["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format {told['format']} {told['format_version']}")
            body: dict[str, Any] = told["body"]
            threshold = math.inf if body["threshold"] is None else float(body["threshold"])
            platt, facts = Platt(**body["platt"]), TreeFacts(**body["facts"])
            win, loss, said = float(body["win"]), float(body["loss"]), str(body["text_sha256"])
            golden = np.array(body["golden"], np.float32)
        except (ValueError, LookupError, TypeError) as error:
            raise ArtefactError(f"this JSON describes no tree model ({error!r}); train again") from None
        if hashlib.sha256(text).hexdigest() != said:
            raise ArtefactError("the text of the tree model was changed after export (text_sha256 differs); copy again")
        model = cls(Forest.of_text(text.decode()), platt, win, loss, threshold, facts)
        if fit is not None and facts.fit != fit:
            raise ArtefactError(
                f"tree model reads the states of another feature fit ({facts.fit[:12]}) than these ({fit[:12]}): "
                "another window, layout or formula; train it on this one"
            )
        if not np.array_equal(model.edge(_golden_states()), golden):
            raise ArtefactError(
                "tree model: the stored scores do not repeat: this code computes another model than the one exported; "
                "train again"
            )
        return model

    @property
    def sha256(self) -> str:
        """Return the hash of the JSON, which holds the hash of the text; hexadecimal."""
        return hashlib.sha256(self.to_files()[1]).hexdigest()


def _golden_states() -> States:
    return np.random.default_rng(GOLDEN_SEED).standard_normal((GOLDEN_ROWS, MARKET_SIZE)).astype(np.float32)


def check_market(market: States) -> None:
    """Hold that training rows are market entries and finite.

    Raises:
        DataError: they are not.
    """
    if market.ndim != 2 or market.shape[1] != MARKET_SIZE:
        raise DataError(
            f"tree model: training rows of shape {market.shape}, not (n, {MARKET_SIZE}): another feature layout"
        )
    bad = ~np.isfinite(market).all(axis=1)
    if bad.any():
        raise DataError(
            f"tree model: {int(bad.sum())} of {len(market)} training rows hold NaN or infinity (first: row "
            f"{int(np.argmax(bad))}); train on warm decisions only"
        )
