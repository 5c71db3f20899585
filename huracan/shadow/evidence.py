"""What the promotion gate weighs, as plain arrays on shared days; damaged evidence is refused before it is weighed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.errors import EvidenceError

__all__ = ["Evidence", "NamedDays", "Selection", "Tried", "check_evidence"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NamedDays:
    """Daily net results of one policy: float64[D], quote currency, after all costs."""

    name: str
    net: Floats


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration that was tried on these candles: its Sharpe ratio per day, over so many days."""

    name: str
    sharpe: float
    days: int


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A choice that was made: the results, on shared days, of all that could have been chosen.

    Attributes:
        where: the days, in words.
        names: of the columns.
        net: float64[T, N], quote currency.
    """

    where: str
    names: tuple[str, ...]
    net: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything that speaks for or against a version; D test days, all coins of its scope together.

    Attributes:
        version, scope, run_id, sha256: what is judged; sha256 as registered.
        first_days: int64[D], days since the epoch.
        folds: int64[D], walk-forward fold of each day.
        policy: float64[D], the seed ensemble's net result.
        seeds: each seed alone.
        baselines: what it must beat.
        chance: float64[B, D], random policies of its trade rate.
        trades: closed by rule or policy, not by the end of the data.
        rivals: other versions of the scope that were judged on the very same days.
        selections: choices that led to this version.
        tried: every other configuration on these candles whose ratio is known.
        tried_count: all that were ever tried on these candles, this version among them; at least 1.
    """

    version: str
    scope: str
    run_id: int
    sha256: str
    first_days: Ints
    folds: Ints
    policy: Floats
    seeds: tuple[NamedDays, ...]
    baselines: tuple[NamedDays, ...]
    chance: Floats
    trades: int
    rivals: tuple[NamedDays, ...] = ()
    selections: tuple[Selection, ...] = ()
    tried: tuple[Tried, ...] = ()
    tried_count: int = 1


def check_evidence(evidence: Evidence) -> None:
    """Refuse what no statistic could be trusted on.

    Raises:
        EvidenceError: there is no test day, folds overlap, a series has other days than the policy, a value is not
            finite, or more ratios are known than configurations were tried.
    """
    days = evidence.policy.size
    where = f"the evidence of {evidence.version}"
    if days == 0:
        raise EvidenceError(f"{where} has no test day; run `huracan shadow --run-id {evidence.run_id}` first")
    _check_folds(evidence, where)
    series = [NamedDays("the policy", evidence.policy), *evidence.seeds, *evidence.baselines, *evidence.rivals]
    series += [NamedDays(f"random copy {row}", net) for row, net in enumerate(evidence.chance)]
    for one in series:
        if one.net.shape != (days,):
            raise EvidenceError(f"{where}: {one.name} has {one.net.size} days, the policy {days}; trade both again")
        if not np.isfinite(one.net).all():
            bad = int(np.count_nonzero(~np.isfinite(one.net)))
            raise EvidenceError(f"{where}: {bad} of {days} days of {one.name} are not finite; trade it in shadow again")
    for selection in evidence.selections:
        if not np.isfinite(selection.net).all():
            raise EvidenceError(f"{where}: {selection.where}: a result is not finite; search again")
    if evidence.tried_count < 1 + len(evidence.tried):
        raise EvidenceError(
            f"{where}: {len(evidence.tried)} other ratios are known, but only {evidence.tried_count} configurations "
            "counted; count every one that was tried, and the version itself"
        )


def _check_folds(evidence: Evidence, where: str) -> None:
    if evidence.folds.shape != evidence.policy.shape or evidence.first_days.shape != evidence.policy.shape:
        raise EvidenceError(f"{where}: {evidence.folds.size} days have a fold, {evidence.policy.size} a result")
    days, counts = np.unique(evidence.first_days, return_counts=True)
    if (counts > 1).any():
        folds = sorted(set(evidence.folds[np.isin(evidence.first_days, days[counts > 1])].tolist()))
        raise EvidenceError(
            f"{where}: folds {', '.join(map(str, folds))} share {int(np.count_nonzero(counts > 1))} days, each day "
            "counts once; judge it on folds that do not overlap"
        )
