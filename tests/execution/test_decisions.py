"""Decisions: one answer per intent, risk told of everything that was approved."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import IntentStatus
from huracan.risk.live import Approval, DenialCode, Denied, OrderIntent
from tests.execution.scenes import EXIT, NORMAL, PATIENT, bury, opened, posts, scene
from tests.execution.test_faults import entered
from tests.execution.world import OpenGate, virtually


class ShutGate(OpenGate):
    """A risk port that denies everything."""

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Deny."""
        return Denied(DenialCode.HEAT, 1.0, 0.5)


def test_an_intent_repeated_is_one_intent() -> None:
    """The same wish twice, in one process and the next: one order."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        assert list((await engine.on_intents([world.intent(NORMAL)])).values()) == [None]
        await engine.stop()
        engine = world.engine()
        await engine.start()
        await engine.on_close({world.symbol: world.close(0)})
        await engine.on_intents([world.intent(NORMAL, 0)])
        assert len(posts(world)) == 2
        await engine.stop()

    virtually(steps)


def test_a_denial_is_stored_with_its_code_and_nothing_is_sent() -> None:
    """The policy's wish becomes DO_NOTHING."""

    async def steps() -> None:
        world = scene()
        world.gate = ShutGate()
        engine = await opened(world)
        intent = world.intent(NORMAL)
        assert await engine.on_intents([intent]) == {intent.intent_id: Denied(DenialCode.HEAT, 1.0, 0.5)}
        stored = await world.store().intent(intent.intent_id)
        assert stored is not None
        assert (stored.status, stored.code) == (IntentStatus.DENIED, "HEAT")
        assert not posts(world)

    virtually(steps)


def test_risk_is_told_when_an_entry_is_over() -> None:
    """Filled: what it reserved is gone; its stop's heat is the position's from then on."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        assert world.gate.reserved == {}
        assert world.gate.over == [world.intent(NORMAL).intent_id]
        await world.turn(engine, EXIT)
        await world.turn(engine, NORMAL)
        assert len(world.gate.over) == 2
        intents = (await world.store().load()).intents
        assert {intent.quantity for intent in intents.values()} == {Decimal(10)}
        assert len(intents) == 2, "the trade before is closed"

    virtually(steps)


class Killed(BaseException):
    """The process is gone."""


class DiesAfterTheClaim(MemoryStore):
    """A store whose process dies once an entry is claimed."""

    async def begin_entry(self, *arguments: Any, **named: Any) -> Any:
        """Write, then die."""
        await super().begin_entry(*arguments, **named)
        raise Killed


@pytest.mark.parametrize("wanted", [True, False])
def test_where_time_stands_still_what_it_died_over_is_wanted_again_or_given_up(wanted: bool) -> None:
    """Killed between claim and order: the same close, decided once more, sends it once; the rest ends unsent."""

    async def steps() -> None:
        world = scene(engine_settings=replace(PATIENT, still=True))
        engine = await opened(world, store=DiesAfterTheClaim(world.database, world.store().account))
        with pytest.raises(Killed):
            await engine.on_intents([world.intent(NORMAL)])
        await bury(engine)
        assert not posts(world)
        engine = await opened(world, holder="two")
        await engine.on_intents([world.intent(NORMAL)] if wanted else [])
        await engine.quiesce()
        found = (await world.store().load()).intents
        if wanted:
            assert list(posts(world).values()) == [1, 1], "the entry, and its bracket"
            assert {intent.status for intent in found.values()} == {IntentStatus.OPEN}
        else:
            entry = await world.store().intent(world.intent(NORMAL).intent_id)
            assert entry is not None
            assert (entry.status, entry.code) == (IntentStatus.GIVEN_UP, "NEVER_SENT")
            assert not posts(world)
            assert all(intent.status is not IntentStatus.OPEN for intent in found.values())
        await engine.stop()

    virtually(steps)
