"""An answer from decisions and risk's word on each: signals, and the intents that they would be written down as."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.execution.commands import ENTRIES
from huracan.execution.ids import intent_id
from huracan.execution.model import Intent, IntentKind
from huracan.memory.registry import standing
from huracan.shadow.trades import regime_of
from huracan.signals.backend import Book, Quote
from huracan.signals.contract import AsOf, RiskVerdict, Signal, SignalsAnswer, SignalSize
from huracan.signals.model import Decisions
from huracan.trading import Action
from huracan.venue.orders import Side
from huracan.venue.wire import plain_text

__all__ = ["JUDGED", "Decided", "answer_of", "iso", "verdict_of", "wanted_intents"]

JUDGED: Final = frozenset({*ENTRIES, Action.EXIT})
"""Actions that order something, and so need risk's word."""


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Decisions of one close with risk's word on each; rows as in `decisions`."""

    account: str
    close_ms: int
    book: Book
    decisions: Decisions
    states: NDArray[np.float32]
    quotes: Mapping[str, Quote]
    unserved: tuple[str, ...]


def wanted_intents(decided: Decided, base_ms: int) -> dict[str, Intent]:
    """Return by market what is to be written down: entries and exits that risk approves."""
    found: dict[str, Intent] = {}
    versions = decided.book.versions
    for row, symbol in enumerate(decided.decisions.symbols):
        quote, action = decided.quotes.get(symbol), int(decided.decisions.action[row])
        name = decided.decisions.version[row]
        if verdict_of(action, quote).verdict != "approved":
            continue
        action = action if quote is None else quote.action
        candle_ms = decided.close_ms - base_ms
        kind = IntentKind.ENTER if action in ENTRIES else IntentKind.EXIT
        found[symbol] = Intent(
            intent_id=intent_id(decided.account, symbol, candle_ms, kind),
            account=decided.account,
            symbol=symbol,
            candle_ms=candle_ms,
            kind=kind,
            side=Side.BUY if kind is IntentKind.ENTER else Side.SELL,
            created_ms=decided.close_ms,
            action=action,
            policy=name,
            confidence=float(decided.decisions.confidence[row]),
            regime=int(regime_of(decided.states[row : row + 1])[0]),
            state=decided.states[row].astype("<f4").tobytes(),
            layout=versions[name].layout if name in versions else 0,
        )
    return found


def answer_of(decided: Decided, intents: Mapping[str, Intent], base_ms: int, data_age_s: float) -> SignalsAnswer:
    """Return the contract's answer.

    Args:
        decided: decisions and quotes.
        intents: by market, those that are written down with it.
        base_ms: length of a base bar.
        data_age_s: wall time since the newest candle came.
    """
    decisions, versions = decided.decisions, decided.book.versions
    open_ms = decided.close_ms - base_ms
    as_of = AsOf(open_ms=open_ms, close_ms=decided.close_ms, open_time=iso(open_ms), close_time=iso(decided.close_ms))
    signals = []
    for row, symbol in enumerate(decisions.symbols):
        version = versions.get(decisions.version[row])
        if version is None:
            continue
        action, quote, intent = int(decisions.action[row]), decided.quotes.get(symbol), intents.get(symbol)
        probs = decisions.probs[row]
        signals.append(
            Signal(
                symbol=symbol,
                action=Action(action).name,
                probabilities={one.name: float(probs[one]) for one in Action},
                confidence=float(decisions.confidence[row]),
                size=_size(action, quote),
                version=version.version,
                stage=version.stage,
                standing=standing(version.stage, version.proven),
                as_of=as_of,
                data_age_s=data_age_s,
                risk=verdict_of(action, quote),
                intent_id=None if intent is None else intent.intent_id,
            )
        )
    return SignalsAnswer(
        account=decided.account, close_ms=decided.close_ms, signals=tuple(signals), unserved=decided.unserved
    )


def _size(action: int, quote: Quote | None) -> SignalSize:
    ordered = quote.action if quote is not None and action in ENTRIES else action
    multiplier = ordered / 2 if ordered in ENTRIES else 0.0
    if quote is None or quote.quantity is None or quote.price is None:
        return SignalSize(multiplier=multiplier, notional="0", quantity="0")
    notional = plain_text(quote.quantity * quote.price)
    return SignalSize(multiplier=multiplier, notional=notional, quantity=plain_text(quote.quantity))


def verdict_of(action: int, quote: Quote | None) -> RiskVerdict:
    """Return risk's word as the contract says it; an action that nobody judged is denied."""
    if action not in JUDGED:
        return RiskVerdict(verdict="not_needed", code=None, detail="")
    if quote is None:
        return RiskVerdict(verdict="denied", code="STATE_UNKNOWN", detail="risk has not judged it")
    if quote.denied is not None:
        return RiskVerdict(verdict="denied", code=quote.denied.code, detail=quote.denied.detail)
    if action in ENTRIES and quote.quantity is None:
        return RiskVerdict(verdict="denied", code="VOID", detail="too small, or not possible in this market now")
    stepped = ""
    if action in ENTRIES and quote.action != action:
        stepped = f"{action / 2:g} stakes wanted, a remedy allows {quote.action / 2:g}"
    return RiskVerdict(verdict="approved", code=None, detail=stepped)


def iso(at_ms: int) -> str:
    """Return a time in ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
