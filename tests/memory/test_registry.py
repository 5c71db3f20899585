"""The registry: stages in order, one champion a scope whatever happens, and a history that is never lost."""

import itertools
import threading

import pytest
from sqlalchemy import Engine, exc, text

from huracan.config import Settings
from huracan.errors import RefusedError, UsageError
from huracan.memory import Model, Registry, open_run, record_gate

pytestmark = pytest.mark.postgres
SHA = "0123456789abcdef" * 4
_numbers = itertools.count()


@pytest.fixture
def registry(database: Engine) -> Registry:
    """The registry of this module's database."""
    return Registry(database)


@pytest.fixture
def scope() -> str:
    """A scope of this test's own."""
    return f"COIN{next(_numbers)}/USDT"


@pytest.fixture
def run_id(database: Engine) -> int:
    """A run that trained something."""
    return open_run(database, "train", Settings(), "f", "0.1.0")


def _add(registry: Registry, run_id: int, scope: str, name: str, stage: str = "candidate") -> Model:
    model = registry.register(run_id, f"{scope}:{name}", scope, "policies/x", SHA, {"sharpe": 1.0}, "ann")
    for reached in ("shadow", "champion"):
        if stage in (reached, "champion"):
            model = registry.promote(model.version, "ann", f"to {reached}", forced=True)
        if reached == stage:
            break
    return model


def _stages(registry: Registry, scope: str) -> dict[str, str]:
    return {model.version.split(":")[-1]: model.stage for model in registry.models(scope)}


def test_a_version_climbs_by_promotion_and_its_history_says_who_and_why(
    registry: Registry, run_id: int, scope: str
) -> None:
    """Candidate, shadow, champion: each step is recorded with its author and reason."""
    model = _add(registry, run_id, scope, "a", "champion")
    assert (model.stage, model.metrics, model.sha256, model.run_id) == ("champion", {"sharpe": 1.0}, SHA, run_id)
    assert registry.champion(scope) == model == registry.show(model.version)
    steps = [
        (event.verb, event.from_stage, event.to_stage, event.author, event.reason, event.forced)
        for event in registry.history(model.version)
    ]
    assert steps == [
        ("register", None, "candidate", "ann", "trained", False),
        ("promote", "candidate", "shadow", "ann", "to shadow", True),
        ("promote", "shadow", "champion", "ann", "to champion", True),
    ]


def test_a_version_climbs_on_the_newest_report_of_its_own_artefact(
    registry: Registry, database: Engine, run_id: int, scope: str
) -> None:
    """No report, a refusal, or another artefact hold it back; its own pass does not, until a later refusal."""
    version = _add(registry, run_id, scope, "a").version
    for sha256, passed in ((None, False), (SHA, False), (SHA[::-1], True)):
        if sha256 is not None:
            record_gate(database, version, sha256, passed, {}, "ann")
        assert not registry.show(version).proven
        with pytest.raises(RefusedError, match="has not passed the promotion gate"):
            registry.promote(version, "ann", "good")
    record_gate(database, version, SHA, True, {}, "ann")
    model = registry.promote(version, "ann", "good", forced=True)
    assert model.proven
    assert model.standing == "shadow, passed the promotion gate"
    assert not registry.history(version)[-1].forced, "what passed needs no force"
    assert registry.promote(version, "ann", "good").stage == "champion"
    record_gate(database, version, SHA, False, {}, "ann")
    assert registry.champion(scope) == registry.show(version)
    assert not registry.show(version).proven


def test_a_version_promoted_by_force_stays_unproven(registry: Registry, run_id: int, scope: str) -> None:
    """Its history says so, and so does its standing."""
    model = _add(registry, run_id, scope, "a", "champion")
    assert (model.proven, model.standing) == (False, "champion, promoted by hand: UNPROVEN")
    assert [event.forced for event in registry.history(model.version)] == [False, True, True]


def test_a_new_champion_retires_the_old_one_of_its_scope_only(registry: Registry, run_id: int, scope: str) -> None:
    """Another scope's champion stays."""
    other = _add(registry, run_id, scope + ":USDT", "z", "champion")
    _add(registry, run_id, scope, "a", "champion")
    _add(registry, run_id, scope, "b", "champion")
    assert _stages(registry, scope) == {"b": "champion", "a": "retired"}
    assert registry.champion(other.scope) == other


