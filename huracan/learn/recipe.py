"""From a dataset and a training window to what trains on it: markets in Ray's object store, specification, card."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import ray
from pydantic import JsonValue

from huracan.config import PpoSettings, Settings
from huracan.env import Dataset, Window, vector_entry_point
from huracan.features import CATALOGUE, OPTIONAL_INPUTS, FeatureFit
from huracan.features.layout import MEMORY_SLICE
from huracan.learn.algorithm import AlgorithmSpec
from huracan.learn.runner import EnvSource
from huracan.learn.validation import TradingValidation
from huracan.policy import NetworkSpec, Normaliser, PolicyCard, catalogue_identity, library_versions
from huracan.policy.card import ACTION_NAMES
from huracan.trading import Limits, Tape

__all__ = ["MEMORY_INPUT", "MarketStore", "Markets", "WindowRecipe", "normaliser_of", "trading_rules"]

MEMORY_INPUT = "closed trades"
"""Input of the memory block, as the catalogue names it."""


@dataclass(frozen=True, slots=True)
class Markets:
    """A handle on tapes in Ray's object store; calling it returns them. Small, so that it can travel anywhere.

    Attributes:
        bare: reference to every tape of the dataset, features zero.
        features: reference to float32[M, 62] by tape, of one fit.
        chosen: indices of the tapes wanted.
    """

    bare: ray.ObjectRef
    features: ray.ObjectRef
    chosen: tuple[int, ...]

    def __call__(self) -> list[Tape]:
        """Fetch the tapes; their arrays are read-only and shared by all processes of a node."""
        bare, features = ray.get([self.bare, self.features])
        return [bare[index].with_features(features[index]) for index in self.chosen]


class MarketStore:
    """Puts a dataset's tapes into the object store once, and the features of each fit beside them.

    Args:
        dataset: judged candles, ready to be cut into folds; Ray must be running.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._bare = ray.put(list(dataset.bare))

    def window(self, start_ms: int, end_ms: int, symbols: Sequence[str], seed: int) -> "WindowRecipe":
        """Fit the features on [start_ms, end_ms) alone and return what trains there.

        Args:
            start_ms: first bar of the training window, ms UTC.
            end_ms: its end, exclusive.
            symbols: markets to trade.
            seed: of the fit's regime model.

        Raises:
            DataError: the window holds too few warm rows.
        """
        fit = self._dataset.fit(start_ms, end_ms, seed)
        tapes = self._dataset.fold_tapes(fit)
        features = [tape.features for tape in tapes]
        has_memory = any(bool(block[:, MEMORY_SLICE].any()) for block in features)
        chosen = tuple(index for index, tape in enumerate(tapes) if tape.symbol in set(symbols))
        markets = Markets(self._bare, ray.put(features), chosen)
        inputs = (*fit.inputs, MEMORY_INPUT) if has_memory else fit.inputs
        return WindowRecipe(self._dataset, fit, normaliser_of(fit, inputs), markets, start_ms, end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class WindowRecipe:
    """Everything about one training window that does not depend on a seed.

    Attributes:
        dataset: the judged candles.
        fit: features fitted on the window alone.
        normaliser: input scaling of the network.
        markets: tapes with the fit's features.
        start_ms: first bar, ms UTC.
        end_ms: end, exclusive.
    """

    dataset: Dataset
    fit: FeatureFit
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
        index = self.symbols.index(symbol)
        markets = Markets(self.markets.bare, self.markets.features, (self.markets.chosen[index],))
        return WindowRecipe(self.dataset, self.fit, self.normaliser, markets, self.start_ms, self.end_ms)

    def spec(self, ppo: PpoSettings, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return what to train: the environment over the window, the network, the hyper-parameters, the seed."""
        settings = self.dataset.settings
        context = {
            "tapes": self.markets,
            "kernel": self.dataset.kernel,
            "settings": settings.env,
            "window": Window(self.start_ms, self.end_ms),
            "limits": _limits(settings),
        }
        identity = [
            self.dataset.summary.fingerprint,
            self.fit.sha256,
            *self.symbols,
            settings.env.model_dump(mode="json"),
            repr(self.dataset.kernel),
            repr(context["limits"]),
            self.start_ms,
            self.end_ms,
        ]
        source = EnvSource(vector_entry_point, context, settings.env.num_envs, json.dumps(identity))
        network = NetworkSpec(settings.policy.hidden, settings.policy.activation)
        return AlgorithmSpec(source, network, self.normaliser, ppo, seed, env_steps)

    def validation(self, start_ms: int, end_ms: int) -> TradingValidation:
        """Return the judge of a later window, with this window's fit."""
        limits = _limits(self.dataset.settings)
        return TradingValidation(self.markets, self.dataset.kernel, limits, start_ms, end_ms)

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
            universe=self.symbols,
            leader=self.dataset.summary.leader,
            timeframe=self.dataset.summary.timeframe,
            trading={
                "settings": settings.trading.model_dump(mode="json"),
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
    absent = {*OPTIONAL_INPUTS, MEMORY_INPUT} - set(inputs)
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
