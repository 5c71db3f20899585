"""What the endpoint answers: one close an answer, risk's word on each decision, intents at most once."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from huracan.execution.ids import intent_id
from huracan.execution.model import IntentKind, IntentStatus
from huracan.policy import Sureness
from huracan.risk.live import DenialCode
from huracan.signals.backend import Problem
from huracan.signals.contract import ErrorCode, SignalsAnswer, SignalsRequest
from huracan.trading import Action
from huracan.venue.orders import Side
from tests.signals.stand_ins import (
    CLOSE_MS,
    LIMITS,
    MINUTE_MS,
    SYMBOLS,
    HeldPolicies,
    RuleBook,
    World,
    code,
    database_down,
    denied,
    execution_down,
    execution_slow,
    feed_down,
    market_close,
    no_candle,
    nothing_served,
    stale,
    tampered,
    version,
)

EXECUTE = SignalsRequest(execute=True)


def ask(world: World, request: SignalsRequest = EXECUTE, key: str | None = None) -> SignalsAnswer | Problem:
    """Ask once, as the token `desk`."""
    return asyncio.run(world.service().signals(request, key, "desk"))


def good(found: SignalsAnswer | Problem) -> SignalsAnswer:
    """Return the answer, which must be one."""
    assert isinstance(found, SignalsAnswer), found
    return found


# ---- answers ------------------------------------------------------------------------------------------------------


def test_a_signal_says_who_decided_what_on_which_candle() -> None:
    """All of it, UNPROVEN included, and nothing is written down when nobody asked for it."""
    world = World()
    found = good(ask(world, SignalsRequest(symbols=("BTC/USDT",))))
    (signal,) = found.signals
    assert (signal.symbol, signal.action, signal.version, signal.stage) == (
        "BTC/USDT", "ENTER_LONG_NORMAL", "v1", "shadow",
    )  # fmt: skip
    assert signal.standing == "shadow: UNPROVEN"
    assert signal.probabilities == {one.name: (0.75 if one is Action.ENTER_LONG_NORMAL else 0.0) for one in Action}
    assert signal.confidence == 0.75
    assert (signal.size.multiplier, signal.size.quantity, signal.size.notional) == (1.0, "1", "100.5")
    assert (signal.as_of.open_ms, signal.as_of.close_ms) == (CLOSE_MS - MINUTE_MS, CLOSE_MS)
    assert (signal.as_of.open_time, signal.as_of.close_time) == ("2025-06-15T15:06:00.000Z", "2025-06-15T15:07:00.000Z")
    assert signal.data_age_s == 1.0
    assert (signal.risk.verdict, signal.risk.code, signal.intent_id) == ("approved", None, None)
    assert world.ledger.intents == {}


def test_the_endpoint_lowers_confidence_as_the_trading_loop_does() -> None:
    """Where similar entries had bad results: in the answer, in what risk is asked, and in the intent."""
    rule = Sureness(factor_min=0.5)
    world = World(limits=replace(LIMITS, sureness=rule))
    world.execution.memory = (-0.5, -0.125, -0.75, 0.1, 0.5)
    found = good(ask(world, SignalsRequest(symbols=("BTC/USDT",), execute=True)))
    (signal,) = found.signals
    assert signal.confidence == 0.5625
    assert [one.confidence for one in world.execution.decided] == [0.5625]
    (intent,) = world.ledger.intents.values()
    assert intent.confidence == 0.5625
    assert [one.state for one in world.execution.decided] == [intent.state]


def test_an_entry_larger_than_remedies_allow_is_made_as_large_as_they_do() -> None:
    """The answer keeps what the version wanted, says what is ordered, and the intent is that."""
    world = World(policies=HeldPolicies(RuleBook(action=Action.ENTER_LONG_LARGE)))
    world.execution.largest = int(Action.ENTER_LONG_SMALL)
    (signal,) = good(ask(world, SignalsRequest(symbols=("BTC/USDT",), execute=True))).signals
    assert (signal.action, signal.size.multiplier, signal.size.quantity) == ("ENTER_LONG_LARGE", 0.5, "0.5")
    assert (signal.risk.verdict, signal.risk.detail) == ("approved", "1.5 stakes wanted, a remedy allows 0.5")
    (intent,) = world.ledger.intents.values()
    assert intent.action == Action.ENTER_LONG_SMALL


def test_an_empty_list_asks_for_every_market() -> None:
    """Sorted, one each."""
    assert tuple(signal.symbol for signal in good(ask(World(), SignalsRequest())).signals) == SYMBOLS


def test_what_risk_denies_is_served_with_its_code_and_becomes_no_intent() -> None:
    """Only the approved market's row is written down."""
    world = World()
    world.execution.denied["ADA/USDT"] = denied(DenialCode.HEAT)
    world.execution.denied["BTC/USDT"] = denied(DenialCode.LOCKED, "a person")
    rows = {signal.symbol: signal for signal in good(ask(world)).signals}
    assert (rows["ADA/USDT"].risk.verdict, rows["ADA/USDT"].risk.code) == ("denied", "HEAT")
    assert (rows["BTC/USDT"].risk.code, rows["BTC/USDT"].risk.detail) == ("LOCKED", "a person")
    assert rows["ADA/USDT"].intent_id is None
    assert rows["ETH/USDT"].risk.verdict == "approved"
    assert [row.symbol for row in world.ledger.intents.values()] == ["ETH/USDT"]


