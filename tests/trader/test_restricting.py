"""Restrictions from the database to risk: what is in force, a pattern bit for bit, and damage that denies."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.memory.remediations import Remediation, insert_remediation
from huracan.risk.live import Entry, RestrictionKind, Restrictions
from huracan.trader.restricting import AccountRestrictions, MemoryRestrictions, packed_pattern, restriction_of
from tests.risk.groups import LAYOUT, paused, state_in

pytestmark = pytest.mark.postgres
T0 = 1_750_000_000_000
ROW = Remediation("main", "pause_coin", "A/USDT", "applied", "care", "monitor", T0, expires_ms=T0 + 60_000)


def put(database: Engine, row: Remediation) -> Remediation:
    """Write a row."""
    with database.begin() as connection:
        return insert_remediation(connection.connection.cursor(), row)


def load(database: Engine, account: str = "main") -> tuple[Any, ...]:
    """Read what is in force, as a trader does."""

    async def steps() -> tuple[Any, ...]:
        source = AccountRestrictions(database, account)
        try:
            return await source.load()
        finally:
            await source.close()

    return asyncio.run(steps())


def test_what_is_in_force_is_read_and_nothing_else(database: Engine) -> None:
    """Applied restrictions of the account and of no account; no deed, no dry run, nobody else's."""
    put(database, ROW)
    put(database, replace(ROW, account="", kind="reduce_size", subject="", value=0.5))
    for other in ({"account": "other"}, {"state": "dry_run"}, {"kind": "reducing"}, {"state": "refused"}):
        put(database, replace(ROW, subject="B/USDT", **other))
    found = load(database)
    assert [(row.kind, row.subject, row.value, row.until_ms) for row in found] == [
        (RestrictionKind.PAUSE_COIN, "A/USDT", None, T0 + 60_000),
        (RestrictionKind.REDUCE_SIZE, "", 0.5, T0 + 60_000),
    ]


def test_an_expiry_that_was_put_off_and_a_row_that_ended_are_seen(database: Engine) -> None:
    """A trader that looks again sees the new end; then the row is gone."""

    async def steps() -> None:
        source = AccountRestrictions(database, "again")
        row = await asyncio.to_thread(put, database, replace(ROW, account="again"))
        assert [one.until_ms for one in await source.load() if one.number == row.number] == [T0 + 60_000]
        with database.begin() as connection:
            values = {"number": row.number}
            connection.execute(
                text("UPDATE remediations SET expires_at = to_timestamp(:s) WHERE remediation_id = :number"),
                values | {"s": T0 / 1_000 + 120},
            )
        assert [one.until_ms for one in await source.load() if one.number == row.number] == [T0 + 120_000]
        with database.begin() as connection:
            connection.execute(
                text(
                    "UPDATE remediations SET state = 'undone', ended_at = now(), ended_by = 'ann' "
                    "WHERE remediation_id = :number"
                ),
                values,
            )
        assert [one for one in await source.load() if one.number == row.number] == []
        await source.close()

    asyncio.run(steps())


def test_a_pattern_comes_back_bit_for_bit(database: Engine) -> None:
    """The groups of a stored pause judge every state as those that were paused."""
    pattern = paused(2)
    put(database, replace(ROW, account="p", kind="pause_pattern", subject="3/2", after=packed_pattern(pattern)))
    found = next(row for row in load(database, "p") if row.kind is RestrictionKind.PAUSE_PATTERN)
    assert found.pattern is not None
    assert (found.pattern.number, found.pattern.layout) == (2, LAYOUT)
    assert packed_pattern(found.pattern) == packed_pattern(pattern)
    rng = np.random.default_rng(5)
    for state in rng.normal(size=(50, 80)).astype("<f4"):
        assert found.pattern.holds(state.tobytes()) == pattern.holds(state.tobytes())


@pytest.mark.parametrize("damage", [{}, {"embedding": "AAAA"}, {"centres": "!"}, {"number": 9}, {"groups": 5}])
def test_a_damaged_pattern_denies_every_entry(damage: dict[str, Any]) -> None:
    """What a row in force meant is lost: nothing that it may have been about is bought."""
    packed = packed_pattern(paused(2))
    after = {"pattern": {**packed["pattern"], **damage}} if damage else {}
    row = replace(ROW, kind="pause_pattern", subject="3/2", after=after, number=4)
    restrictions = Restrictions((restriction_of(row),), {"A/USDT": LAYOUT})
    found = restrictions.judge(Entry("A/USDT", 2, "v", 0.9, state_in(1)))
    assert found is not None
    assert (found.code, "remedy 4" in found.detail) == ("STATE_UNKNOWN", True)


def test_in_memory_there_is_what_was_put_there() -> None:
    """The stand-in of tests begins with nothing."""
    assert asyncio.run(MemoryRestrictions().load()) == ()
