"""From what shadow trading and the searches left in Postgres to the evidence that the gate weighs.

A version stands for its run's walk-forward: the recipe, its seeds, all folds. Everything that was tried on the same
candles counts, whoever's run it was: each trial of a search and each registered version. What goes on from an earlier
run was chosen by that one's search, and is judged by its trials.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from huracan.errors import EvidenceError
from huracan.memory import (
    DailyResult,
    Model,
    Registry,
    Run,
    Trial,
    count_closed_trades,
    count_trials,
    read_daily,
    read_run,
    trials_on,
)
from huracan.memory.daily import ALL_COINS
from huracan.shadow.bootstrap import daily_sharpe
from huracan.shadow.evidence import Evidence, NamedDays, Selection, Tried
from huracan.shadow.rows import COIN_ACCOUNT, ENSEMBLE

__all__ = ["gather_evidence"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SELECTION_MIN = 2


def gather_evidence(engine: Engine, model: Model) -> Evidence:
    """Return everything stored that speaks for or against a version.

    Raises:
        EvidenceError: its run was not traded in shadow, or before daily results were kept; or what is kept does not fit
            together.
        DatabaseError: the server fails.
    """
    run = read_run(engine, model.run_id)
    candles = run.data_fingerprint
    rows = read_daily(engine, model.run_id)
    policy = _series(rows, "policy", model.scope).get(ENSEMBLE)
    if policy is None:
        raise EvidenceError(
            f"no daily results of {model.version} are stored: its run {model.run_id} was not traded in shadow by this "
            f"version of huracan; run `huracan shadow --run-id {model.run_id}`"
        )
    days, folds = _calendar(policy)
    others = [one for one in Registry(engine).on_candles(candles) if one.version != model.version]
    rivals, tried = _versions(engine, model, others, days)
    trials = [_tried(run_id, trial) for run_id, trial in trials_on(engine, candles)]
    alike = Selection(
        "the versions judged on the same days",
        (model.version, *(rival.name for rival in rivals)),
        np.stack([_joined(policy), *(rival.net for rival in rivals)], axis=1),
    )
    chance = _series(rows, "random", model.scope)
    return Evidence(
        version=model.version,
        scope=model.scope,
        run_id=model.run_id,
        sha256=model.sha256,
        first_days=days,
        folds=folds,
        policy=_joined(policy),
        seeds=_named(rows, "seed", model.scope),
        baselines=_named(rows, "baseline", model.scope),
        chance=np.array([_joined(one) for one in chance.values()]) if chance else np.empty((0, days.size)),
        trades=count_closed_trades(
            engine, model.run_id, ENSEMBLE, COIN_ACCOUNT, None if model.scope == ALL_COINS else model.scope
        ),
        rivals=rivals,
        selections=tuple(
            one for one in (_search(engine, run, rows), alike) if one is not None and len(one.names) >= SELECTION_MIN
        ),
        tried=(*tried, *(one for one in trials if one is not None)),
        tried_count=1 + len(others) + count_trials(engine, candles),
    )


def _series(rows: Sequence[DailyResult], kind: str, scope: str) -> dict[str, dict[int, tuple[int, Floats]]]:
    """Return, by name and fold, (first day, net of the scope's coins together); copies in the order of their number.

    Raises:
        EvidenceError: coins of one fold have other days.
    """
    found: dict[str, dict[int, tuple[int, Floats]]] = {}
    for row in rows:
        # of random copies the sum over all coins is stored as such, since copy b of one block goes with b of the others
        if row.kind != kind or (row.symbol != scope if scope != ALL_COINS or kind == "random" else False):
            continue
        net = np.array(row.net)
        parts = found.setdefault(row.name, {})
        first, sums = parts.get(row.fold, (row.first_day, np.zeros(net.size)))
        if (first, sums.size) != (row.first_day, net.size):
            raise EvidenceError(
                f"{row.name}, fold {row.fold}: {row.symbol} has other days than the coins before it; trade the run in "
                "shadow again"
            )
        parts[row.fold] = (first, sums + net)
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0]) if kind == "random" else (0, item[0])))


def _named(rows: Sequence[DailyResult], kind: str, scope: str) -> tuple[NamedDays, ...]:
    return tuple(NamedDays(name, _joined(parts)) for name, parts in _series(rows, kind, scope).items())


def _joined(parts: Mapping[int, tuple[int, Floats]]) -> Floats:
    """Return the folds' days behind each other, in the order of the folds."""
    return np.concatenate([net for _, (_, net) in sorted(parts.items())])


def _calendar(parts: Mapping[int, tuple[int, Floats]]) -> tuple[Ints, Ints]:
    """Return (day since the epoch, fold) of each day."""
    ordered = sorted(parts.items())
    days = np.concatenate([np.arange(first, first + net.size) for _, (first, net) in ordered])
    return days.astype(np.int64), np.repeat([fold for fold, _ in ordered], [net.size for _, (_, net) in ordered])


def _versions(
    engine: Engine, model: Model, others: Sequence[Model], days: Ints
) -> tuple[tuple[NamedDays, ...], list[Tried]]:
    """Return the other versions of the scope on the very same days, and the ratio of all that were traded in shadow."""
    rivals, tried = [], []
    stored: dict[int, tuple[DailyResult, ...]] = {}
    for other in others:
        if other.run_id not in stored:
            stored[other.run_id] = read_daily(engine, other.run_id, "policy")
        parts = _series(stored[other.run_id], "policy", other.scope).get(ENSEMBLE)
        if parts is None:
            continue
        net = _joined(parts)
        tried.append(Tried(other.version, float(daily_sharpe(net)), net.size))
        if other.scope == model.scope and np.array_equal(_calendar(parts)[0], days):
            rivals.append(NamedDays(other.version, net))
    return tuple(rivals), tried


def _tried(run_id: int, trial: Trial) -> Tried | None:
    """Return a trial's daily Sharpe ratio on its validation window; None when it has no two days, or never traded."""
    mean, error = trial.metrics.get("daily_mean_quote"), trial.metrics.get("daily_error_quote")
    days = int(trial.metrics.get("days") or 0)
    if mean is None or error is None or days < 2 or not error > 0.0:
        return None
    return Tried(f"run {run_id} trial {trial.name}", mean / (error * math.sqrt(days)), days)


def _search(engine: Engine, run: Run, rows: Sequence[DailyResult]) -> Selection | None:
    """Return the search that chose the run's rules: its trials on the validation days that most of them share."""
    whose = "the run's trials"
    if run.search_run_id is not None:
        whose = f"the trials of run {run.search_run_id}, whose search chose the rules,"
        rows = read_daily(engine, run.search_run_id, "trial")
    windows: dict[tuple[int, int], list[DailyResult]] = {}
    for row in rows:
        if row.kind == "trial":
            windows.setdefault((row.first_day, len(row.net)), []).append(row)
    if not windows:
        return None
    (_, length), trials = max(windows.items(), key=lambda item: len(item[1]))
    net = np.stack([np.array(row.net) for row in trials], axis=1)
    return Selection(f"{whose} on {length} validation days", tuple(row.name for row in trials), net)
