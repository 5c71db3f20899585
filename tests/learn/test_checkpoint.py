from pathlib import Path

import numpy as np
import pytest

from huracan.errors import ArtefactError, TrainingError
from huracan.learn.checkpoint import dump_checkpoint, read_checkpoint, write_atomically
from huracan.learn.learner import LearnerState

STATE = LearnerState(
    parameters={"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3)},
    moments={"a.weight.exp_avg": np.ones((2, 3), np.float32), "a.weight.step": np.array(7, np.float32)},
    updates=7,
    env_steps=123,
    shuffle_state=np.arange(5, dtype=np.uint8),
)


def test_a_checkpoint_is_read_back_exactly() -> None:
    """Arrays, scalars, counters and the extra values survive."""
    state, extra = read_checkpoint(dump_checkpoint("me", STATE, {"curve": [1.5, None]}), "me", "it")
    assert (state.updates, state.env_steps, extra) == (7, 123, {"curve": [1.5, None]})
    for found, expected in ((state.parameters, STATE.parameters), (state.moments, STATE.moments)):
        assert found.keys() == expected.keys()
        assert all(found[name].tobytes() == expected[name].tobytes() for name in found)
        assert all(found[name].shape == expected[name].shape for name in found)
    assert np.array_equal(state.shuffle_state, STATE.shuffle_state)


def test_another_trainings_checkpoint_is_refused() -> None:
    """The message names both identities and what to do."""
    with pytest.raises(ArtefactError, match="it belongs to a training with other settings or data"):
        read_checkpoint(dump_checkpoint("one", STATE, {}), "two", "it")


@pytest.mark.parametrize("keep", [0, 4, 40, -8])
def test_a_truncated_checkpoint_is_one_clear_line(keep: int) -> None:
    """Whatever is missing, the error says which file and how to go on."""
    data = dump_checkpoint("one", STATE, {})[:keep]
    with pytest.raises(ArtefactError, match="it is not a usable checkpoint") as caught:
        read_checkpoint(data, "one", "it")
    assert "\n" not in str(caught.value)


def test_a_refusing_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A name that is a folder cannot be replaced: the error is one line and nothing is left behind."""
    write_atomically(tmp_path / "deep" / "file", b"x")
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["file"]
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(TrainingError, match="cannot be written"):
        write_atomically(tmp_path / "taken", b"x")
    assert {item.name for item in tmp_path.iterdir()} == {"deep", "taken"}
