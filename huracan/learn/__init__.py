"""Learning: RLlib PPO over columns, training of one policy, hyper-parameter search. The library's only room with Ray."""

from huracan.learn.algorithm import AlgorithmSpec, build_algorithm
from huracan.learn.runner import EnvSource

__all__ = ["AlgorithmSpec", "EnvSource", "build_algorithm"]
