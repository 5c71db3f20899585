"""Where a training stood, in one safetensors file: written whole or not at all, read without unpickling anything."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from huracan.errors import ArtefactError, TrainingError
from huracan.learn.learner import LearnerState

__all__ = ["first_line", "load_checkpoint", "save_checkpoint", "write_atomically"]

_PARAMETER, _MOMENT, _SHUFFLE, _META = "parameter/", "moment/", "shuffle", "huracan"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        TrainingError: the disk refuses.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, path)
    except BaseException as error:
        staging.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise TrainingError(f"{path} cannot be written: {error.strerror}; free space, then go on") from None
        raise


def save_checkpoint(path: Path, spec_sha256: str, state: LearnerState, extra: dict[str, Any]) -> None:
    """Save a training.

    Args:
        path: of the file.
        spec_sha256: identifies the training; only the same one can continue from it.
        state: of the learner.
        extra: JSON values to keep beside it.

    Raises:
        TrainingError: the disk refuses.
    """
    tensors = {f"{_PARAMETER}{name}": value for name, value in state.parameters.items()}
    tensors |= {f"{_MOMENT}{name}": np.atleast_1d(value) for name, value in state.moments.items()}
    tensors[_SHUFFLE] = state.shuffle_state
    meta = {"spec_sha256": spec_sha256, "updates": state.updates, "env_steps": state.env_steps, "extra": extra}
    write_atomically(path, safetensors.numpy.save(tensors, {_META: json.dumps(meta)}))


def load_checkpoint(path: Path, spec_sha256: str) -> tuple[LearnerState, dict[str, Any]]:
    """Return the learner's state and the extra values of a checkpoint.

    Raises:
        ArtefactError: the file is damaged, or belongs to another training.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            meta = json.loads((file.metadata() or {})[_META])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if meta["spec_sha256"] != spec_sha256:
            raise ArtefactError(
                f"{path} belongs to a training with other settings or data ({meta['spec_sha256'][:12]}, now "
                f"{spec_sha256[:12]}); remove it or start a new run"
            )
        state = LearnerState(
            _with_prefix(tensors, _PARAMETER),
            {
                name: value.reshape(()) if name.endswith(".step") else value
                for name, value in _with_prefix(tensors, _MOMENT).items()
            },
            int(meta["updates"]),
            int(meta["env_steps"]),
            tensors[_SHUFFLE],
        )
    except (OSError, LookupError, ValueError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise ArtefactError(
            f"{path} is not a usable checkpoint ({first_line(error)}); remove it to train from the start"
        ) from None
    return state, meta["extra"]


def first_line(error: BaseException) -> str:
    """Return what a parser complained of in one line: a missing key by its name, a validator's list by its head."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _with_prefix(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
