"""The policies that decide: loaded versions as one immutable book, which is replaced as a whole."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.config import TradingSettings
from huracan.errors import InvariantError
from huracan.features import FeatureFit
from huracan.policy import NUM_ACTIONS
from huracan.shadow.collect import Confident
from huracan.signals.model import Decisions, ServedVersion
from huracan.trading import Action, with_rules
from huracan.trading.rule_space import RULES_SEARCHED
from huracan.trees import Remembers

__all__ = ["EVERY_COIN", "LoadedVersion", "PolicyBook", "searched_rules"]

EVERY_COIN = "*"
"""Scope of a version that decides on every market of its universe."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVersion:
    """A version with everything that deciding takes.

    Attributes:
        served: what is said of it.
        ensemble: what decides on states: its networks.
        fit: its features.
        universe: markets it was trained on, sorted.
        timeframe: base timeframe.
        rules: what a search chose of `trading`, by name: its states mean something under these rules alone.
        memory: what fills entries 52 to 61 of its states (closed trades, tree model); None: they are 0.
    """

    served: ServedVersion
    ensemble: Confident
    fit: FeatureFit
    universe: tuple[str, ...]
    timeframe: str
    rules: Mapping[str, float | int]
    memory: Remembers | None = None

    def trading(self, configured: TradingSettings) -> TradingSettings:
        """Return the configured section with the rules that the version was trained under."""
        return with_rules(configured, self.rules)

    def decides_on(self, symbol: str) -> bool:
        """Return whether a market is of its scope and its universe."""
        return symbol in self.universe and self.served.scope in (symbol, EVERY_COIN)


def searched_rules(trading: Mapping[str, object]) -> dict[str, float | int]:
    """Return what a search chose of a card's `trading`, which holds the resolved rules under `kernel`.

    Raises:
        InvariantError: one of them is no number.
    """
    found: dict[str, float | int] = {}
    kernel = trading.get("kernel")
    for name in RULES_SEARCHED:
        value = kernel.get(name) if isinstance(kernel, Mapping) else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvariantError(f"card: trading.kernel.{name} is {json.dumps(value)}, not a number")
        found[name] = value
    return found


class PolicyBook:
    """Versions that decide together; never changes. The version of a coin goes before the one of all coins.

    Args:
        loaded: versions, at most one a scope.

    Raises:
        InvariantError: two of one scope.
    """

    def __init__(self, loaded: Iterable[LoadedVersion] = ()) -> None:
        self._loaded = tuple(sorted(loaded, key=lambda one: (one.served.scope == EVERY_COIN, one.served.version)))
        scopes = [one.served.scope for one in self._loaded]
        if len(set(scopes)) != len(scopes):
            raise InvariantError(f"versions of the scopes {', '.join(scopes)}: one a scope may decide")

    @property
    def loaded(self) -> tuple[LoadedVersion, ...]:
        """Return the versions, those of single coins first."""
        return self._loaded

    @property
    def versions(self) -> dict[str, ServedVersion]:
        """Return by name what decides; empty: nothing is served."""
        return {one.served.version: one.served for one in self._loaded}

    @property
    def fits(self) -> tuple[FeatureFit, ...]:
        """Return the distinct feature fits."""
        return tuple({one.served.fit: one.fit for one in self._loaded}.values())

    @property
    def markets(self) -> tuple[str, ...]:
        """Return the markets that somebody decides on, sorted."""
        universe = sorted({symbol for one in self._loaded for symbol in one.universe})
        return tuple(symbol for symbol in universe if self.loaded_of(symbol) is not None)

    def loaded_of(self, symbol: str) -> LoadedVersion | None:
        """Return the version that decides on a market, None when nobody does."""
        return next((one for one in self._loaded if one.decides_on(symbol)), None)

    def version_of(self, symbol: str) -> ServedVersion | None:
        """Return who decides on a market, None when nobody does."""
        found = self.loaded_of(symbol)
        return None if found is None else found.served

    def decide_now(self, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """Decide for one state a market, each version once for all of its markets.

        Where nobody decides the action is DO_NOTHING, its probabilities 0 and the version "".

        Args:
            symbols: one a row.
            states: float32[N, 80], complete.

        Raises:
            InvariantError: a state of another shape, or one that is not finite.
        """
        count = len(symbols)
        action = np.full(count, int(Action.DO_NOTHING), np.int64)
        probs, confidence = np.zeros((count, NUM_ACTIONS), np.float32), np.zeros(count, np.float32)
        names = [""] * count
        rows_of: dict[str, list[int]] = {}
        makers = {one.served.version: one for one in self._loaded}
        for row, symbol in enumerate(symbols):
            found = self.loaded_of(symbol)
            if found is not None:
                names[row] = found.served.version
                rows_of.setdefault(found.served.version, []).append(row)
        for name, rows in rows_of.items():
            decision = makers[name].ensemble.decide(np.ascontiguousarray(states[rows]))
            action[rows], probs[rows], confidence[rows] = decision.action, decision.probs, decision.confidence
        return Decisions(tuple(symbols), action, probs, confidence, tuple(names))

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """See `huracan.signals.model.DecisionMaker`; `close_ms` is who asks' own affair."""
        del close_ms
        return self.decide_now(symbols, states)
