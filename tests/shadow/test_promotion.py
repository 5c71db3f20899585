"""Promotion through the gate: what passes climbs and is proven, what does not is refused with every figure."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.config import GateSettings
from huracan.errors import EvidenceError, RefusedError, UsageError
from huracan.memory import Model, Registry, read_gates
from huracan.policy.artefact import WEIGHTS_NAME
from huracan.shadow.promotion import promote_version, run_gate
from tests.gate.worlds import World, evidence_of
from tests.shadow.proof import (
    forget,
    register,
    run_of,
    skilled,
    store_days,
    store_search,
    store_trades,
    tampered,
)

pytestmark = pytest.mark.postgres
SETTINGS = GateSettings(resamples=300)
_numbers = itertools.count()


def stored(engine: Engine, folder: Path, *, edge: float = 0.5) -> Model:
    """Store a version of a run of its own, on candles of its own, with a search that chose well."""
    number = next(_numbers)
    run_id = run_of(engine, f"candles-{number}")
    rng = np.random.default_rng(number)
    store_days(engine, run_id, skilled(edge=edge) if edge else evidence_of(World(365, 1), rng))
    store_trades(engine, run_id, 300)
    trials = rng.standard_normal((60, 4))
    trials[:, 0] += 1.0
    store_search(engine, run_id, trials)
    return register(engine, run_id, f"v{number}", folder, "*")


def test_what_passes_climbs_and_is_proven(database: Engine, tmp_path: Path) -> None:
    """Candidate, shadow, champion, each step on a report of its own; nothing is marked as forced."""
    model = stored(database, tmp_path)
    assert promote_version(database, model.version, "ann", "it earned", SETTINGS).stage == "shadow"
    champion = promote_version(database, model.version, "ann", "it earned", SETTINGS)
    assert (champion.stage, champion.proven) == ("champion", True)
    assert champion.standing == "champion, passed the promotion gate"
    gates = read_gates(database, model.version)
    assert [gate.passed for gate in gates] == [True, True]
    assert [row["name"] for row in gates[0].report["criteria"]][3] == "dsr"
    assert (gates[0].report["tried"], gates[0].sha256) == (5, model.sha256)
    assert not any(event.forced for event in Registry(database).history(model.version))


def test_what_does_not_pass_is_refused_with_every_figure(database: Engine, tmp_path: Path) -> None:
    """The stage stays, the report is kept, and the message names each criterion that is not met."""
    model = stored(database, tmp_path, edge=0.0)
    with pytest.raises(RefusedError) as refusal:
        promote_version(database, model.version, "ann", "hope", SETTINGS)
    report = read_gates(database, model.version)[0].report
    failed = [row["name"] for row in report["criteria"] if not row["passed"]]
    assert "dsr" in failed
    assert all(f"{name}: " in str(refusal.value) for name in failed)
    assert "\n" not in str(refusal.value)
    found = Registry(database).show(model.version)
    assert (found.stage, found.proven) == ("candidate", False)


def test_a_new_try_counts_against_the_next_promotion(database: Engine, tmp_path: Path) -> None:
    """Every promotion asks again: what was tried meanwhile is in the next report."""
    model = stored(database, tmp_path)
    before = run_gate(database, model.version, SETTINGS, "ann")
    store_search(database, model.run_id, np.random.default_rng(5).standard_normal((60, 9)))
    after = run_gate(database, model.version, SETTINGS, "ann")
    assert after.tried == before.tried + 5
    assert (after.hurdle_day or 0) > (before.hurdle_day or 0)


def test_an_artefact_that_changed_is_refused(database: Engine, tmp_path: Path) -> None:
    """Another sound artefact in its place, a damaged file, none at all: no gate, no promotion; its report is kept."""
    model = stored(database, tmp_path)
    assert run_gate(database, model.version, SETTINGS, "ann").passed
    tampered(model)
    with pytest.raises(RefusedError, match="has changed"):
        promote_version(database, model.version, "ann", "again", SETTINGS)
    weights = Path(model.artefact) / WEIGHTS_NAME
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RefusedError, match="is not what was registered"):
        promote_version(database, model.version, "ann", "again", SETTINGS)
    weights.unlink()
    with pytest.raises(RefusedError, match="is not what was registered"):
        run_gate(database, model.version, SETTINGS, "ann")
    assert Registry(database).show(model.version).stage == "candidate"
    assert len(read_gates(database, model.version)) == 1


def test_what_was_not_traded_in_shadow_is_refused(database: Engine, tmp_path: Path) -> None:
    """The refusal says which run to trade."""
    model = stored(database, tmp_path)
    forget(database, model.run_id)
    with pytest.raises(EvidenceError, match=f"--run-id {model.run_id}"):
        promote_version(database, model.version, "ann", "hope", SETTINGS)
    assert read_gates(database, model.version) == ()


def test_mistakes_are_told_before_anything_is_judged(database: Engine, tmp_path: Path) -> None:
    """No reason, no such version, nowhere to go: no report is made."""
    model = stored(database, tmp_path)
    for version, reason, error in ((model.version, " ", UsageError), ("nowhere", "why", UsageError)):
        with pytest.raises(error):
            promote_version(database, version, "ann", reason, SETTINGS)
    for _ in range(2):
        Registry(database).promote(model.version, "ann", "by hand", forced=True)
    with pytest.raises(RefusedError, match="only candidate -> shadow -> champion"):
        promote_version(database, model.version, "ann", "again", SETTINGS)
    assert read_gates(database, model.version) == ()
