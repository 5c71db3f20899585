"""Why trades lose: one tested rule a cause, each on data known at the entry, on what came after, or on both.

A rule returns what it found with the figures it looked at, or None where it cannot be applied (no sigma, no neighbours,
no candles behind the exit): that is no finding, and is counted as untested. Several causes may hold; they are ranked by
their strength, the share of the loss that each accounts for. None may hold: the loss is unexplained, which most single
losses of a fair game are.
"""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import numpy as np

from huracan.analysis.cases import Case, Figure, Tested, says, touch_probability

__all__ = ["CAUSES", "Cause", "ask_causes"]

SHARE_MIN: Final = 0.5
"""A cause must account for so much of a loss."""
SHOCK_SIGMAS: Final = 6.0
REGIME_MOVE: Final = 0.5
"""Change of a filtered probability (or of P(up) - P(down)) that counts as another regime."""
MARKOUT_OF_THE_HOLD: Final = 48
MARKOUT_SIGMAS: Final = 1.5
MARKOUT_SHARE_MIN: Final = 0.25
NOISE_MIN: Final = 0.25
"""A stop that a driftless price touches within the hold with this probability lies inside the noise."""
TARGET_TOUCH_MAX: Final = 0.2
TARGET_PART_MIN: Final = 0.5
LATE_OF_THE_HOLD: Final = 8
LATE_SIGMAS: Final = 2.0
LATE_PLACE_MIN: Final = 0.9
LATE_GAIN_MAX: Final = 0.25
SIMILAR_MIN: Final = 10


class Cause(StrEnum):
    """Why a trade lost."""

    COST = "cost"
    SHOCK = "shock"
    REGIME_CHANGE = "regime_change"
    ADVERSE_SELECTION = "adverse_selection"
    STOP_IN_NOISE = "stop_in_noise"
    TARGET_TOO_FAR = "target_too_far"
    LATE_ENTRY = "late_entry"
    SIMILAR_LOSING = "similar_losing"


def cost(case: Case) -> Tested | None:
    """Costs are at least half of the loss: the move alone lost less than they took, or won less."""
    share = min(1.0, case.cost / -case.net) if case.net < 0 else 0.0
    figures = Figure("share", share, SHARE_MIN), Figure("gross_bps", _bps(case, case.gross))
    return says(share >= SHARE_MIN, None, share, *figures, Figure("cost_bps", _bps(case, case.cost)))


def shock(case: Case) -> Tested | None:
    """One bar fell by six standard deviations, as known at the close before it, and took half of the loss."""
    moves, sizes = case.moves()
    if not np.isfinite(sizes).all():
        return None
    worst = int(np.argmin(sizes))
    share = _share(-float(moves[worst]), case)
    found = sizes[worst] <= -SHOCK_SIGMAS and share >= SHARE_MIN
    return says(
        bool(found), None, share, Figure("sigmas", float(sizes[worst]), -SHOCK_SIGMAS),
        Figure("share", share, SHARE_MIN),
        Figure("bar", float(case.path.number[case.first + worst] - case.path.number[case.first])),
    )  # fmt: skip


def regime_change(case: Case) -> Tested | None:
    """The filtered regime turned while the trade was held, and half of the loss came after it was known."""
    high, trend = case.path.high_vol, case.path.trend
    held = np.arange(case.first, case.last)
    if not (np.isfinite(high[case.decided]) and np.isfinite(trend[case.decided])):
        return None
    rises = high[held] - high[case.decided]
    falls = trend[held] - trend[case.decided]
    turned = np.flatnonzero((rises >= REGIME_MOVE) | (falls <= -REGIME_MOVE))
    if not len(turned):
        top = float(rises.max(initial=0.0)), float(falls.min(initial=0.0))
        return says(False, None, 0.0, Figure("high_vol", top[0], REGIME_MOVE), Figure("trend", top[1], -REGIME_MOVE))
    at = int(held[turned[0]])
    share = _share(float(case.path.close[at]) - case.leave, case)
    return says(
        share >= SHARE_MIN, None, share, Figure("high_vol", float(rises[turned[0]]), REGIME_MOVE),
        Figure("trend", float(falls[turned[0]]), -REGIME_MOVE), Figure("share", share, SHARE_MIN),
        Figure("bar", float(case.path.number[at] - case.path.number[case.first])),
    )  # fmt: skip


