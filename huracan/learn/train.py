"""Training one policy: the loop around the algorithm, its checkpoints, its curve and its artefact."""

import dataclasses
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import torch

from huracan.errors import ArtefactError, TrainingError
from huracan.learn.algorithm import (
    AlgorithmSpec,
    begin_from,
    build_algorithm,
    learner_state,
    restore_learner,
    trained_net,
)
from huracan.learn.checkpoint import dump_checkpoint, first_line, read_checkpoint, write_atomically
from huracan.patterns import PatternMemory
from huracan.policy import PolicyNet
from huracan.policy.artefact import export_artefact
from huracan.policy.card import PolicyCard
from huracan.storage import Location
from huracan.trees import TreeModel

__all__ = [
    "Checkpoint",
    "CurvePoint",
    "Recording",
    "TrainResult",
    "Trainer",
    "read_result",
    "spec_sha256",
    "train_points",
]

CHECKPOINT_NAME: Final = "checkpoint.safetensors"
POLICY_NAME: Final = "policy"
RESULT_NAME: Final = "result.json"
CHECKPOINT_EVERY: Final = 8
STALLED_ITERATIONS_MAX: Final = 40
STALL_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One iteration of training; figures of the training data, never a measure of quality.

    Attributes:
        env_steps: environment steps learnt from so far.
        wall_s: seconds of training so far, resumed parts included.
        reward_mean: mean scaled reward per environment step of the batch.
        episode_return_mean: mean return of episodes that ended in the batch, NaN when none did.
        entropy: mean policy entropy, nats.
        kl: estimated divergence of the last epoch from the sampling policy, nats.
        clip_frac: share of ratios that were clipped.
        policy_loss: surrogate loss.
        vf_loss: value loss.
        vf_explained_var: 1 - var(target - prediction) / var(target), before the update.
        learning_rate: of the batch.
    """

    env_steps: int
    wall_s: float
    reward_mean: float
    episode_return_mean: float
    entropy: float
    kl: float
    clip_frac: float
    policy_loss: float
    vf_loss: float
    vf_explained_var: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training stands, as bytes: whoever records it writes them, wherever it was trained."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished training.

    Attributes:
        seed: of the training.
        env_steps: environment steps learnt from.
        wall_s: seconds of training.
        curve: one point per iteration.
        artefact: folder of the exported policy.
        sha256: id of the exported policy.
        repeated_env_steps: learnt from once more because a worker had died since its last checkpoint.
        spec_sha256: identity of what was trained; empty in a result of an older version, which kept none.
    """

    seed: int
    env_steps: int
    wall_s: float
    curve: tuple[CurvePoint, ...]
    artefact: Location
    sha256: str
    repeated_env_steps: int = 0
    spec_sha256: str = ""


