"""Where the trials of a search stand, kept by the driver's machine alone: trials bring it from wherever they run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
import safetensors.numpy
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from huracan.errors import TrainingError
from huracan.learn.checkpoint import first_line, write_atomically
from huracan.learn.train import Checkpoint
from huracan.storage import Location

__all__ = ["Keeper", "start_keeper"]


class Keeper:
    """One file per trial, the checkpoints of all its seeds in it: all of one moment or none.

    Args:
        folder: on this machine or in an object store.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder

    def keep(self, trial: str, checkpoints: Sequence[Checkpoint]) -> None:
        """Replace what is kept of a trial.

        Raises:
            TrainingError: the disk refuses.
        """
        arrays = {str(index): np.frombuffer(one.data, np.uint8) for index, one in enumerate(checkpoints)}
        write_atomically(self._path(trial), safetensors.numpy.save(arrays))

    def newest(self, trial: str) -> tuple[Checkpoint, ...] | None:
        """Return what is kept of a trial, in the order of its seeds; None: nothing.

        Raises:
            TrainingError: it cannot be read.
        """
        path = self._path(trial)
        try:
            arrays = safetensors.numpy.load(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"{path} is damaged ({first_line(error)}); remove it to begin that trial anew"
            ) from None
        return tuple(Checkpoint(arrays[str(index)].tobytes()) for index in range(len(arrays)))

    def forget(self, trial: str) -> None:
        """Have a trial begin anew."""
        self._path(trial).unlink(missing_ok=True)

    def _path(self, trial: str) -> Location:
        return self._folder / f"{trial}.safetensors"


def start_keeper(folder: Location) -> Any:
    """Return a handle on a `Keeper` in an actor on this process's machine, which ends with this process's session."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Keeper).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote(folder)