def test_rollback_brings_back_the_champion_before_and_repeated_goes_further(
    registry: Registry, run_id: int, scope: str
) -> None:
    """A, B, C: rollback gives B, again gives A, again is refused; a version rolled back does not return."""
    for name in "abc":
        _add(registry, run_id, scope, name, "champion")
    assert registry.rollback(scope, "bob", "c loses").version.endswith(":b")
    assert _stages(registry, scope) == {"c": "retired", "b": "champion", "a": "retired"}
    assert registry.rollback(scope, "bob", "b loses too").version.endswith(":a")
    with pytest.raises(RefusedError, match="no champion before"):
        registry.rollback(scope, "bob", "and a")
    assert _stages(registry, scope) == {"c": "retired", "b": "retired", "a": "champion"}
    _add(registry, run_id, scope, "d", "champion")
    assert registry.rollback(scope, "bob", "d loses").version.endswith(":a")


def test_a_scope_without_champion_has_nothing_to_roll_back(registry: Registry, run_id: int, scope: str) -> None:
    """Rollback of a scope that never had a champion is refused."""
    _add(registry, run_id, scope, "a", "shadow")
    with pytest.raises(RefusedError, match="has no champion"):
        registry.rollback(scope, "bob", "why not")


@pytest.mark.parametrize("stage", ["champion", "retired"])
def test_moves_that_the_rules_do_not_know_are_refused(registry: Registry, run_id: int, scope: str, stage: str) -> None:
    """Champions and retired versions are not promoted, and do not retire by themselves; nothing is recorded."""
    model = _add(registry, run_id, scope, "a", "champion" if stage == "champion" else "candidate")
    if stage == "retired":
        model = registry.retire(model.version, "ann", "old")
    before = registry.history(model.version)
    with pytest.raises(RefusedError, match="only candidate -> shadow -> champion"):
        registry.promote(model.version, "ann", "again", forced=True)
    with pytest.raises(RefusedError, match="only a candidate or shadow version"):
        registry.retire(model.version, "ann", "again")
    assert registry.history(model.version) == before
    assert registry.show(model.version).stage == stage


@pytest.mark.parametrize(("author", "reason"), [("", "why"), ("ann", ""), ("ann", "  ")])
def test_a_move_needs_an_author_and_a_reason(
    registry: Registry, run_id: int, scope: str, author: str, reason: str
) -> None:
    """Without both, nothing moves."""
    model = _add(registry, run_id, scope, "a")
    with pytest.raises(UsageError, match="author and a reason"):
        registry.promote(model.version, author, reason, forced=True)
    assert registry.show(model.version).stage == "candidate"


def test_registering_the_same_again_changes_nothing_another_is_refused(
    registry: Registry, run_id: int, scope: str
) -> None:
    """A repeated job finds its version, at the stage it has reached; the name cannot be given to other weights."""
    model = _add(registry, run_id, scope, "a", "shadow")
    assert registry.register(run_id, model.version, scope, "policies/x", SHA, {}, "ann") == model
    with pytest.raises(UsageError, match="another name"):
        registry.register(run_id, model.version, scope, "policies/y", SHA[::-1], {}, "ann")
    assert len(registry.history(model.version)) == 2


def test_the_database_itself_refuses_a_second_champion(
    registry: Registry, database: Engine, run_id: int, scope: str
) -> None:
    """Even a hand-written UPDATE cannot give a scope two champions."""
    _add(registry, run_id, scope, "a", "champion")
    second = _add(registry, run_id, scope, "b", "shadow")
    with pytest.raises(exc.IntegrityError, match="models_one_champion"), database.begin() as connection:
        connection.execute(text("UPDATE models SET stage = 'champion' WHERE version = :v"), {"v": second.version})


def test_concurrent_promotions_serialise(registry: Registry, run_id: int, scope: str) -> None:
    """Promotions of several versions at once succeed one after another: one champion, the others retired."""
    versions = [_add(registry, run_id, scope, name, "shadow").version for name in "abcdef"]
    start, failures = threading.Barrier(len(versions)), []

    def promote(version: str) -> None:
        start.wait()
        try:
            registry.promote(version, "ann", "race", forced=True)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=promote, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stages = sorted(_stages(registry, scope).values())
    assert stages == ["champion"] + ["retired"] * 5


def test_the_same_version_promoted_twice_at_once_climbs_two_steps_not_one(
    registry: Registry, run_id: int, scope: str
) -> None:
    """Two promotions of a candidate are two moves, each from the stage the other left."""
    version = _add(registry, run_id, scope, "a").version
    start = threading.Barrier(2)

    def promote() -> None:
        start.wait()
        registry.promote(version, "ann", "race", forced=True)

    threads = [threading.Thread(target=promote) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = [(event.from_stage, event.to_stage) for event in registry.history(version)]
    assert moves == [(None, "candidate"), ("candidate", "shadow"), ("shadow", "champion")]


def test_unknown_versions_are_named(registry: Registry) -> None:
    """Showing or promoting what is not there is the user's mistake."""
    for action in (registry.show, lambda name: registry.promote(name, "ann", "why")):
        with pytest.raises(UsageError, match="no model nowhere"):
            action("nowhere")