def test_an_entry_that_would_buy_nothing_is_void() -> None:
    """Too small, or not possible now: neither approved nor written down."""
    world = World()
    world.execution.void = {*SYMBOLS}
    found = good(ask(world))
    assert {(signal.risk.verdict, signal.risk.code, signal.size.notional) for signal in found.signals} == {
        ("denied", "VOID", "0")
    }
    assert world.ledger.intents == {}


@pytest.mark.parametrize("action", [Action.DO_NOTHING, Action.HOLD])
def test_what_orders_nothing_needs_no_word_of_risk(action: Action) -> None:
    """Execution is not asked at all."""
    world = World(policies=HeldPolicies(RuleBook(action=action)))
    found = good(ask(world))
    assert {signal.risk.verdict for signal in found.signals} == {"not_needed"}
    assert {signal.size.multiplier for signal in found.signals} == {0.0}
    assert world.execution.asked == []
    assert world.ledger.intents == {}


@pytest.mark.parametrize(
    ("action", "kind", "side"),
    [(Action.ENTER_LONG_LARGE, IntentKind.ENTER, Side.BUY), (Action.EXIT, IntentKind.EXIT, Side.SELL)],
)
def test_an_intent_is_the_one_the_trading_loop_would_write(action: Action, kind: IntentKind, side: Side) -> None:
    """Same name, same state, same version: whoever comes first, the other changes nothing."""
    world = World(policies=HeldPolicies(RuleBook(action=action)))
    found = good(ask(world, SignalsRequest(symbols=("BTC/USDT",), execute=True)))
    (intent,) = world.ledger.intents.values()
    candle_ms = CLOSE_MS - MINUTE_MS
    assert found.signals[0].intent_id == intent.intent_id == intent_id("main", "BTC/USDT", candle_ms, kind)
    assert (intent.kind, intent.side, intent.action, intent.status) == (kind, side, int(action), IntentStatus.OPEN)
    assert (intent.policy, intent.confidence, intent.created_ms, intent.quantity) == ("v1", 0.75, CLOSE_MS, None)
    state = np.frombuffer(intent.state, "<f4")
    assert (state[:52] == 1).all()
    assert (state[52:] == 0).all()


def test_markets_that_nobody_decides_on_are_named() -> None:
    """No version for them is no error of the others."""
    world = World(policies=HeldPolicies(RuleBook(served=(version(scope="BTC/USDT"),))))
    found = good(ask(world))
    assert [signal.symbol for signal in found.signals] == ["BTC/USDT"]
    assert found.unserved == ("ADA/USDT", "ETH/USDT")
    world.execution.symbols = ("BTC/USDT",)
    assert good(ask(world, SignalsRequest(symbols=("ADA/USDT", "BTC/USDT")))).unserved == ("ADA/USDT",)


# ---- one close an answer ------------------------------------------------------------------------------------------


def test_a_candle_that_closes_in_between_begins_the_answer_anew() -> None:
    """Decision, risk's word and intent are of one candle: the new one."""
    world = World()
    service = world.service()

    def move() -> None:
        world.next_close()

    async def run() -> SignalsAnswer | Problem:
        world.execution.moves = [CLOSE_MS + MINUTE_MS]
        asyncio.get_running_loop().call_later(0.02, move)
        return await service.signals(EXECUTE, None, "desk")

    found = good(asyncio.run(run()))
    assert found.close_ms == CLOSE_MS + MINUTE_MS
    assert {row.candle_ms for row in world.ledger.intents.values()} == {CLOSE_MS}
    assert len(world.execution.asked) == 2


