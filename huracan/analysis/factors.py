"""Why trades win: the counterpart of the causes, with luck among them.

As there, a rule returns what it found with its figures, or None where it cannot be applied.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import numpy as np

from huracan.analysis.cases import Case, Figure, Tested, says
from huracan.analysis.causes import SHARE_MIN, SHOCK_SIGMAS, SIMILAR_MIN

__all__ = ["FACTORS", "LUCK", "Factor", "ask_factors"]

TREND_MIN: Final = 1 / 3
"""P(up) - P(down) above which the filtered trend counts as up, as `huracan.shadow.trades.regime_of` has it."""
TREND_HELD_MIN: Final = 0.8
ENTRY_MIN: Final = 0.8
MISSED_R_MAX: Final = 0.25
MAE_USED_MIN: Final = 0.5


class Factor(StrEnum):
    """Why a trade won."""

    TREND_CARRIED = "trend_carried"
    GOOD_ENTRY = "good_entry"
    TARGET_PLACED = "target_placed"
    STOP_PLACED = "stop_placed"
    SIMILAR_WINNING = "similar_winning"
    SHOCK_IN_FAVOUR = "shock_in_favour"
    AGAINST_EXPERIENCE = "against_experience"


LUCK: Final = (Factor.SHOCK_IN_FAVOUR, Factor.AGAINST_EXPERIENCE)
"""Factors that nobody could have counted on."""


def trend_carried(case: Case) -> Tested | None:
    """The filtered trend was up at the entry and stayed up over four fifths of the hold."""
    trend = case.path.trend[case.decided : max(case.last, case.first)]
    if not np.isfinite(trend).all():
        return None
    warned = bool(trend[0] > TREND_MIN)
    held = float(np.mean(trend > TREND_MIN))
    return says(
        case.net > 0 and warned and held >= TREND_HELD_MIN, warned, held, Figure("trend", float(trend[0]), TREND_MIN),
        Figure("held", held, TREND_HELD_MIN),
    )  # fmt: skip


def good_entry(case: Case) -> Tested | None:
    """Bought in the lowest fifth of the prices around the entry."""
    if case.quality.entry is None:
        return None
    found = case.net > 0 and case.quality.entry >= ENTRY_MIN
    return says(found, None, case.quality.entry, Figure("entry_quality", case.quality.entry, ENTRY_MIN))


def target_placed(case: Case) -> Tested | None:
    """The target was reached, and within the longest hold the price hardly rose beyond it."""
    if case.reason != "take_profit" or case.risk <= 0:
        return Tested(False, None, 0.0, ())
    end = int(case.path.number[case.first]) + case.hold_bars
    if case.path.known_at(end) is None:
        return None
    beyond = case.path.high[case.last + 1 : case.path.upto(end) + 1]
    missed = max(0.0, float(beyond.max(initial=0)) - case.leave) / case.risk
    return says(
        case.net > 0 and missed <= MISSED_R_MAX, None, 1.0 - missed / (2.0 * MISSED_R_MAX),
        Figure("missed_r", missed, MISSED_R_MAX),
    )  # fmt: skip


def stop_placed(case: Case) -> Tested | None:
    """Half of the risk was used and the stop still held: a tighter one would have lost."""
    if case.quality.mae_used is None:
        return None
    found = case.net > 0 and case.quality.mae_used >= MAE_USED_MIN
    return says(found, None, case.quality.mae_used, Figure("mae_used", case.quality.mae_used, MAE_USED_MIN))


def similar_winning(case: Case) -> Tested | None:
    """The past trades most like it won when it was entered, and more than trades at large, by their lower bound."""
    if case.similar is None or case.similar.count < SIMILAR_MIN:
        return None
    warned = case.similar.winning
    rate = (case.similar.wins + 1.0) / (case.similar.count + 2.0)
    return says(
        case.net > 0 and warned, warned, rate, Figure("mean_r_low", case.similar.low, max(0.0, case.similar.base)),
        Figure("mean_r", case.similar.mean), Figure("trades", float(case.similar.count), float(SIMILAR_MIN)),
    )  # fmt: skip


def shock_in_favour(case: Case) -> Tested | None:
    """One bar rose by six standard deviations and made half of the gain: nobody could have known."""
    moves, sizes = case.moves()
    if not np.isfinite(sizes).all():
        return None
    best = int(np.argmax(sizes))
    share = min(1.0, max(0.0, float(moves[best])) / case.gross) if case.net > 0 and case.gross > 0 else 0.0
    found = sizes[best] >= SHOCK_SIGMAS and share >= SHARE_MIN
    return says(
        bool(found), None, share, Figure("sigmas", float(sizes[best]), SHOCK_SIGMAS), Figure("share", share, SHARE_MIN)
    )  # fmt: skip


def against_experience(case: Case) -> Tested | None:
    """The past trades most like it lost more than others when it was entered, and yet it won: luck, until more do."""
    if case.similar is None or case.similar.count < SIMILAR_MIN:
        return None
    warned = case.similar.losing
    lost = 1.0 - (case.similar.wins + 1.0) / (case.similar.count + 2.0)
    return says(
        case.net > 0 and warned, warned, lost, Figure("mean_r_high", case.similar.high, min(0.0, case.similar.base)),
        Figure("trades", float(case.similar.count), float(SIMILAR_MIN)),
    )  # fmt: skip


FACTORS: Final[dict[Factor, Callable[[Case], Tested | None]]] = {
    Factor.TREND_CARRIED: trend_carried,
    Factor.GOOD_ENTRY: good_entry,
    Factor.TARGET_PLACED: target_placed,
    Factor.STOP_PLACED: stop_placed,
    Factor.SIMILAR_WINNING: similar_winning,
    Factor.SHOCK_IN_FAVOUR: shock_in_favour,
    Factor.AGAINST_EXPERIENCE: against_experience,
}


def ask_factors(case: Case) -> dict[Factor, Tested | None]:
    """Return what every rule says of a trade; None where it cannot be applied."""
    return {name: rule(case) for name, rule in FACTORS.items()}
