"""A script of decisions: what to do in which market at which close, one JSON object a line.

    {"at": "2025-01-02T01:05:00Z", "symbol": "BTC/USDT", "action": "ENTER_LONG_NORMAL"}
    {"every": 5, "offset": 2, "symbol": "ADA/USDT", "action": "EXIT"}

`at` is the market time of a close; `every` N is each close whose bar number leaves `offset` (0 when left out) over N,
bars being counted from the epoch as everywhere (`kernel`: bar = open time / length). Empty lines and lines that begin
with # are passed over. A later line wins over an earlier one that is due at the same close in the same market.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huracan.errors import DataError, UsageError
from huracan.market import parse_ms
from huracan.trading import Action

__all__ = ["Script", "Step", "load_script", "parse_script"]

ACTIONS = tuple(action.name for action in Action if action.name.startswith("ENTER") or action.name == "EXIT")
STEPS_MAX = 100_000
_KEYS = {"at", "every", "offset", "symbol", "action"}


@dataclass(frozen=True, slots=True)
class Step:
    """One line: a market, an action, and either a moment or a period.

    Attributes:
        symbol: ccxt symbol.
        action: an ENTER or EXIT.
        at_ms: market time of the close, ms UTC; None: it is periodic.
        every, offset: bars; `every` is 0 for a step with a moment.
    """

    symbol: str
    action: Action
    at_ms: int | None
    every: int = 0
    offset: int = 0

    def due(self, close_ms: int, base_ms: int) -> bool:
        """Return whether it is due at the close of the bar that ends at `close_ms`."""
        if self.at_ms is not None:
            return self.at_ms == close_ms
        return (close_ms // base_ms - 1) % self.every == self.offset


@dataclass(frozen=True, slots=True)
class Script:
    """The steps of a file, and the name under which its trades are stored."""

    steps: tuple[Step, ...]
    policy: str

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets it trades, sorted."""
        return tuple(sorted({step.symbol for step in self.steps}))

    def due(self, close_ms: int, base_ms: int) -> dict[str, Action]:
        """Return the action of each market with a step due at a close."""
        return {step.symbol: step.action for step in self.steps if step.due(close_ms, base_ms)}


def load_script(path: Path, base_ms: int) -> Script:
    """Read a script.

    Raises:
        UsageError: the file cannot be read, or a line is no step; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"script {path} cannot be read: {error}; give a file of JSON lines") from None
    return parse_script(text, base_ms, str(path))


def parse_script(text: str, base_ms: int, name: str = "script") -> Script:
    """Return the script that a text holds; `name` is for messages.

    Raises:
        UsageError: a line is no step, or there is none.
    """
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                steps.append(_step(json.loads(line, parse_constant=_refuse_constant), base_ms))
            except json.JSONDecodeError as error:
                raise UsageError(f"{name}, line {number}, column {error.colno}: {error.msg}; no JSON") from None
            except (ValueError, TypeError, DataError) as error:
                raise UsageError(f"{name}, line {number}: {error}") from None
    if not 1 <= len(steps) <= STEPS_MAX:
        raise UsageError(f"{name} holds {len(steps)} steps; give 1 to {STEPS_MAX}")
    return Script(tuple(steps), f"script-{hashlib.sha256(text.encode()).hexdigest()[:12]}")


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _step(row: Any, base_ms: int) -> Step:
    if not isinstance(row, Mapping):
        raise ValueError("no JSON object")
    if unknown := sorted(set(row) - _KEYS):
        raise ValueError(f"unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}")
    symbol, action = row.get("symbol"), row.get("action")
    if not isinstance(symbol, str) or symbol.count("/") != 1 or ":" in symbol:
        raise ValueError(f"symbol {symbol!r} is no spot market; write it as ccxt does, e.g. BTC/USDT")
    if action not in ACTIONS:
        raise ValueError(f"action {action!r} is none of {', '.join(ACTIONS)}")
    if ("at" in row) == ("every" in row) or ("offset" in row and "every" not in row):
        raise ValueError("give either at, or every with an offset")
    if "at" in row:
        if not isinstance(row["at"], str):
            raise ValueError(f"at {row['at']!r} is no time; write 2025-01-02T01:05:00Z")
        at_ms = parse_ms(row["at"])
        if at_ms % base_ms:
            raise ValueError(f"at {row['at']} is no close: candles are {base_ms // 1_000} s long")
        return Step(symbol, Action[action], at_ms)
    every, offset = row["every"], row.get("offset", 0)
    if type(every) is not int or type(offset) is not int or not 0 <= offset < every:
        raise ValueError(f"every {every!r}, offset {offset!r}: whole numbers of bars, 0 <= offset < every")
    return Step(symbol, Action[action], None, every, offset)
