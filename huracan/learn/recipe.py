"""From a dataset and a training window to what trains on it: markets in Ray's object store, specification, card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import ray
from pydantic import JsonValue

from huracan.config import EnvSettings, PpoSettings, Settings, TradingSettings
from huracan.env import Dataset, Window, vector_entry_point
from huracan.errors import InvariantError
from huracan.features import CATALOGUE, OPTIONAL_INPUTS, FeatureFit
from huracan.learn.algorithm import AlgorithmSpec
from huracan.learn.runner import EnvSource
from huracan.learn.search import Candidate
from huracan.learn.validation import TradingValidation
from huracan.patterns import PatternMemory
from huracan.policy import NetworkSpec, Normaliser, PolicyCard, catalogue_identity, library_versions
from huracan.policy.card import ACTION_NAMES
from huracan.trading import KernelSettings, Limits, Tape, resolve_settings
from huracan.trees import TreeModel

__all__ = [
    "MEMORY_INPUT",
    "TREE_INPUT",
    "Ground",
    "MarketStore",
    "Markets",
    "RuleArena",
    "WindowRecipe",
    "normaliser_of",
    "trading_rules",
]

MEMORY_INPUT = "closed trades"
"""Input of the neighbours' entries, as the catalogue names it."""
TREE_INPUT = "tree model"
"""Input of the tree model's entry, which no training has yet."""


@dataclass(frozen=True, slots=True)
class Markets:
    """A handle on tapes in Ray's object store; calling it returns them. Small, so that it can travel anywhere.

    Attributes:
        bare: reference to every tape of the dataset, features zero.
        features: reference to float32[M, 62] by tape, of one fit.
        decision_interval_bars: k of the decisions that the features belong to.
        chosen: indices of the tapes wanted.
    """

    bare: ray.ObjectRef
    features: ray.ObjectRef
    decision_interval_bars: int
    chosen: tuple[int, ...]

    def __call__(self) -> list[Tape]:
        """Fetch the tapes; their arrays are read-only and shared by all processes of a node."""
        bare, features = ray.get([self.bare, self.features])
        k = self.decision_interval_bars
        return [bare[index].every(k).with_features(features[index]) for index in self.chosen]


