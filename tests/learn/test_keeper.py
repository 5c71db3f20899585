from pathlib import Path

import pytest
import ray

from huracan.errors import TrainingError
from huracan.learn.keeper import Keeper, start_keeper
from huracan.learn.train import Checkpoint
from tests.objects import ObjectServer

ONE, TWO = Checkpoint(b"one"), Checkpoint(b"\x00two")


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_what_is_kept_comes_back_in_its_order(kind: str, tmp_path: Path, object_store: ObjectServer) -> None:
    """Each trial has its own, the newer replaces the older, and nothing is known of others."""
    keeper = Keeper((tmp_path if kind == "disk" else object_store.bucket("keeper")) / "trials")
    assert keeper.newest("a") is None
    keeper.keep("a", [TWO, TWO])
    keeper.keep("a", [ONE, TWO])
    keeper.keep("b", [TWO])
    assert keeper.newest("a") == (ONE, TWO)
    keeper.forget("a")
    keeper.forget("never")
    assert (keeper.newest("a"), keeper.newest("b")) == (None, (TWO,))


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    """The error says which file to remove."""
    (tmp_path / "a.safetensors").write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"a\.safetensors is damaged") as caught:
        Keeper(tmp_path).newest("a")
    assert "\n" not in str(caught.value)


@pytest.mark.ray
def test_the_actor_keeps_on_the_drivers_machine(local_ray: None, tmp_path: Path) -> None:
    """What a task sends it lies in the folder, as its own class would have written it."""
    keeper = start_keeper(tmp_path)
    ray.get(keeper.keep.remote("a", (ONE,)))
    assert Keeper(tmp_path).newest("a") == (ONE,) == ray.get(keeper.newest.remote("a"))
    ray.kill(keeper)
