import pytest

from huracan.learn.room import Waiting
from tests.learn.rooms import warnings_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def test_it_warns_after_half_a_minute_and_again_each_minute_until_something_moves() -> None:
    """What is needed, what there is and what to lower are said; what runs slowly or waits for nothing is no reason."""
    now_s = [0.0]
    waiting = Waiting("training.waits", [1, 6], "ppo.num_env_runners", lambda: now_s[0])

    def warned(at_s: list[float], waits: bool = True) -> list[float]:
        said = []
        for at in at_s:
            now_s[0] = at
            with warnings_of("training.waits") as found:
                waiting.look(lambda: waits)
            if found:
                said.append(at)
        return said

    assert warned([29.0, 30.0, 31.0, 89.0, 90.0, 149.0, 150.0]) == [30.0, 90.0, 150.0]
    waiting.moved()
    assert warned([179.0, 180.0]) == [180.0]
    waiting.moved()
    assert warned([300.0], waits=False) == []


def test_a_warning_has_the_numbers_to_decide_by() -> None:
    """A bundle of six CPUs has no place on a node of four, however many are free."""
    now_s = iter([0.0, 42.0])
    waiting = Waiting("training.waits", [1, 6], "ppo.num_env_runners", lambda: next(now_s))
    with warnings_of("training.waits") as found:
        waiting.look(lambda: True)
    (row,) = found
    assert (row["waited_s"], row["needs_cpus"], row["largest_bundle_cpus"]) == (42, 7, 6)
    assert (row["cluster_cpus"], row["largest_node_cpus"], row["lower"]) == (4.0, 4.0, "ppo.num_env_runners")
    assert 0.0 <= row["free_cpus"] <= 4.0