class MarketStore:
    """Puts a dataset's tapes into the object store once, and the features of each fit beside them.

    Args:
        dataset: judged candles, ready to be cut into folds; Ray must be running.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._bare = ray.put(list(dataset.bare))

    def window(
        self, start_ms: int, end_ms: int, symbols: Sequence[str], seed: int, trading: TradingSettings | None = None
    ) -> "WindowRecipe":
        """Fit the features on [start_ms, end_ms) alone and return what trains there.

        Args:
            start_ms: first bar of the training window, ms UTC.
            end_ms: its end, exclusive.
            symbols: markets to trade.
            seed: of the fit's regime model.
            trading: the rules; None: the dataset's. The decisions they make due are what is fitted.

        Raises:
            DataError: the window holds too few warm rows, or too few results to learn a tree model from.
        """
        dataset = self._dataset if trading is None else self._dataset.under(trading)
        fit = dataset.fit(start_ms, end_ms, seed)
        memory = dataset.memory(fit)
        tree = dataset.tree(fit, set(symbols), seed)
        tapes = dataset.fold_tapes(fit, memory, tree)
        features = [tape.features for tape in tapes]
        chosen = tuple(index for index, tape in enumerate(tapes) if tape.symbol in set(symbols))
        markets = Markets(self._bare, ray.put(features), dataset.kernel.decision_interval_bars, chosen)
        inputs = fit.inputs if memory is None else (*fit.inputs, MEMORY_INPUT)
        inputs = inputs if tree is None else (*inputs, TREE_INPUT)
        model = None if tree is None else tree.model
        return WindowRecipe(dataset, fit, memory, model, normaliser_of(fit, inputs), markets, start_ms, end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What one window trains and is judged on under given rules; small enough to travel.

    Attributes:
        markets: tapes with the window's features, at the rules' decisions.
        symbols: what is traded.
        normaliser: input scaling of the network.
        network: its shape.
        env: episodes.
        limits: the account's, behind state 72-75.
        kernel: the rules.
        window: where it trains.
        data_fingerprint: of the candles.
        fit_sha256: of the features' constants.
        memory_sha256: of the closed trades that the states remember, None without.
        tree_sha256: of the tree model behind entry 61, None without.
    """

    markets: Markets
    symbols: tuple[str, ...]
    normaliser: Normaliser
    network: NetworkSpec
    env: EnvSettings
    limits: Limits
    kernel: KernelSettings
    window: Window
    data_fingerprint: str
    fit_sha256: str
    memory_sha256: str | None
    tree_sha256: str | None

    def under(self, kernel: KernelSettings) -> "Ground":
        """Return the ground under other rules whose decisions fall due at the same bars.

        Raises:
            InvariantError: they fall due at others, for which there are no features here.
        """
        if kernel.decision_interval_bars != self.markets.decision_interval_bars:
            raise InvariantError(
                f"decisions every {kernel.decision_interval_bars} bars on features of every "
                f"{self.markets.decision_interval_bars}"
            )
        return replace(self, kernel=kernel)

    def spec(self, ppo: PpoSettings, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return what to train: the environment over the window, the network, the hyper-parameters, the seed."""
        context = {
            "tapes": self.markets,
            "kernel": self.kernel,
            "settings": self.env,
            "window": self.window,
            "limits": self.limits,
        }
        identity = [
            self.data_fingerprint,
            self.fit_sha256,
            *self.symbols,
            self.env.model_dump(mode="json"),
            repr(self.kernel),
            repr(self.limits),
            self.window.start_ms,
            self.window.end_ms,
        ]
        if self.memory_sha256 is not None:
            identity.append(self.memory_sha256)
        if self.tree_sha256 is not None:
            identity.append(f"tree {self.tree_sha256}")
        source = EnvSource(vector_entry_point, context, self.env.num_envs, json.dumps(identity))
        return AlgorithmSpec(source, self.network, self.normaliser, ppo, seed, env_steps)

    def validation(self, start_ms: int, end_ms: int) -> TradingValidation:
        """Return the judge of a later window, with this window's features and rules."""
        return TradingValidation(self.markets, self.kernel, self.limits, start_ms, end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class RuleArena:
    """Trains and judges every candidate of a search under its own rules.

    Attributes:
        grounds: by decision interval: features are fitted on the decisions that fall due in it.
        validation_start_ms: first bar of the window that judges, ms UTC.
        validation_end_ms: its end, exclusive.
    """

    grounds: Mapping[int, Ground]
    validation_start_ms: int
    validation_end_ms: int

    def spec(self, candidate: Candidate, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return the training of a candidate."""
        return self._ground(candidate).spec(candidate.ppo, seed, env_steps)

    def validation(self, candidate: Candidate) -> TradingValidation:
        """Return the judge of a candidate's policies."""
        return self._ground(candidate).validation(self.validation_start_ms, self.validation_end_ms)

    def _ground(self, candidate: Candidate) -> Ground:
        timeframe = next(iter(self.grounds.values())).kernel.timeframe
        kernel = resolve_settings(candidate.trading, timeframe)
        return self.grounds[kernel.decision_interval_bars].under(kernel)


@dataclass(frozen=True, slots=True, eq=False)
class WindowRecipe:
    """Everything about one training window that does not depend on a seed.

    Attributes:
        dataset: the judged candles under the rules to train by.
        fit: features fitted on the window alone.
        memory: closed trades as the window knew them, None when its states remember none.
        tree: the window's tree model, None when entry 61 of its states is 0; in its own rows it speaks out of fold.
        normaliser: input scaling of the network.
        markets: tapes with the fit's features.
        start_ms: first bar, ms UTC.
        end_ms: end, exclusive.
    """

    dataset: Dataset
    fit: FeatureFit
    memory: PatternMemory | None
    tree: TreeModel | None
    normaliser: Normaliser
    markets: Markets
    start_ms: int
    end_ms: int

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets that are traded."""
        return tuple(self.dataset.bare[index].symbol for index in self.markets.chosen)

    def of_coin(self, symbol: str) -> "WindowRecipe":
        """Return the recipe of a policy for one coin; features keep the whole universe."""
        markets = replace(self.markets, chosen=(self.markets.chosen[self.symbols.index(symbol)],))
        return replace(self, markets=markets)

    @property
    def ground(self) -> Ground:
        """Return what trains and judges here, without the dataset."""
        settings = self.dataset.settings
        return Ground(
            self.markets,
            self.symbols,
            self.normaliser,
            NetworkSpec(settings.policy.hidden, settings.policy.activation),
            settings.env,
            _limits(settings),
            self.dataset.kernel,
            Window(self.start_ms, self.end_ms),
            self.dataset.summary.fingerprint,
            self.fit.sha256,
            None if self.memory is None else self.memory.sha256,
            None if self.tree is None else self.tree.sha256,
        )

    def spec(self, ppo: PpoSettings, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return what to train: the environment over the window, the network, the hyper-parameters, the seed."""
        return self.ground.spec(ppo, seed, env_steps)

    def card(self, name: str, ppo: PpoSettings) -> PolicyCard:
        """Return the artefact's card; the trainer puts in seed and steps."""
        settings = self.dataset.settings
        clip = [None if np.isinf(bound) else float(bound) for bound in self.normaliser.clip]
        return PolicyCard(
            name=name,
            hidden=settings.policy.hidden,
            activation=settings.policy.activation,
            actions=ACTION_NAMES,
            features=catalogue_identity(self.dataset.summary.timeframe),
            center=tuple(map(float, self.normaliser.center)),
            scale=tuple(map(float, self.normaliser.scale)),
            clip=tuple(clip),
            available=tuple(map(bool, self.normaliser.available)),
            fit=json.loads(self.fit.to_json()),
            memory=None if self.memory is None else self.memory.sha256,
            tree=None if self.tree is None else self.tree.sha256,
            universe=self.symbols,
            leader=self.dataset.summary.leader,
            timeframe=self.dataset.summary.timeframe,
            trading={
                "settings": self.dataset.trading.model_dump(mode="json"),
                **trading_rules(self.dataset),
                "costs": {tape.symbol: tape.costs.sha256 for tape in self.dataset.bare if tape.symbol in self.symbols},
            },
            ppo=ppo.model_dump(mode="json"),
            data_fingerprint=self.dataset.summary.fingerprint,
            train_start_ms=self.start_ms,
            train_end_ms=self.end_ms,
            seeds=(0,),
            env_steps=0,
            libraries=library_versions(),
        )


def trading_rules(dataset: Dataset) -> dict[str, JsonValue]:
    """Return the kernel's rules and the account's limits as a card holds them: what a policy is trained and judged by.

    The limits stand behind state 72-75.
    """
    return {
        "kernel": {key: _plain(value) for key, value in asdict(dataset.kernel).items()},
        "limits": dict(_limits(dataset.settings)._asdict()),
    }


def normaliser_of(fit: FeatureFit, inputs: Sequence[str]) -> Normaliser:
    """Return the network's input scaling: the fit's scaler, entries whose optional inputs training lacked withheld."""
    absent = {*OPTIONAL_INPUTS, MEMORY_INPUT, TREE_INPUT} - set(inputs)
    available = np.array([not absent & set(spec.inputs) for spec in CATALOGUE], np.bool_)
    scaler = fit.scaler
    return Normaliser(_float32(scaler.center), _float32(scaler.scale), _float32(scaler.clip), available)


def _float32(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def _limits(settings: Settings) -> Limits:
    return Limits.of(settings.risk, settings.trading.account_to_quote_rate)


def _plain(value: object) -> float | int | str | bool | None:
    """Return a setting as a JSON value; exact decimals as text."""
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
