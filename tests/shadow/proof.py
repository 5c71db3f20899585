"""What a run leaves in the database for the gate, made up: a version with or without skill, and its rivals."""

from pathlib import Path

import numpy as np
from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.memory import (
    DailyResult,
    Model,
    Registry,
    Trial,
    open_run,
    record_shadow_days,
    record_trial,
    record_trial_days,
    write_trades,
)
from huracan.policy import NetworkSpec, export_artefact
from huracan.shadow.evidence import Evidence
from tests.gate.worlds import World, evidence_of
from tests.memory.samples import sample_trades
from tests.policy.recipes import make_card, make_nets, random_normaliser

COINS = ("A/USDT", "B/USDT")
FIRST_DAY = 20_000


def skilled(days: int = 365, edge: float = 0.5, seed: int = 7) -> Evidence:
    """Return days of a version with skill, nothing else tried."""
    return evidence_of(World(days, 1, edge=edge), np.random.default_rng(seed))


def run_of(engine: Engine, candles: str) -> int:
    """Open a run on some candles."""
    return open_run(engine, "train", Settings(), candles, "0.1.0")


def store_days(engine: Engine, run_id: int, evidence: Evidence, coins: tuple[str, ...] = COINS) -> None:
    """Store a version's days as shadow trading does: by coin and fold, random copies over all coins."""
    rows = []
    for fold in np.unique(evidence.folds).tolist():
        at = evidence.folds == fold
        first = FIRST_DAY + int(evidence.first_days[at][0])
        series = [("policy", "ensemble", evidence.policy)]
        series += [("seed", one.name, one.net) for one in evidence.seeds]
        series += [("baseline", one.name, one.net) for one in evidence.baselines]
        for kind, name, net in series:
            for place, coin in enumerate(coins):
                share = net[at] / len(coins) + (1.0 if place == 0 else -1.0) * (len(coins) > 1)
                rows.append(DailyResult(kind, name, coin, fold, first, tuple(share.tolist())))  # type: ignore[arg-type]
        rows += [
            DailyResult("random", f"random-{copy}", "*", fold, first, tuple(net[at].tolist()))
            for copy, net in enumerate(evidence.chance)
        ]
    record_shadow_days(engine, run_id, rows)


def store_trades(engine: Engine, run_id: int, count: int) -> int:
    """Store trades of the ensemble on the first coin; return how many of them the end of the data did not close."""
    trades = sample_trades(count, run_id, COINS[0], "ensemble")
    write_trades(engine, run_id, trades)
    return int(np.count_nonzero(trades.exit_reason != "end_of_data"))


def store_search(engine: Engine, run_id: int, net: np.ndarray, *, days: bool = True) -> None:
    """Store a search of as many trials as there are columns in float64[T, N]."""
    for column in range(net.shape[1]):
        own = net[:, column]
        metrics = {
            "daily_mean_quote": float(own.mean()),
            "daily_error_quote": float(own.std(ddof=1) / np.sqrt(own.size)),
            "days": float(own.size),
        }
        record_trial(engine, run_id, Trial(f"t{column}", "done", {}, metrics, 1.0, 10, 0.1))
        if days:
            record_trial_days(engine, run_id, f"t{column}", FIRST_DAY - own.size, own.tolist())


def export(folder: Path, seed: int = 1) -> str:
    """Export some untrained policy; return its sha256."""
    spec, normaliser = NetworkSpec((8,), "tanh"), random_normaliser(seed)
    return export_artefact(folder, make_nets(normaliser, spec, (seed,)), make_card(normaliser, spec, (seed,))).sha256


def register(engine: Engine, run_id: int, version: str, folder: Path, scope: str = "*", seed: int = 1) -> Model:
    """Register a version with an artefact of its own."""
    sha256 = export(folder / version, seed)
    return Registry(engine).register(run_id, version, scope, str(folder / version), sha256, {}, "ann")


def tampered(model: Model) -> None:
    """Put another, sound artefact where the version's was."""
    folder = Path(model.artefact)
    for path in folder.iterdir():
        path.unlink()
    export(folder, seed=99)


def forget(engine: Engine, run_id: int) -> None:
    """Remove what shadow trading stored of a run."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM daily_results WHERE run_id = :run_id"), {"run_id": run_id})
