"""Other stops, targets and holds for the same entries: found on early days, used by nobody before later days agree.

Candidates are traded by the kernel itself (`replay`) beside the rules in force, entry by entry. On the early days the
candidate of each kind with the highest lower bound of its mean difference is taken, if that bound lies above zero; on
the later days it is tested once (`huracan.analysis.held_out`), the kinds sharing the error. A proposal that fails stays
on record as refused, one that there are too few days for as undecided.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.days import DayMean
from huracan.analysis.held_out import DAYS_MIN, TRADES_MIN, held_out
from huracan.analysis.replay import Entries, replay
from huracan.trading import KernelSettings, Limits, Tape
from huracan.trading.settings import BRACKET_SIGMAS_MIN

__all__ = ["KINDS", "Proposal", "Rule", "candidates", "judge", "propose"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = Literal["stop", "target", "hold"]
Status = Literal["validated", "refused", "none", "undecided"]

KINDS: Final[tuple[Kind, ...]] = ("stop", "target", "hold")
_STOPS: Final = (0.5, 0.75, 1.5, 2.0)
_TARGETS: Final = (0.5, 2 / 3, 4 / 3, 2.0)
_HOLDS: Final = (0.25, 0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A bracket: stop and target in units of max(sigma sqrt(hold), floor), the longest hold in bars."""

    stop_sigmas: float
    target_sigmas: float
    hold_bars: int

    @classmethod
    def of(cls, kernel: KernelSettings) -> "Rule":
        """Return the bracket in force."""
        return cls(kernel.stop_sigmas, kernel.target_sigmas, kernel.hold_bars)

    def applied(self, kernel: KernelSettings) -> KernelSettings:
        """Return rules with this bracket."""
        return replace(kernel, stop_sigmas=self.stop_sigmas, target_sigmas=self.target_sigmas, hold_bars=self.hold_bars)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found for one kind of rule.

    Attributes:
        kind: what differs from the rules in force: stop, target or hold.
        now: the rules in force.
        rule: the candidate; the rules in force when none was better.
        status: `validated`: better on the later days too, by its bound; `refused`: not; `none`: no candidate was better
            on the early days; `undecided`: too few trades or days.
        reason: in words, with the figures.
        early, late: mean difference to the rules in force, basis points a trade, on either part; None: not measured.
        tried: candidates looked at.
    """

    kind: Kind
    now: Rule
    rule: Rule
    status: Status
    reason: str
    early: DayMean | None
    late: DayMean | None
    tried: int

    @property
    def usable(self) -> bool:
        """Return whether anyone may use it."""
        return self.status == "validated"


def candidates(kernel: KernelSettings) -> dict[Kind, tuple[Rule, ...]]:
    """Return the brackets to try of each kind, those left out that the kernel's rules could not hold.

    Another hold keeps the distances of stop and target: their sigmas grow as its square root falls.
    """
    now = Rule.of(kernel)
    stops = [replace(now, stop_sigmas=now.stop_sigmas * scale) for scale in _STOPS]
    targets = [replace(now, target_sigmas=now.target_sigmas * scale) for scale in _TARGETS]
    holds = []
    for scale in _HOLDS:
        bars = max(1, round(now.hold_bars * scale))
        same = math.sqrt(now.hold_bars / bars)
        holds.append(Rule(now.stop_sigmas * same, now.target_sigmas * same, bars))
    return {
        "stop": tuple(rule for rule in stops if _possible(rule, kernel)),
        "target": tuple(rule for rule in targets if _possible(rule, kernel)),
        "hold": tuple(rule for rule in holds if rule.hold_bars != now.hold_bars and _possible(rule, kernel)),
    }


def propose(
    entries: Entries,
    time_ms: Ints,
    tapes: Sequence[Tape],
    kernel: KernelSettings,
    limits: Limits,
    *,
    resamples: int,
    seed: int,
) -> tuple[Proposal, ...]:
    """Look for better brackets for entries, and test what is found on later days; one proposal a kind.

    Args:
        entries: N decisions.
        time_ms: int64[N], opens of the bars of their first fills.
        tapes: the markets.
        kernel: the rules in force.
        limits: the account's limits.
        resamples: draws of days.
        seed: of the draws.
    """
    if not kernel.stops_enabled:
        return ()
    tried = candidates(kernel)
    own = replay(entries, tapes, kernel, limits).net_bps
    longest = max([kernel.hold_bars, *(rule.hold_bars for rules in tried.values() for rule in rules)])
    purge_ms = (longest + 8) * kernel.base_ms
    found = []
    for kind in KINDS:
        differences = {rule: replay(entries, tapes, rule.applied(kernel), limits).net_bps - own for rule in tried[kind]}
        found.append(
            judge(kind, Rule.of(kernel), differences, time_ms, purge_ms=purge_ms, resamples=resamples, seed=seed)
        )
    return tuple(found)


def judge(
    kind: Kind,
    now: Rule,
    differences: Mapping[Rule, Floats],
    time_ms: Ints,
    *,
    purge_ms: int,
    resamples: int,
    seed: int,
) -> Proposal:
    """Find the best candidate on the early days and test it once on the later ones.

    Args:
        kind: of the candidates.
        now: the rules in force.
        differences: float64[N] of each candidate, basis points of each entry under it less those under `now`; NaN:
            unknown.
        time_ms: int64[N], entries.
        purge_ms: an early trade this near to the later days is left out.
        resamples: draws of days.
        seed: of the draws.
    """
    if not differences or not len(time_ms):
        return Proposal(kind, now, now, "undecided", "nothing to compare", None, None, len(differences))
    rules = tuple(differences)
    found = held_out(
        tuple(differences.values()), time_ms, purge_ms=purge_ms, claims=len(KINDS), resamples=resamples, seed=seed
    )
    count = len(rules)
    if found.chosen is None or found.early is None:
        need = f"{TRADES_MIN} trades on {DAYS_MIN} days are needed on either part"
        return Proposal(kind, now, now, "undecided", f"too few trades on the early days: {need}", None, None, count)
    early, rule = _words(found.early), rules[found.chosen]
    if found.status == "none":
        reason, rule = f"no candidate is better on the early days: the best has {early}", now
    elif found.status == "undecided" or found.late is None:
        reason = f"better on the early days ({early}), too few trades on the later ones to say more"
    else:
        reason = f"early days: {early}; later days: {_words(found.late)}"
    return Proposal(kind, now, rule, found.status, reason, found.early, found.late, count)


def _possible(rule: Rule, kernel: KernelSettings) -> bool:
    """Return whether the kernel's conditions on a bracket hold: two bar sigmas, and a target beyond the cap."""
    sigmas = min(rule.stop_sigmas, rule.target_sigmas) * math.sqrt(rule.hold_bars)
    return sigmas >= BRACKET_SIGMAS_MIN and kernel.cap_bps < rule.target_sigmas * kernel.distance_min * 1e4


def _words(found: DayMean) -> str:
    bounds = "" if found.low is None else f" [{found.low:+.1f}, {found.high:+.1f}]"
    return f"{found.mean:+.1f} bp a trade{bounds} over {found.trades} trades on {found.days} days"
