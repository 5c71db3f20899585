"""Training one policy in the test's own process, without tasks."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from huracan.learn import AlgorithmSpec, CurvePoint, TrainResult, train_points
from huracan.learn.train import Recording
from huracan.policy import PolicyCard

__all__ = ["train_policy"]


def train_policy(
    spec: AlgorithmSpec,
    card: PolicyCard,
    folder: Path,
    on_progress: Callable[[CurvePoint], None] = lambda point: None,
) -> TrainResult:
    """Train one policy into `folder` and export its artefact; finished work is returned, not repeated.

    Args:
        spec: what to train.
        card: the artefact's card; seed, steps and hyper-parameters are taken from `spec`.
        folder: gets the checkpoint while training, then `policy/` and `result.json`.
        on_progress: called after every iteration.

    Raises:
        TrainingError: the training cannot go on; what was saved is kept and the next call continues from it.
        ArtefactError: the policy cannot be exported, or the checkpoint cannot be used.
    """
    recording = Recording(spec, card, folder)
    if recording.result is None:
        with contextlib.closing(train_points(spec, recording.checkpoint)) as stream:
            for item in stream:
                recording.add(item)
                if isinstance(item, CurvePoint):
                    on_progress(item)
    assert recording.result is not None
    return recording.result
