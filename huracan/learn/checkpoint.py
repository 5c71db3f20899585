"""Where a training stood, as the bytes of one safetensors file: they travel between machines, nothing is unpickled."""

import json
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from huracan.errors import ArtefactError, TrainingError
from huracan.learn.learner import LearnerState
from huracan.storage import Location, write_bytes

__all__ = ["dump_checkpoint", "first_line", "read_checkpoint", "write_atomically"]

_PARAMETER, _MOMENT, _SHUFFLE, _META = "parameter/", "moment/", "shuffle", "huracan"
_SIZE_BYTES = 8  # safetensors: the header's length, little-endian, then the header as JSON, then the tensors


def write_atomically(path: Location, data: bytes) -> None:
    """Write a file or object so that a reader sees the old content or the new, never a part.

    Raises:
        TrainingError: the disk refuses.
        StorageError: the object store does.
    """
    try:
        write_bytes(path, data)
    except OSError as error:
        raise TrainingError(f"{path} cannot be written: {error.strerror}; free space, then go on") from None


def dump_checkpoint(spec_sha256: str, state: LearnerState, extra: dict[str, Any]) -> bytes:
    """Return a training as the content of a file.

    Args:
        spec_sha256: identifies the training; only the same one can continue from it.
        state: of the learner.
        extra: JSON values to keep beside it.
    """
    tensors = {f"{_PARAMETER}{name}": value for name, value in state.parameters.items()}
    tensors |= {f"{_MOMENT}{name}": np.atleast_1d(value) for name, value in state.moments.items()}
    tensors[_SHUFFLE] = state.shuffle_state
    meta = {"spec_sha256": spec_sha256, "updates": state.updates, "env_steps": state.env_steps, "extra": extra}
    return safetensors.numpy.save(tensors, {_META: json.dumps(meta)})


def read_checkpoint(data: bytes, spec_sha256: str, name: str) -> tuple[LearnerState, dict[str, Any]]:
    """Return the learner's state and the extra values of a checkpoint.

    Args:
        data: what `dump_checkpoint` returned.
        spec_sha256: of the training that wants to go on from it.
        name: what to call it in an error: its file.

    Raises:
        ArtefactError: it is damaged, or belongs to another training.
    """
    try:
        tensors = safetensors.numpy.load(data)
        header = json.loads(data[_SIZE_BYTES : _SIZE_BYTES + int.from_bytes(data[:_SIZE_BYTES], "little")])
        meta = json.loads(header["__metadata__"][_META])
        if meta["spec_sha256"] != spec_sha256:
            raise ArtefactError(
                f"{name} belongs to a training with other settings or data ({meta['spec_sha256'][:12]}, now "
                f"{spec_sha256[:12]}); remove it or start a new run"
            )
        state = LearnerState(
            _with_prefix(tensors, _PARAMETER),
            {
                key: value.reshape(()) if key.endswith(".step") else value
                for key, value in _with_prefix(tensors, _MOMENT).items()
            },
            int(meta["updates"]),
            int(meta["env_steps"]),
            tensors[_SHUFFLE],
        )
    except (OSError, LookupError, ValueError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise ArtefactError(
            f"{name} is not a usable checkpoint ({first_line(error)}); remove it to train from the start"
        ) from None
    return state, meta["extra"]


def first_line(error: BaseException) -> str:
    """Return what a parser complained of in one line: a missing key by its name, a validator's list by its head."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _with_prefix(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
