"""An answer is what was decided, said in the contract's words."""

from decimal import Decimal

import numpy as np
import pytest

from huracan.risk.live import DenialCode, Denied
from huracan.signals.answers import Decided, answer_of, iso, verdict_of, wanted_intents
from huracan.signals.backend import Quote
from huracan.signals.model import Decisions
from huracan.trading import Action
from tests.signals.stand_ins import CLOSE_MS, MINUTE_MS, RuleBook

BOUGHT = Quote("BTC/USDT", 1, Decimal("0.5"), Decimal("100.10"), None)
NOTHING = Quote("BTC/USDT", 1, None, None, None)
REFUSED = Quote("BTC/USDT", 1, Decimal("0.5"), Decimal("100.10"), Denied(DenialCode.HEAT, 2.0, 1.0, "why"))


@pytest.mark.parametrize(
    ("action", "quote", "verdict", "code"),
    [
        (Action.ENTER_LONG_SMALL, BOUGHT, "approved", None),
        (Action.ENTER_LONG_SMALL, REFUSED, "denied", "HEAT"),
        (Action.ENTER_LONG_SMALL, NOTHING, "denied", "VOID"),
        (Action.ENTER_LONG_SMALL, None, "denied", "STATE_UNKNOWN"),
        (Action.EXIT, NOTHING, "approved", None),
        (Action.EXIT, REFUSED, "denied", "HEAT"),
        (Action.EXIT, None, "denied", "STATE_UNKNOWN"),
        (Action.HOLD, None, "not_needed", None),
        (Action.DO_NOTHING, None, "not_needed", None),
    ],
)
def test_what_nobody_judged_is_never_approved(
    action: Action, quote: Quote | None, verdict: str, code: str | None
) -> None:
    """Risk fails closed."""
    found = verdict_of(action, quote)
    assert (found.verdict, found.code) == (verdict, code)


def decided(action: Action, quote: Quote | None, version: str = "v1") -> Decided:
    """Return one decision."""
    probs = np.zeros((1, 6), np.float32)
    probs[0, action] = 1
    decisions = Decisions(("BTC/USDT",), np.array([action]), probs, np.array([0.5], np.float32), (version,))
    quotes = {} if quote is None else {"BTC/USDT": quote}
    return Decided("main", CLOSE_MS, RuleBook(), decisions, np.ones((1, 80), np.float32), quotes, ())


def test_size_is_said_in_stakes_coins_and_money() -> None:
    """Exact decimals; what is denied is sized all the same, so that one sees what was refused."""
    for quote in (BOUGHT, REFUSED):
        (signal,) = answer_of(decided(Action.ENTER_LONG_SMALL, quote), {}, MINUTE_MS, 0.0).signals
        assert (signal.size.multiplier, signal.size.quantity, signal.size.notional) == (0.5, "0.5", "50.05")
    (signal,) = answer_of(decided(Action.EXIT, NOTHING), {}, MINUTE_MS, 0.0).signals
    assert (signal.size.multiplier, signal.size.quantity, signal.size.notional) == (0.0, "0", "0")


def test_only_what_is_approved_becomes_an_intent() -> None:
    """Nothing else can."""
    (intent,) = wanted_intents(decided(Action.ENTER_LONG_SMALL, BOUGHT), MINUTE_MS).values()
    assert (intent.symbol, intent.policy, intent.layout) == ("BTC/USDT", "v1", 77)
    assert wanted_intents(decided(Action.ENTER_LONG_SMALL, REFUSED), MINUTE_MS) == {}
    assert wanted_intents(decided(Action.HOLD, None), MINUTE_MS) == {}


def test_a_decision_of_nobody_is_no_signal() -> None:
    """A version that the book does not have decided nothing."""
    assert answer_of(decided(Action.HOLD, None, ""), {}, MINUTE_MS, 0.0).signals == ()


def test_times_are_utc_to_the_millisecond() -> None:
    """With a Z, as JavaScript and Python both read it."""
    assert iso(CLOSE_MS + 7) == "2025-06-15T15:07:00.007Z"
