"""The training environment: a dataset of judged candles becomes episodes over the trading kernel.

Importing this package registers `huracan/Trading-v0` with Gymnasium.
"""

import gymnasium

from huracan.env.dataset import Dataset, DatasetSummary, Refusal, check_source
from huracan.env.entry import vector_entry_point
from huracan.env.episodes import EpisodeSampler, Window
from huracan.env.single import ENV_ID, TradingEnv
from huracan.env.vector import ACTION_SPACE, OBSERVATION_SPACE, TradingVectorEnv

__all__ = [
    "ACTION_SPACE",
    "ENV_ID",
    "OBSERVATION_SPACE",
    "Dataset",
    "DatasetSummary",
    "EpisodeSampler",
    "Refusal",
    "TradingEnv",
    "TradingVectorEnv",
    "Window",
    "check_source",
    "vector_entry_point",
]

if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        id=ENV_ID,
        entry_point="huracan.env.single:TradingEnv",
        vector_entry_point="huracan.env.vector:TradingVectorEnv",
    )