def test_an_account_that_is_a_close_behind_is_waited_for() -> None:
    """Until it has carried out the close that the feed has, and no longer than a decision may take."""
    world = World()
    service = world.service()
    world.next_close(account_too=False)

    async def run() -> SignalsAnswer | Problem:
        asyncio.get_running_loop().call_later(0.1, setattr, world.execution, "close_ms", CLOSE_MS + MINUTE_MS)
        return await service.signals(EXECUTE, None, "desk")

    assert good(asyncio.run(run())).close_ms == CLOSE_MS + MINUTE_MS
    world.next_close(account_too=False)
    before = dict(world.ledger.intents)
    assert code(asyncio.run(service.signals(EXECUTE, None, "desk"))) is ErrorCode.DECISION_LATE
    assert world.ledger.intents == before


def test_states_are_asked_for_once_a_close_and_again_after_what_may_change_them() -> None:
    """A request costs execution one question, risk's; an intent, the next close and a second each cost one more."""
    world = World()
    service, asked = world.service(), 0
    real = world.execution.states

    async def counted() -> Any:
        nonlocal asked
        asked += 1
        return await real()

    world.execution.states = counted  # type: ignore[method-assign]

    async def run(*requests: SignalsRequest) -> int:
        for request in requests:
            good(await service.signals(request, None, "desk"))
        return asked

    look = SignalsRequest()
    assert asyncio.run(run(look, look, look)) == 1
    assert asyncio.run(run(look, EXECUTE, look, look)) == 2
    before = asked
    world.next_close()
    assert asyncio.run(run(look, look)) == before + 1


def test_a_version_of_another_fit_decides_on_its_own_rows() -> None:
    """The account's states are by the old fit; the new version's rows come from the feed, age included."""
    world = World(policies=HeldPolicies(RuleBook(served=(version("v2", "fit-b"),), expects=2.0)))
    world.market.newest = market_close(fits=("fit-a", "fit-b"))
    assert {signal.action for signal in good(ask(world)).signals} == {"ENTER_LONG_NORMAL"}
    assert all((np.frombuffer(row.state, "<f4")[:52] == 2).all() for row in world.ledger.intents.values())


def test_rows_of_another_fit_are_never_decided_on() -> None:
    """Without rows of its own fit a version does not decide: late is an answer, wrong is none."""
    world = World(policies=HeldPolicies(RuleBook(served=(version("v2", "fit-b"),))))
    assert code(ask(world)) is ErrorCode.DECISION_LATE
    assert world.execution.asked == []


# ---- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (stale, ErrorCode.STALE_DATA),
        (no_candle, ErrorCode.FEED_DOWN),
        (feed_down, ErrorCode.FEED_DOWN),
        (nothing_served, ErrorCode.NO_VERSION),
        (execution_down, ErrorCode.EXECUTION_DOWN),
        (execution_slow, ErrorCode.DECISION_LATE),
        (database_down, ErrorCode.DATABASE_DOWN),
    ],
)
def test_what_is_away_has_a_code_and_leaves_nothing_behind(
    broken: Callable[[World], None], expected: ErrorCode
) -> None:
    """No intent, and no key that would repeat the refusal."""
    world = World()
    broken(world)
    assert code(ask(world)) is expected
    assert world.ledger.intents == {}
    assert world.ledger.rows == {}


def test_without_a_database_signals_are_still_decided() -> None:
    """Only writing needs it."""
    world = World()
    world.ledger.down = True
    assert len(good(ask(world, SignalsRequest())).signals) == 3


def test_a_tampered_artefact_does_not_stop_what_was_served() -> None:
    """Health says it; signals go on with the version that was loaded."""
    world = World()
    tampered(world)
    assert {signal.version for signal in good(ask(world)).signals} == {"v1"}


def test_data_is_stale_when_a_candle_is_overdue() -> None:
    """A candle's own length does not count: a minute's bar may be a minute old."""
    world = World()
    world.clock.at_ms = CLOSE_MS + 240_000
    assert isinstance(ask(world), SignalsAnswer)
    world.clock.at_ms += 1
    assert code(ask(world)) is ErrorCode.STALE_DATA


def test_unknown_and_too_many_symbols_are_refused() -> None:
    """With codes of their own."""
    world = World()
    assert code(ask(world, SignalsRequest(symbols=("BTC/USDT", "NOPE/USDT")))) is ErrorCode.UNKNOWN_SYMBOL
    many = SignalsRequest(symbols=tuple(f"C{number}/USDT" for number in range(6)))
    assert code(ask(world, many)) is ErrorCode.TOO_MANY_SYMBOLS


