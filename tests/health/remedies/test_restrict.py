"""Restrictions as remedies: applied, limited, undone bit for bit, and refused where they would be wrong."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Engine

from huracan.config import RemedyRule
from huracan.errors import RefusedError
from huracan.risk.live import Entry, Restrictions
from huracan.trader.restricting import AccountRestrictions
from tests.health.remedies.worlds import COINS, LAYOUT, MINUTE, T0, World, anomaly, rule, world
from tests.risk.groups import state_in

pytestmark = pytest.mark.postgres


def obeyed(account: World, layout: int = LAYOUT) -> Restrictions:
    """Return what the account's trader obeys now."""

    async def steps() -> Restrictions:
        source = AccountRestrictions(account.database, account.account)
        found = Restrictions(await source.load(), dict.fromkeys(COINS, layout))
        await source.close()
        return found

    return asyncio.run(steps())


def denied(account: World, symbol: str = "A/USDT", confidence: float = 0.7, state: bytes = b"", action: int = 3) -> Any:
    """Return the code of an entry, None when it passes."""
    found = obeyed(account).judge(Entry(symbol, action, "v1", confidence, state or state_in(1)))
    return None if found is None else str(found.code)


CASES: list[tuple[RemedyRule, dict[str, Any], str]] = [
    (rule("d", "pause_coin"), {"symbol": "A/USDT"}, "COIN_PAUSED"),
    (rule("d", "raise_confidence", value=0.8), {}, "LOW_CONFIDENCE"),
    (rule("d", "reduce_size", value=1.0), {}, "SIZE_REDUCED"),
    (rule("d", "pause_pattern"), {"pattern": 1}, "PATTERN_PAUSED"),
]


@pytest.mark.parametrize(("line", "evidence", "code"), CASES, ids=[case[0].remedy for case in CASES])
def test_a_restriction_is_obeyed_and_undone_bit_for_bit(
    database: Engine, line: RemedyRule, evidence: dict[str, Any], code: str
) -> None:
    """What decides about the account after the undo is the text it was before; a person's lock stands throughout."""
    account = world(database)
    account.lock("D/USDT")
    set_id = account.library()
    before = account.control()
    remedies = account.remedies(line)
    (row,) = remedies.act([anomaly(account, set_id=set_id, **evidence)], T0)
    assert (row.state, row.kind, row.author) == ("applied", line.remedy, "monitor")
    assert denied(account) == code
    assert account.control() != before
    undone = remedies.undo(row.number, "ann", "it was nothing", T0 + MINUTE)
    assert (undone.state, undone.ended_by) == ("undone", "ann")
    assert account.control() == before
    assert denied(account) is None


@pytest.mark.parametrize(("line", "evidence", "code"), CASES, ids=[case[0].remedy for case in CASES])
def test_an_expiry_leaves_what_a_person_had_set(
    database: Engine, line: RemedyRule, evidence: dict[str, Any], code: str
) -> None:
    """When its time is over and its anomaly gone it ends by itself, and leaves the state of before."""
    account = world(database)
    account.lock("D/USDT")
    set_id = account.library()
    before = account.control()
    remedies = account.remedies(line)
    remedies.act([anomaly(account, set_id=set_id, **evidence)], T0)
    assert remedies.act([], T0 + 60 * MINUTE - 1) == ()
    assert denied(account) == code
    (ended,) = remedies.act([], T0 + 60 * MINUTE)
    assert (ended.state, ended.ended_by) == ("expired", "huracan")
    assert account.control() == before


def test_a_paused_pattern_keeps_its_meaning_when_the_library_is_found_anew(database: Engine) -> None:
    """States of the group are denied, those of the others pass; later sets renumber nothing of it."""
    account = world(database)
    first = account.library()
    account.remedies(rule("d", "pause_pattern")).act([anomaly(account, set_id=first, pattern=2)], T0)
    account.library()
    assert denied(account, state=state_in(2)) == "PATTERN_PAUSED"
    assert denied(account, state=state_in(1)) is None
    assert obeyed(account, layout=LAYOUT + 1).judge(Entry("A/USDT", 1, "v", 1.0, state_in(1))) is not None


def test_what_would_be_wrong_is_refused(database: Engine) -> None:
    """A coin that is not traded, a pattern that is everything or of another layout, or none, a threshold too high."""
    account = world(database)
    whole, foreign = account.library(count=1), account.library(layout=LAYOUT + 1)
    wrong: list[tuple[RemedyRule, dict[str, Any], str]] = [
        (rule("d", "pause_coin"), {"symbol": "Z/USDT"}, "no market"),
        (rule("d", "pause_pattern"), {"set_id": whole, "pattern": 1}, "no other group"),
        (rule("d", "pause_pattern"), {"set_id": foreign, "pattern": 1}, "another feature layout"),
        (rule("d", "pause_pattern"), {"set_id": 9_999, "pattern": 1}, "no pattern"),
        (rule("d", "raise_confidence", value=0.95), {}, "confidence_max"),
        (rule("d", "reduce_size", value=0.5), {"version": "nobody"}, "no version"),
        (rule("d", "raise_confidence", value=0.5), {"version": "nobody"}, "no version"),
    ]
    before = account.control()
    for line, evidence, said in wrong:
        (row,) = account.remedies(line).act([anomaly(account, **evidence)], T0)
        assert (row.state, said in row.error) == ("refused", True), (line, row.error)
    assert account.control() == before


def test_an_anomaly_that_names_nothing_leads_to_nothing(database: Engine) -> None:
    """A pause needs to know of what: no row, no guess."""
    account = world(database)
    both = account.remedies(rule("d", "pause_coin"), rule("d", "pause_pattern"), rule("d", "roll_back"))
    assert both.act([anomaly(account)], T0) == ()


def test_half_of_the_coins_may_be_paused_and_no_more(database: Engine) -> None:
    """The third of four is refused; as its anomaly is critical the account reduces instead."""
    account = world(database)
    remedies = account.remedies(rule("d", "pause_coin"), per_hour=10)
    wrong = [anomaly(account, subject=symbol) for symbol in COINS[:3]]
    rows = remedies.act(wrong, T0)
    assert [(row.kind, row.state) for row in rows] == [
        ("pause_coin", "applied"),
        ("pause_coin", "applied"),
        ("pause_coin", "refused"),
        ("reducing", "applied"),
    ]
    assert "coins_paused_max_frac" in rows[2].error
    assert account.newest_state() == ("REDUCING", "monitor")
    calm = world(database)
    calm.remedies(rule("d", "pause_coin"), per_hour=10).act(
        [anomaly(calm, subject=symbol, severity="warning") for symbol in COINS[:3]], T0
    )
    assert calm.newest_state() == ("ACTIVE", "")


def test_a_restart_of_a_remedy_that_is_not_in_force_cannot_be_undone(database: Engine) -> None:
    """Undoing twice, or what was refused, says so and changes nothing."""
    account = world(database)
    remedies = account.remedies(rule("d", "reduce_size", value=0.5))
    (row,) = remedies.act([anomaly(account)], T0)
    remedies.undo(row.number, "ann", "no", T0 + 1)
    with pytest.raises(RefusedError, match="is undone"):
        remedies.undo(row.number, "ann", "no", T0 + 2)