def adverse_selection(case: Case) -> Tested | None:
    """A resting entry was filled by a price on its way down: it went on at once and never paid its costs."""
    bars = max(1, case.hold_bars // MARKOUT_OF_THE_HOLD)
    at = case.path.known_at(int(case.path.number[case.first]) + bars - 1)
    if at is None or not case.sigma > 0:
        return None
    price = case.leave if at >= case.last else float(case.path.close[at])
    marked = case.log_to_sigmas(math.log(price / case.entry), bars)
    share = _share(case.entry - price, case)
    found = case.rested and marked <= -MARKOUT_SIGMAS and share >= MARKOUT_SHARE_MIN and case.best < case.cost
    return says(
        found, None, share, Figure("rested", float(case.rested), 1.0),
        Figure("markout_sigmas", marked, -MARKOUT_SIGMAS), Figure("share", share, MARKOUT_SHARE_MIN),
        Figure("markout_bars", float(bars)),
    )  # fmt: skip


def stop_in_noise(case: Case) -> Tested | None:
    """The stop was as near as noise reaches within the hold, was hit, and the price came back within the hold."""
    if not case.sigma > 0 or case.risk <= 0:
        return None
    touched = touch_probability(math.log1p(-min(case.risk / case.entry, 0.99)), case.sigma, case.hold_bars)
    warned = touched >= NOISE_MIN
    noise = Figure("touch_probability", touched, NOISE_MIN)
    if case.reason != "stop_loss":
        return says(False, warned, 0.0, noise)
    end = int(case.path.number[case.first]) + case.hold_bars
    if case.path.known_at(end) is None:
        return None
    later = case.path.close[case.last : case.path.upto(end) + 1]
    back = float(later.max()) - case.entry - case.cost
    return says(
        warned and back >= 0, warned, touched, noise, Figure("recovered_bps", _bps(case, back), 0.0),
        Figure("stop_bps", _bps(case, case.risk)),
    )  # fmt: skip


def target_too_far(case: Case) -> Tested | None:
    """The target was beyond what noise reaches, the trade got half-way and twice its costs up, and lost it all."""
    if not case.sigma > 0 or case.target <= 0:
        return None
    touched = touch_probability(math.log1p(case.target / case.entry), case.sigma, case.hold_bars)
    warned = touched <= TARGET_TOUCH_MAX
    part = case.best / case.target
    needed = max(TARGET_PART_MIN, 2.0 * case.cost / case.target)
    found = warned and case.net < 0 and part >= needed and case.reason != "take_profit"
    strength = case.best / (case.best - case.net) if case.net < 0 else 0.0
    return says(
        found, warned, strength, Figure("touch_probability", touched, TARGET_TOUCH_MAX),
        Figure("reached", part, needed), Figure("target_bps", _bps(case, case.target)),
    )  # fmt: skip


def late_entry(case: Case) -> Tested | None:
    """Bought at the top of a run that was over: two deviations up before the entry, nothing more after it."""
    bars = max(2, case.hold_bars // LATE_OF_THE_HOLD)
    begin = case.path.upto(int(case.path.number[case.decided]) - bars) + 1
    if begin < 1 or not case.sigma > 0 or case.risk <= 0:
        return None
    before = slice(begin, case.decided + 1)
    low, high = float(case.path.low[before].min()), float(case.path.high[before].max())
    close = float(case.path.close[case.decided])
    run = case.log_to_sigmas(math.log(close / low), bars)
    place = (close - low) / (high - low) if high > low else 0.0
    warned = run >= LATE_SIGMAS and place >= LATE_PLACE_MIN
    gained = case.best / case.risk
    return says(
        warned and case.net < 0 and gained <= LATE_GAIN_MAX, warned, min(1.0, run / (2.0 * LATE_SIGMAS)),
        Figure("run_sigmas", run, LATE_SIGMAS), Figure("place", place, LATE_PLACE_MIN),
        Figure("gained_r", gained, LATE_GAIN_MAX),
    )  # fmt: skip


def similar_losing(case: Case) -> Tested | None:
    """The past trades most like it lost when it was entered, and more than trades at large, by their upper bound."""
    if case.similar is None or case.similar.count < SIMILAR_MIN:
        return None
    warned = case.similar.losing
    lost = 1.0 - (case.similar.wins + 1.0) / (case.similar.count + 2.0)
    return says(
        warned and case.net < 0, warned, lost, Figure("mean_r_high", case.similar.high, min(0.0, case.similar.base)),
        Figure("mean_r", case.similar.mean), Figure("trades", float(case.similar.count), float(SIMILAR_MIN)),
        Figure("wins", float(case.similar.wins)),
    )  # fmt: skip


CAUSES: Final[dict[Cause, Callable[[Case], Tested | None]]] = {
    Cause.COST: cost,
    Cause.SHOCK: shock,
    Cause.REGIME_CHANGE: regime_change,
    Cause.ADVERSE_SELECTION: adverse_selection,
    Cause.STOP_IN_NOISE: stop_in_noise,
    Cause.TARGET_TOO_FAR: target_too_far,
    Cause.LATE_ENTRY: late_entry,
    Cause.SIMILAR_LOSING: similar_losing,
}


def ask_causes(case: Case) -> dict[Cause, Tested | None]:
    """Return what every rule says of a trade; None where it cannot be applied."""
    return {name: rule(case) for name, rule in CAUSES.items()}


def _share(fall: float, case: Case) -> float:
    """Return how much of the loss a fall in price accounts for, 0 to 1; 0 for a trade that did not lose."""
    return min(1.0, max(0.0, fall) / -case.net) if case.net < 0 else 0.0


def _bps(case: Case, distance: float) -> float:
    return 1e4 * distance / case.entry
