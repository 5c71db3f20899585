"""Many trainings at once on a Ray cluster, each a task that streams its progress to the driver."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from huracan.errors import TrainingError
from huracan.learn.algorithm import AlgorithmSpec
from huracan.learn.room import Waiting
from huracan.learn.train import Checkpoint, CurvePoint, Recording, TrainResult, train_points
from huracan.logs import get_logger
from huracan.policy import PolicyNet

__all__ = ["train_many"]

ATTEMPTS_MAX: Final = 3
WAIT_S: Final = 1.0


@ray.remote(num_cpus=1, max_retries=0)
def stream_points(
    spec: AlgorithmSpec, checkpoint: Checkpoint | None
) -> Generator[CurvePoint | Checkpoint | PolicyNet, None, None]:
    """Train in a task, on any machine: everything comes and goes by the object store, nothing by a disk.

    Retries are the driver's: a stream that began again must be told from one that went on.
    """
    yield from train_points(spec, checkpoint)


class _Running:
    """One training on the cluster: its stream, its recording, and the runners' share of the cluster."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.attempts = 0
        self._group: Any = None
        self.stream: Any = None
        self.start()

    def start(self) -> None:
        """Submit the task; it continues from the checkpoint if there is one."""
        self.attempts += 1
        spec = self.recording.spec
        options: dict[str, Any] = {"num_returns": "streaming", "name": f"train-seed-{spec.seed}"}
        if spec.ppo.num_env_runners:
            self._group = placement_group([{"CPU": 1}] * (1 + spec.ppo.num_env_runners))
            options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(
                self._group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
            )
        self.stream = stream_points.options(**options).remote(spec, self.recording.checkpoint)

    @property
    def waits(self) -> bool:
        """Return whether the cluster has no room for its runners; asks Ray."""
        return self._group is not None and placement_group_table(self._group)["state"] != "CREATED"

    def stop(self) -> None:
        """Cancel the task if it still runs and give its share back."""
        if self.recording.result is None:
            ray.cancel(self.stream, force=False)
        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None


def train_many(
    recordings: Sequence[Recording], on_progress: Callable[[Recording, CurvePoint], None]
) -> tuple[TrainResult, ...]:
    """Run every training that is not finished, as many at once as the cluster has CPUs; Ray must be running.

    While there is no room for any of them the log says so: a cluster may grow, or be given back by others.

    Args:
        recordings: what to train and where to keep it: this process alone writes there.
        on_progress: called in this process after every iteration of every training.

    Returns:
        The results in the order of `recordings`.

    Raises:
        TrainingError: a training cannot go on, or its workers died three times without a checkpoint between; the
            others are stopped and keep their checkpoints.
    """
    running = {item.stream: item for item in (_Running(r) for r in recordings if r.result is None)}
    runners = max((recording.spec.ppo.num_env_runners for recording in recordings), default=0)
    waiting = Waiting("training.waits", [1] * (1 + runners), "ppo.num_env_runners")
    try:
        while running:
            ready, _ = ray.wait(list(running), num_returns=1, timeout=WAIT_S, fetch_local=False)
            if ready:
                waiting.moved()
            else:
                waiting.look(lambda: all(item.waits for item in running.values()))
            for stream in ready:
                item = running.pop(stream)
                if _advance(item, on_progress):
                    running[item.stream] = item
                else:
                    item.stop()
    finally:
        for item in running.values():
            item.stop()
    results = tuple(recording.result for recording in recordings)
    assert all(result is not None for result in results)
    return tuple(result for result in results if result is not None)


def _advance(item: _Running, on_progress: Callable[[Recording, CurvePoint], None]) -> bool:
    """Take the next item of a stream; return whether the training still runs."""
    try:
        value = ray.get(next(item.stream))
    except StopIteration:
        if item.recording.result is None:
            raise TrainingError(f"the training of seed {item.recording.spec.seed} ended without a policy") from None
        return False
    except ray.exceptions.RayTaskError as error:
        item.stop()
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:  # the worker or its node died: not the training's fault
        item.stop()
        if item.attempts >= ATTEMPTS_MAX:
            raise TrainingError(
                f"the worker of seed {item.recording.spec.seed} died {item.attempts} times without getting on "
                f"({' '.join(str(error).split())[:200]}); look at memory, then resume the run"
            ) from None
        get_logger().warning(
            "training.worker_died", seed=item.recording.spec.seed, attempt=item.attempts, error=type(error).__name__
        )
        item.start()
        return True
    item.recording.add(value)
    if isinstance(value, Checkpoint):
        item.attempts = 1  # it gets on: machines that are taken away now and then may be as many as they like
    if isinstance(value, CurvePoint):
        on_progress(item.recording, value)
    return True
