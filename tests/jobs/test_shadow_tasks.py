"""The tasks of shadow trading: a lost worker costs its own task; what the meta model learns, and when it is asked."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from huracan.baselines import Momentum
from huracan.config import RaySettings
from huracan.learn.cluster import ray_session
from huracan.policy import Ensemble, NetworkSpec, PolicyNet
from huracan.policy.network import Normaliser
from huracan.shadow import Fold, cut_tape, entries_of, shadow_block
from jobs.shadow_tasks import Place, Rules, learn_meta, trade_block, trade_filtered, trade_randomly
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

pytestmark = pytest.mark.ray

SYMBOLS = ("W0/USDT", "W1/USDT", "W2/USDT")


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """One Ray instance of two CPUs for this module."""
    with ray_session(RaySettings(num_cpus=2, object_store_mb=100)):
        yield


@dataclass(frozen=True, slots=True)
class KillsItsWorkerOnce:
    """Momentum that leaves a mark for every run, and kills its process at the first decision of the first run."""

    folder: Path
    name: str
    kills: bool

    def act(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Decide like momentum, unless it is time to die."""
        mine = self.folder / f"{self.name}.{os.getpid()}"
        if not mine.exists():
            first = not any(self.folder.glob(f"{self.name}.*"))
            mine.touch()
            if self.kills and first:
                os.kill(os.getpid(), signal.SIGKILL)
        return Momentum().act(states)


def test_a_killed_worker_costs_its_own_task_only(tmp_path: Path) -> None:
    """Of three blocks one loses its worker: it alone runs twice, and all results are as if nothing had happened."""
    import ray  # not before jobs has prepared its environment

    kernel = rules()
    tapes = wild_world(kernel)
    window = window_of(tapes, 1, 2)
    fold = Fold(0, window, window, 0, 0, SYMBOLS, ())
    shared = Rules(fold, kernel, LIMITS, Place(None, None))
    blocks = [[cut_tape(tape, window, kernel.base_ms)] for tape in tapes]
    policies = [KillsItsWorkerOnce(tmp_path, f"block{i}", kills=i == 1) for i in range(3)]
    found = ray.get(
        [trade_block.remote("m", policy, block, shared) for policy, block in zip(policies, blocks, strict=True)]
    )
    runs = [len(list(tmp_path.glob(f"block{i}.*"))) for i in range(3)]
    assert runs == [1, 2, 1]
    for result, block in zip(found, blocks, strict=True):
        alone = shadow_block(Momentum(), block, window, kernel, LIMITS, name="m", fold=0)
        assert np.array_equal(result.pnl, alone.pnl)
        assert np.array_equal(result.trades.net, alone.trades.net)


def test_the_random_policies_of_two_blocks_are_not_the_same_gamblers() -> None:
    """On the very same coins another block's copies act otherwise, and the same block's again as before."""
    import ray  # not before jobs has prepared its environment

    kernel = rules()
    tapes = wild_world(kernel)
    window = window_of(tapes, 1, 2)
    shared = Rules(Fold(0, window, window, 0, 0, SYMBOLS, ()), kernel, LIMITS, Place(None, None))
    block = [cut_tape(tapes[0], window, kernel.base_ms)]
    judged = ray.put(shadow_block(Momentum(), block, window, kernel, LIMITS, name="m", fold=0))
    first, again, second = ray.get([trade_randomly.remote(judged, block, shared, 4, number) for number in (0, 0, 1)])
    assert np.array_equal(first.pnl, again.pnl)
    assert first.pnl.any()
    assert not np.isclose(first.pnl, second.pnl).all(axis=1).any()


def test_the_meta_model_learns_from_trades_closed_before_its_fold_and_is_asked_then() -> None:
    """Too few trades: a reason, and no second run. Enough of them: a run of its own, with fewer entries than before."""
    import ray  # not before jobs has prepared its environment

    kernel = rules()
    tapes = wild_world(kernel, coins=4, days=9)
    earlier, later = window_of(tapes, 1, 5), window_of(tapes, 6, 2)
    normaliser = Normaliser(*(np.full(80, value, np.float32) for value in (0, 1, 5)), np.ones(80, np.bool_))
    net = PolicyNet(NetworkSpec((16,), "tanh"), normaliser, 1)
    net.policy_head.weight.data *= 100.0
    policy, place = Ensemble([net]), Place(None, None)
    wide = LIMITS._replace(wallet=1e9, daily_loss=1e9)
    shared = Rules(Fold(1, later, later, 0, 0, SYMBOLS, ()), kernel, wide, place)
    before = shadow_block(policy, tapes, earlier, kernel, wide, name="ensemble", fold=0)
    known = entries_of(before, kernel.base_ms).until(later.start_ms)
    blind, taught = ray.get([learn_meta.remote(shared), learn_meta.remote(shared, before)])
    assert blind.forest is None
    assert "0 closed trades" in blind.reason
    assert taught.learnt == len(known) >= 200
    assert taught.forest is not None
    cut = [cut_tape(tape, later, kernel.base_ms) for tape in tapes]
    nothing, filtered = ray.get([trade_filtered.remote(policy, model, cut, shared) for model in (blind, taught)])
    plain = shadow_block(policy, cut, later, kernel, wide, name="ensemble", fold=1)
    assert nothing is None
    assert 0 <= len(filtered.trades) < len(plain.trades)
