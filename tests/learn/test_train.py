import json
import math
from pathlib import Path

import pytest

from huracan.errors import ArtefactError, TrainingError
from huracan.learn.train import (
    CHECKPOINT_NAME,
    RESULT_NAME,
    Checkpoint,
    CurvePoint,
    Recording,
    Trainer,
    read_result,
    spec_sha256,
    train_points,
)
from huracan.policy import PolicyNet, check_policy, load_artefact
from tests.learn.toy import toy_spec
from tests.learn.training import train_policy
from tests.policy.recipes import make_card

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

SPEC = toy_spec(seed=3, total=5000)
CARD = make_card(SPEC.normaliser, SPEC.network)


def test_a_training_ends_in_a_checked_artefact_and_is_not_repeated(tmp_path: Path) -> None:
    """Seed, steps and hyper-parameters of the card come from the specification; the second call only reads."""
    points: list[CurvePoint] = []
    result = train_policy(SPEC, CARD, tmp_path / "s", points.append)
    loaded = load_artefact(result.artefact)
    assert loaded.sha256 == result.sha256
    assert loaded.card.seeds == (3,)
    assert loaded.card.env_steps == result.env_steps >= 5000
    assert loaded.card.ppo["lr"] == 1e-3
    assert list(result.curve) == points
    assert all(math.isfinite(point.reward_mean) and point.entropy > 0 for point in points)
    check_policy(loaded.ensemble)
    again: list[CurvePoint] = []
    assert train_policy(SPEC, CARD, tmp_path / "s", again.append) == result
    assert again == []
    assert not (tmp_path / "s" / CHECKPOINT_NAME).exists()


def test_an_interrupted_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """Nothing before the checkpoint is repeated and nothing of the curve is lost."""
    stream = train_points(SPEC, every=2)
    first = Recording(SPEC, CARD, tmp_path)
    for _ in range(4):
        first.add(next(stream))
    stream.close()
    before = first.curve
    assert len(before) == 3
    with Trainer(SPEC, first.checkpoint) as resumed:
        assert resumed.curve == before[:2]
    recording = Recording(SPEC, CARD, tmp_path)
    assert recording.curve == before[:2]
    assert recording.checkpoint == first.checkpoint
    result = train_policy(SPEC, CARD, tmp_path)
    steps = [point.env_steps for point in result.curve]
    assert list(result.curve[:2]) == before[:2]
    assert steps == sorted(set(steps))
    assert 5000 <= result.env_steps < 5000 + 1024 + 64


def test_a_stream_that_began_again_does_not_count_twice(tmp_path: Path) -> None:
    """Points that a lost worker had sent after its last checkpoint give way to its successor's, and are counted."""
    recording = Recording(SPEC, CARD, tmp_path)
    point = CurvePoint(100, 1.0, 0.0, math.nan, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-3)
    for steps in (100, 200, 300, 200, 300, 400):
        recording.add(CurvePoint(steps, *[getattr(point, name) for name in CurvePoint.__slots__[1:]]))
    assert [item.env_steps for item in recording.curve] == [100, 200, 300, 400]
    assert recording.repeated_env_steps == 200
    recording.add(PolicyNet(SPEC.network, SPEC.normaliser, 1))
    found = read_result(tmp_path)
    assert found is not None
    assert found.repeated_env_steps == 200


def test_another_training_cannot_take_over_a_checkpoint() -> None:
    """Other hyper-parameters, seed or data have another identity."""
    with Trainer(SPEC) as trainer:
        trainer.step()
        checkpoint = trainer.checkpoint()
    with pytest.raises(ArtefactError, match="other settings or data"):
        Trainer(toy_spec(seed=3, total=5000, lr=2e-3), checkpoint)
    identities = {spec_sha256(toy_spec(seed=seed, gamma=gamma)) for seed in (1, 2) for gamma in (0.9, 0.95)}
    assert len(identities) == 4


def test_another_training_cannot_take_over_a_result(tmp_path: Path) -> None:
    """A finished policy is that of its settings, seed and data; one of nobody knows which is not believed either."""
    result = train_policy(toy_spec(seed=3, total=64), CARD, tmp_path)
    assert result.spec_sha256 == spec_sha256(toy_spec(seed=3, total=64))
    for other in (toy_spec(seed=3, total=64, lr=2e-3), toy_spec(seed=4, total=64), toy_spec(seed=3, total=65)):
        with pytest.raises(ArtefactError, match=r"belongs to a training with other settings or data .*start a new run"):
            Recording(other, CARD, tmp_path)
    old = json.loads((tmp_path / RESULT_NAME).read_bytes())
    del old["spec_sha256"]
    (tmp_path / RESULT_NAME).write_text(json.dumps(old))
    assert read_result(tmp_path) is not None
    with pytest.raises(ArtefactError, match=r"older version, which did not keep what was trained; remove .* again"):
        Recording(toy_spec(seed=3, total=64), CARD, tmp_path)


def test_who_may_not_write_any_more_writes_nothing(tmp_path: Path) -> None:
    """Neither a checkpoint nor a policy is written after the check has refused."""
    allowed = True

    def check() -> None:
        if not allowed:
            raise TrainingError("taken over")

    recording = Recording(SPEC, CARD, tmp_path, check=check)
    recording.add(CurvePoint(10, 0.5, 0.1, math.nan, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-3))
    recording.add(Checkpoint(b"first"))
    allowed = False
    for item in (Checkpoint(b"second"), PolicyNet(SPEC.network, SPEC.normaliser, 1)):
        with pytest.raises(TrainingError, match="taken over"):
            recording.add(item)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_NAME]
    assert (tmp_path / CHECKPOINT_NAME).read_bytes() == b"first"
    assert recording.result is None


def test_a_checkpoint_that_cannot_be_used_names_its_file(tmp_path: Path) -> None:
    """Whoever resumes is told which file to remove."""
    (tmp_path / CHECKPOINT_NAME).write_bytes(Checkpoint(b"half").data)
    with pytest.raises(ArtefactError, match=f"{CHECKPOINT_NAME} is not a usable checkpoint"):
        Recording(SPEC, CARD, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": 1}', '{"curve": [{}]}'])
def test_a_damaged_result_is_one_clear_line(tmp_path: Path, content: str) -> None:
    """A half-written result is neither believed nor silently replaced."""
    (tmp_path / RESULT_NAME).write_text(content)
    with pytest.raises(TrainingError, match="damaged"):
        read_result(tmp_path)


def test_results_survive_the_round_trip(tmp_path: Path) -> None:
    """A curve with iterations in which no episode ended is read back exactly."""
    recording = Recording(SPEC, CARD, tmp_path)
    recording.add(CurvePoint(10, 0.5, 0.1, math.nan, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-3))
    recording.add(PolicyNet(SPEC.network, SPEC.normaliser, 1))
    found = read_result(tmp_path)
    assert found is not None
    assert math.isnan(found.curve[0].episode_return_mean)
    assert (found.seed, found.env_steps, found.sha256) == (3, 10, recording.result.sha256 if recording.result else "")
    json.loads((tmp_path / RESULT_NAME).read_text())
