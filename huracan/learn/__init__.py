"""Learning: RLlib PPO over columns, training of a policy, hyper-parameter search; the only room that knows Ray."""

from huracan.ray_env import prepare_ray_environment

prepare_ray_environment()  # before the imports below reach Ray

from huracan.learn.algorithm import AlgorithmSpec, build_algorithm  # noqa: E402
from huracan.learn.runner import EnvSource  # noqa: E402
from huracan.learn.train import Checkpoint, CurvePoint, Trainer, TrainResult, read_result, train_points  # noqa: E402

__all__ = [
    "AlgorithmSpec",
    "Checkpoint",
    "CurvePoint",
    "EnvSource",
    "TrainResult",
    "Trainer",
    "build_algorithm",
    "read_result",
    "train_points",
]
