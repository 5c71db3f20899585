"""Shadow decisions per second on one core: by rules and with the network, lanes = coins, a decision on every bar."""

import numpy as np
import torch

from huracan.baselines import Momentum
from huracan.config import RiskSettings
from huracan.policy import Ensemble, NetworkSpec, Normaliser, Policy, PolicyNet
from huracan.shadow.run import shadow_block
from huracan.shadow.splits import Window
from huracan.trading import Limits
from tests.bench.harness import Measurement, repeat
from tests.bench.markets import BenchMarket, bench_market

COINS, BARS = 20, 30_000


def measure() -> list[Measurement]:
    """Measure a rule policy and one network of the default size."""
    market = bench_market(COINS, BARS, interval=1)
    torch.set_num_threads(1)
    scaler = market.fit.scaler
    net = PolicyNet(NetworkSpec(), Normaliser(scaler.center, scaler.scale, scaler.clip, np.ones(80, np.bool_)), seed=1)
    return [
        _measure("shadow_rules", market, Momentum()),
        _measure("shadow_network", market, Ensemble([net])),
    ]


def _measure(name: str, market: BenchMarket, policy: Policy) -> Measurement:
    end_ms = market.window.end_ms
    window = Window(end_ms - 10 * 86_400_000, end_ms)

    def rate() -> float:
        result = shadow_block(policy, market.tapes, window, market.kernel, Limits.of(RiskSettings()), name=name, fold=0)
        return result.bars / result.wall_s

    rate()
    value, spread, repeats = repeat(rate, 3)
    return Measurement(name, value, "decisions/s", repeats, spread, 1, {}, f"{COINS} coins, k = 1")
