"""Features of a universe as Ray tasks, a block of coins each; what they read and yield is shared by reference.

Workers get candles by the object store, or read them where everybody can: from an object store's URL. Never from the
disk of the process that asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import ray
from numpy.typing import NDArray

from huracan.clock import Clock, MarketClock, WallClock
from huracan.config import FeatureSettings, Settings
from huracan.env import Dataset
from huracan.features import FeatureContext, RawFeatures
from huracan.features.batch import context_for
from huracan.features.blocks import blocks_of, decision_closes, first_pass, second_pass
from huracan.learn.cluster import own_faults, ray_session
from huracan.market import Candles, CandleSet
from huracan.market.load import CandleSource
from huracan.ray_env import given_cluster
from huracan.storage import ObjectPath

__all__ = ["compute_in_blocks", "load_dataset"]

MAX_RETRIES: Final = 3
_Market = tuple[Candles, NDArray[np.float64] | None]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A market that a worker reads for itself."""

    source: CandleSource
    symbol: str
    fingerprint: str


def load_dataset(settings: Settings, clock: Clock | None = None) -> Dataset:
    """Return `Dataset.load`'s dataset; where there is a cluster its workers compute the features.

    Raises:
        DataError, RefusedError: as `Dataset.load` does.
        ConfigError: the cluster cannot be reached.
        TrainingError: workers keep dying; run again.
    """
    if not (ray.is_initialized() or settings.ray.address or given_cluster()):
        return Dataset.load(settings, clock)

    def compute(found: CandleSet, features: FeatureSettings, interval: int) -> Mapping[str, RawFeatures]:
        with ray_session(settings.ray):
            return compute_in_blocks(found, features, interval, settings.shadow.coins_per_block)

    return Dataset.load(settings, MarketClock((clock or WallClock()).now_ms()), compute)


def compute_in_blocks(
    found: CandleSet, settings: FeatureSettings, interval: int, coins_per_block: int
) -> dict[str, RawFeatures]:
    """Return what `compute_raw` returns, bit for bit, computed by tasks; Ray must be running.

    Args:
        found: candles that passed the quality gate.
        settings: `features` section of the configuration.
        interval: decision interval, bars.
        coins_per_block: coins of a task.

    Raises:
        DataError: candles in an object store were changed meanwhile.
        TrainingError: workers keep dying.
    """
    context = context_for(found.candles, settings, interval, found.leader)
    closes = decision_closes((candles.timestamp for candles in found.candles.values()), context)
    shared, reached = ray.put(context), ray.put(closes)
    markets = {symbol: _handed_over(found, symbol) for symbol in context.universe}
    blocks = blocks_of(context.universe, coins_per_block)
    leader = [] if found.leader is None else [found.leader]
    first = [
        _run_machines.remote(shared, block, reached, *(markets[symbol] for symbol in sorted({*block, *leader})))
        for block in blocks
    ]
    returns = [returned for _, returned in first]
    done = [_rank.remote(raw, reached, *returns) for raw, _ in first]
    del first, returns  # each block's memory is given back as soon as it is taken
    found_raw: dict[str, RawFeatures] = {}
    with own_faults("the features cannot be computed", "look at memory, then run again"):
        while done:
            found_raw |= {raw.symbol: _own(raw) for raw in ray.get(done.pop(0))}
    return found_raw


def _handed_over(found: CandleSet, symbol: str) -> Any:
    """Return a market as a task takes it: where it can read it, or a reference to the candles themselves."""
    if found.source is not None and isinstance(found.source.folder.path, ObjectPath):
        one = replace(found.source.folder, files={symbol: found.source.folder.files[symbol]})
        return _Stored(replace(found.source, folder=one), symbol, found.candles[symbol].fingerprint())
    return ray.put((found.candles[symbol], found.books.get(symbol)))


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES, num_returns=2)
def _run_machines(
    context: FeatureContext, block: Sequence[str], closes: NDArray[np.int64], *markets: _Market | _Stored
) -> tuple[tuple[RawFeatures, ...], NDArray[np.float64]]:
    """Run the machines of a block's coins, on any machine."""
    read = [one.source.read(one.symbol, one.fingerprint) if isinstance(one, _Stored) else one for one in markets]
    candles = {one.symbol: one for one, _ in read}
    books = {one.symbol: book for one, book in read if book is not None}
    done = first_pass(context, block, candles, books, closes)
    return done.raw, done.returns


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def _rank(
    raw: Sequence[RawFeatures], closes: NDArray[np.int64], *returns: NDArray[np.float64]
) -> tuple[RawFeatures, ...]:
    """Rank a block's coins among all of them."""
    return second_pass(raw, closes, returns)


def _own(raw: RawFeatures) -> RawFeatures:
    """Return features in this process's memory: compiled code takes no read-only arrays, which references give."""
    read = {field.name: getattr(raw, field.name) for field in fields(raw)}
    owned: dict[str, Any] = {name: np.array(value) for name, value in read.items() if isinstance(value, np.ndarray)}
    return replace(raw, **owned)
