from pathlib import Path

import numpy as np
import pytest
import ray

from huracan.errors import TrainingError
from huracan.learn.remote import train_many
from huracan.learn.train import Recording
from huracan.policy import load_artefact
from tests.learn.rooms import full_until_said
from tests.learn.toy import toy_spec
from tests.learn.training import train_policy
from tests.policy.recipes import make_card
from tests.trader.processes import until

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

CARD = make_card(toy_spec().normaliser, toy_spec().network)


def test_many_trainings_stream_from_the_cluster(tmp_path: Path) -> None:
    """Tasks give the policies that the same trainings give at home, and report every iteration on the way."""
    specs = [toy_spec(seed=seed, total=2500) for seed in (1, 2)]
    recordings = [Recording(spec, CARD, tmp_path / str(spec.seed)) for spec in specs]
    told: list[tuple[int, int]] = []
    results = train_many(recordings, lambda recording, point: told.append((recording.spec.seed, point.env_steps)))
    assert [result.seed for result in results] == [1, 2]
    for result in results:
        assert [steps for seed, steps in told if seed == result.seed] == [point.env_steps for point in result.curve]
    at_home = train_policy(specs[0], CARD, tmp_path / "home")
    there, here = (load_artefact(result.artefact).ensemble.nets[0].state_dict() for result in (results[0], at_home))
    assert all(np.array_equal(there[name].numpy(), here[name].numpy()) for name in here)
    assert train_many(recordings, lambda recording, point: told.append((0, 0))) == results
    assert (0, 0) not in told


def test_a_fault_in_a_task_is_the_trainings_own_error(tmp_path: Path) -> None:
    """The driver sees one line, not Ray's wrapping."""
    recording = Recording(toy_spec(fault="nan"), CARD, tmp_path)
    with pytest.raises(TrainingError, match="not finite") as caught:
        train_many([recording], lambda recording, point: None)
    assert "\n" not in str(caught.value)


def test_trainings_with_environment_runners_of_their_own_share_the_cluster(tmp_path: Path) -> None:
    """Three of two processors each on four: the third waits for room, none holds a part of it without the rest."""
    specs = [toy_spec(seed=seed, total=2500, num_env_runners=1) for seed in (1, 2, 3)]
    results = train_many([Recording(spec, CARD, tmp_path / str(spec.seed)) for spec in specs], lambda *told: None)
    assert all(result.env_steps >= 2500 for result in results)
    until("everything given back", lambda: ray.available_resources().get("CPU") == 4.0, 30.0)


def test_trainings_that_find_no_room_say_so_and_begin_when_there_is_some(tmp_path: Path) -> None:
    """What they need, what there is and what to lower stand in one warning; nobody wonders why nothing happens."""
    specs = [toy_spec(seed=seed, total=1024, num_env_runners=1) for seed in (1, 2)]
    with full_until_said("training.waits") as said:
        results = train_many([Recording(spec, CARD, tmp_path / str(spec.seed)) for spec in specs], lambda *told: None)
    assert [row["needs_cpus"] for row in said] == [2]
    assert (said[0]["cluster_cpus"], said[0]["free_cpus"]) == (4.0, 0.0)
    assert all(result.env_steps >= 1024 for result in results)
