"""A trade that the engine closes is remembered: by the layout of the state it was entered on, whoever closes it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.config import load_settings
from huracan.execution.model import Intent
from huracan.execution.postgres_store import PostgresStore
from huracan.memory import open_run
from huracan.patterns import Outcomes, recall
from tests.execution.scenes import EXIT, NORMAL, opened, quiet, scene
from tests.execution.world import World, virtually

pytestmark = pytest.mark.postgres

STATE = np.arange(80, dtype="<f4") / 80


class AtOnce:
    """Runs a call on the loop's own thread: virtual time does not wait for another one."""

    def __init__(self, thread: Any) -> None:
        self.transact, self.close = thread.transact, thread.close

    async def call(self, job: Callable[[], Any]) -> Any:
        """Run it."""
        return job()


def _store(database: Engine, account: str, run_id: int) -> PostgresStore:
    store = PostgresStore(database, account, run_id)
    store._thread = AtOnce(store._thread)  # type: ignore[assignment]
    return store


def _intent(world: World, action: int, layout: int) -> Intent:
    """Return an entry as a served version wants it; layout 0: as a script does, which knows no state."""
    if not layout:
        return world.intent(action)
    return replace(world.intent(action), policy="v1", confidence=0.5, regime=2, state=STATE.tobytes(), layout=layout)


def _traded(database: Engine, layout: int, restarts: bool) -> int:
    """Trade once on paper, exit after some bars, maybe by another process; return the number of the run."""
    run_id = open_run(database, "trade-paper", load_settings(None, {}, {}), "none", "test")

    async def steps() -> None:
        world = scene(quiet())
        engine = await opened(world, store=_store(database, "anna", run_id))
        await engine.on_intents([_intent(world, NORMAL, layout)])
        await engine.quiesce()
        await world.turn(engine)
        if restarts:
            await engine.stop()
            engine = world.engine(holder="two", store=_store(database, "anna", run_id))
            await engine.start()
        await world.turn(engine, EXIT)
        for _ in range(3):
            await world.turn(engine)
        await engine.stop()

    virtually(steps)
    return run_id


def _recalled(database: Engine, layout: int) -> Outcomes:
    later = open_run(database, "train", load_settings(None, {}, {}), "none", "test")
    return recall(database, later, layout, 60_000, policy="ensemble", account="coin").outcomes


@pytest.mark.parametrize(("restarts", "layout"), [(False, 701), (True, -702)])
def test_a_paper_trade_is_recalled_by_the_layout_of_its_state(database: Engine, restarts: bool, layout: int) -> None:
    """With the state it was decided on, and also when a restarted process closed it."""
    _emptied(database)
    _traded(database, layout, restarts)
    found = _recalled(database, layout)
    assert len(found) == 1
    assert found.market[0].tolist() == STATE[:52].tolist()
    assert len(_recalled(database, layout + 1)) == 0


def test_a_scripts_trade_is_of_unknown_layout(database: Engine) -> None:
    """It has no state that anything could be similar to."""
    _emptied(database)
    run_id = _traded(database, 0, False)
    with database.connect() as connection:
        query = "SELECT run_id, layout, policy FROM trade_memory"
        assert connection.exec_driver_sql(query).all() == [(run_id, 0, "")]


def _emptied(database: Engine) -> None:
    """Take out what another test traded: the exchange of each begins anew."""
    with database.begin() as connection:
        connection.exec_driver_sql("TRUNCATE accounts, trade_memory CASCADE")