# ---- keys ---------------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_have_the_same_answer_however_much_later() -> None:
    """Candles have closed since: without the key the repetition would enter again."""
    world = World()
    first = good(ask(world, key="k1"))
    world.next_close()
    assert good(ask(world, key="k1")) == first
    assert len(world.ledger.intents) == 3
    assert good(ask(world, key="k2")).close_ms == CLOSE_MS + MINUTE_MS
    assert len(world.ledger.intents) == 6


def test_the_same_key_with_another_body_is_refused() -> None:
    """It would be an answer to another question."""
    world = World()
    good(ask(world, key="k1"))
    assert code(ask(world, SignalsRequest(symbols=("BTC/USDT",), execute=True), "k1")) is ErrorCode.KEY_REUSED


def test_keys_of_different_callers_are_different_keys() -> None:
    """Nobody is told another's answer."""
    world = World()
    service = world.service()
    good(asyncio.run(service.signals(EXECUTE, "k1", "desk")))
    good(asyncio.run(service.signals(SignalsRequest(), "k1", "other")))


def test_a_death_between_key_and_intents_is_mended_by_the_repetition() -> None:
    """The key stands for its intents from the moment it is stored: the repetition writes those, not new ones."""
    world = World()
    world.ledger.fails_before_intents = True
    assert code(ask(world, key="k1")) is ErrorCode.DATABASE_DOWN
    assert world.ledger.intents == {}
    world.next_close()
    found = good(ask(world, key="k1"))
    assert found.close_ms == CLOSE_MS
    assert {row.candle_ms for row in world.ledger.intents.values()} == {CLOSE_MS - MINUTE_MS}
    assert {signal.intent_id for signal in found.signals} == set(world.ledger.intents)


def test_two_at_once_with_one_key_have_one_answer() -> None:
    """Also when a candle closes between them: the first stored counts for both."""
    world = World()
    service = world.service()

    async def run() -> list[SignalsAnswer | Problem]:
        return await asyncio.gather(*(service.signals(EXECUTE, "k1", "desk") for _ in range(8)))

    found = [good(one) for one in asyncio.run(run())]
    assert all(one == found[0] for one in found)
    assert len(world.ledger.intents) == 3


@pytest.mark.parametrize("name", ["status", "positions", "orders", "models"])
def test_reads_say_that_the_database_is_away(name: str) -> None:
    """One code for all of them."""
    world = World()
    question: Callable[[], Coroutine[Any, Any, object]] = getattr(world.service(), name)
    assert not isinstance(asyncio.run(question()), Problem)
    world.ledger.down = True
    assert code(asyncio.run(question())) is ErrorCode.DATABASE_DOWN


def test_models_say_which_of_them_decide_here() -> None:
    """The registry's list, with this replica's own knowledge."""
    world = World()
    found: Any = asyncio.run(world.service().models())
    assert {row.version: row.served for row in found.models} == {"v1": True, "v2": False}


def test_figures_count_what_was_done() -> None:
    """Signals, intents, age, and what is served."""
    world = World()
    service = world.service()
    asyncio.run(service.signals(EXECUTE, None, "desk"))
    rows = {row.name: row.value for row in asyncio.run(service.metrics()).metrics}
    assert rows["huracan_signals_total"] == 3
    assert rows["huracan_http_intents_total"] == 3
    assert rows["huracan_data_age_seconds"] == 1.0
    assert rows["huracan_version_served"] == 1.0


def test_an_answer_does_not_change_when_the_book_is_replaced_under_it() -> None:
    """Who decides, with whose rows and under whose name is asked of one book, taken once."""
    world = World()
    world.market.newest = market_close(fits=("fit-a", "fit-b"))
    service, old = world.service(), world.policies.book

    class Replacing(RuleBook):
        async def decide(self, close_ms: int, symbols: Any, states: Any) -> Any:
            world.policies.book = RuleBook(served=(version("v2", "fit-b"),), expects=2.0)
            return await old.decide(close_ms, symbols, states)

    world.policies.book = Replacing()
    found = good(asyncio.run(service.signals(EXECUTE, None, "desk")))
    assert {(signal.version, signal.action) for signal in found.signals} == {("v1", "ENTER_LONG_NORMAL")}
    found = good(asyncio.run(service.signals(SignalsRequest(), None, "desk")))
    assert {(signal.version, signal.action) for signal in found.signals} == {("v2", "ENTER_LONG_NORMAL")}


def test_limits_are_those_given() -> None:
    """A longer patience is a longer patience."""
    world = World()
    world.limits = replace(world.limits, feed_age_max_s=1_000.0)
    stale(world)
    assert isinstance(ask(world), SignalsAnswer)