class Trainer:
    """A training that can be stepped, saved and continued; use as a context manager.

    Args:
        spec: what to train.
        checkpoint: what `checkpoint` returned, to continue from; None: begin.

    Raises:
        ArtefactError: the checkpoint is damaged or belongs to another training.
    """

    def __init__(self, spec: AlgorithmSpec, checkpoint: Checkpoint | None = None) -> None:
        torch.set_num_threads(1)
        for name in ("ray.rllib", "ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._spec = spec
        self._id = spec_sha256(spec)
        self.curve: list[CurvePoint] = []
        self._algorithm = build_algorithm(spec)
        if checkpoint is not None:
            try:
                state, extra = read_checkpoint(checkpoint.data, self._id, f"the checkpoint of seed {spec.seed}")
                self.curve = _curve(extra)
                restore_learner(self._algorithm, state)
            except BaseException:
                self.close()
                raise
        elif spec.beginning is not None:
            begin_from(self._algorithm, spec.beginning)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def env_steps(self) -> int:
        """Return the environment steps learnt from so far."""
        return self.curve[-1].env_steps if self.curve else 0

    @property
    def wall_s(self) -> float:
        """Return the seconds of training so far."""
        return self.curve[-1].wall_s if self.curve else 0.0

    @property
    def finished(self) -> bool:
        """Return whether all environment steps of the specification are learnt from."""
        return self.env_steps >= self._spec.total_env_steps

    def step(self) -> CurvePoint:
        """Sample one batch, learn from it and return what happened.

        Raises:
            TrainingError: loss or gradient is not finite, or no runner comes back.
        """
        begin = time.perf_counter()
        for _ in range(STALLED_ITERATIONS_MAX):
            result = self._algorithm.train()
            if "learners" in result and _number(result, "env_runners", "num_env_steps_sampled") > 0:
                break
            time.sleep(STALL_PAUSE_S)
        else:
            raise TrainingError(
                f"no environment runner answered in {STALLED_ITERATIONS_MAX} attempts after {self.env_steps} steps; "
                "look at the runners' logs in the Ray session folder, then resume the run"
            )
        stats = result["learners"]["default_policy"]
        trained = int(_number(result, "learners", "__all_modules__", "num_env_steps_trained"))
        point = CurvePoint(
            env_steps=self.env_steps + trained,
            wall_s=self.wall_s + time.perf_counter() - begin,
            reward_mean=_number(result, "env_runners", "reward_mean"),
            episode_return_mean=_number(result, "env_runners", "episode_return_mean"),
            entropy=float(stats["entropy"]),
            kl=float(stats["kl"]),
            clip_frac=float(stats["clip_frac"]),
            policy_loss=float(stats["policy_loss"]),
            vf_loss=float(stats["vf_loss"]),
            vf_explained_var=float(stats["vf_explained_var"]),
            learning_rate=float(stats["learning_rate"]),
        )
        self.curve.append(point)
        return point

    def checkpoint(self) -> Checkpoint:
        """Return where the training stands."""
        curve = [_without_nan(dataclasses.asdict(point)) for point in self.curve]
        return Checkpoint(dump_checkpoint(self._id, learner_state(self._algorithm), {"curve": curve}))

    def net(self) -> PolicyNet:
        """Return a copy of the network as trained so far."""
        return trained_net(self._algorithm, self._spec)

    def close(self) -> None:
        """Stop runners and learner."""
        self._algorithm.stop()


def train_points(
    spec: AlgorithmSpec, checkpoint: Checkpoint | None = None, every: int = CHECKPOINT_EVERY
) -> Generator[CurvePoint | Checkpoint | PolicyNet, None, None]:
    """Train to the end, yielding each iteration's point, checkpoints between them, and at last the network.

    A generator that touches no disk, so that a Ray task can stream it to its driver from any machine.

    Args:
        spec: what to train.
        checkpoint: to continue from; None: begin.
        every: iterations between checkpoints; one more follows the last iteration.
    """
    with Trainer(spec, checkpoint) as trainer:
        while not trainer.finished:
            yield trainer.step()
            if trainer.finished or len(trainer.curve) % every == 0:
                yield trainer.checkpoint()
        yield trainer.net()


class Recording:
    """What a training leaves in its folder, fed with the stream of `train_points`, wherever that runs.

    Args:
        spec: what is trained.
        card: the artefact's card; seed, steps and hyper-parameters are taken from `spec`.
        folder: gets the checkpoint while training, then `policy/` and `result.json`.
        memory: closed trades that the states remember, exported with the policy.
        tree: the tree model behind entry 61, likewise.
        check: raises when this process may write there no longer; asked before each write. None: nobody else can.

    Attributes:
        result: the finished training, None until then.
        checkpoint: the newest, to continue from; None: there is none.
        repeated_env_steps: learnt from once more because a stream began again at its checkpoint.
        curve: iterations so far, those before a resumed checkpoint included.

    Raises:
        ArtefactError: the checkpoint in `folder` is damaged, or it or the result belongs to another training.
        TrainingError: the result in `folder` is damaged.
    """

    def __init__(
        self,
        spec: AlgorithmSpec,
        card: PolicyCard,
        folder: Location,
        memory: PatternMemory | None = None,
        tree: TreeModel | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.spec = spec
        self._id = spec_sha256(spec)
        self._check = check
        self.result = read_result(folder)
        if self.result is not None:
            _check_same(self.result.spec_sha256, self._id, folder)
        self.checkpoint: Checkpoint | None = None
        self.repeated_env_steps = 0
        self.curve: list[CurvePoint] = list(self.result.curve) if self.result else []
        self._folder = folder
        self._card = card
        self._memory, self._tree = memory, tree
        path = folder / CHECKPOINT_NAME
        if self.result is None and path.exists():
            self.checkpoint = Checkpoint(_bytes(path))
            self.curve = _curve(read_checkpoint(self.checkpoint.data, self._id, str(path))[1])

    def add(self, item: CurvePoint | Checkpoint | PolicyNet) -> None:
        """Take the next item of the stream; a checkpoint is written, the network, which comes last, is exported.

        Raises:
            ArtefactError: the policy cannot be exported.
            TrainingError: checkpoint or result cannot be written, or this process may not any more.
        """
        if self._check is not None and not isinstance(item, CurvePoint):
            self._check()
        if isinstance(item, PolicyNet):
            self._finish(item)
            return
        if isinstance(item, Checkpoint):
            write_atomically(self._folder / CHECKPOINT_NAME, item.data)
            self.checkpoint = item
            return
        while self.curve and self.curve[-1].env_steps >= item.env_steps:  # the stream began again at its checkpoint
            again = self.curve.pop().env_steps
            self.repeated_env_steps += again - (self.curve[-1].env_steps if self.curve else 0)
        self.curve.append(item)

    def _finish(self, net: PolicyNet) -> None:
        spec, last = self.spec, self.curve[-1]
        update = {"seeds": (spec.seed,), "env_steps": last.env_steps, "ppo": spec.ppo.model_dump(mode="json")}
        folder = self._folder / POLICY_NAME
        artefact = export_artefact(folder, [net], self._card.model_copy(update=update), self._memory, self._tree)
        self.result = TrainResult(
            spec.seed,
            last.env_steps,
            last.wall_s,
            tuple(self.curve),
            folder,
            artefact.sha256,
            self.repeated_env_steps,
            self._id,
        )
        document = dataclasses.asdict(self.result) | {
            "artefact": POLICY_NAME,
            "curve": [_without_nan(dataclasses.asdict(point)) for point in self.curve],
        }
        write_atomically(self._folder / RESULT_NAME, json.dumps(document).encode())
        (self._folder / CHECKPOINT_NAME).unlink(missing_ok=True)


def read_result(folder: Location) -> TrainResult | None:
    """Return the finished training in `folder`, or None.

    Raises:
        TrainingError: the file is damaged.
    """
    path = folder / RESULT_NAME
    try:
        document = json.loads(path.read_bytes())
        curve = tuple(CurvePoint(**_with_nan(point)) for point in document.pop("curve"))
        artefact = folder / document.pop("artefact")
        return TrainResult(**document, curve=curve, artefact=artefact)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged ({first_line(error)}); remove its folder to train this seed again"
        ) from None


def spec_sha256(spec: AlgorithmSpec) -> str:
    """Return what identifies a training: network, normaliser, settings, seed, length, slots, environment, beginning."""
    digest = hashlib.sha256()
    values = [dataclasses.asdict(spec.network), spec.ppo.model_dump(mode="json"), spec.seed, spec.total_env_steps]
    digest.update(json.dumps([*values, spec.source.num_envs, spec.source.identity]).encode())
    for array in dataclasses.astuple(spec.normaliser):
        digest.update(array.tobytes())
    if spec.beginning is not None:
        digest.update(spec.beginning.sha256.encode())
    return digest.hexdigest()


def _check_same(found: str, needed: str, folder: Location) -> None:
    """Refuse the result of another training, or of who knows which.

    Raises:
        ArtefactError: it is one.
    """
    path = folder / RESULT_NAME
    if not found:
        raise ArtefactError(
            f"{path} is of an older version, which did not keep what was trained; remove {folder} to train this seed "
            "again, or start a new run"
        )
    if found != needed:
        raise ArtefactError(
            f"{path} belongs to a training with other settings or data ({found[:12]}, now {needed[:12]}); remove "
            f"{folder} or start a new run"
        )


def _bytes(path: Location) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}; remove it to train from the start") from None


def _curve(extra: dict[str, Any]) -> list[CurvePoint]:
    """Return the iterations that a checkpoint remembers."""
    return [CurvePoint(**_with_nan(point)) for point in extra["curve"]]


def _number(result: dict[str, Any], *path: str) -> float:
    """Return a metric, NaN when RLlib did not report it."""
    node: Any = result
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return math.nan
        node = node[key]
    return float(node)


def _without_nan(point: dict[str, float]) -> dict[str, float | None]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in point.items()}


def _with_nan(point: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in point.items()}
