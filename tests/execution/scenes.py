"""Scenes for the fault tests: a quiet market, an engine that dies and comes back, and the invariants I1 to I12."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from huracan.execution.engine import Engine
from huracan.execution.model import Order
from huracan.execution.ports import EngineSettings
from huracan.execution.replay import differences
from huracan.trading.instruments import UNITS_PER_COIN
from tests.execution.world import ACCOUNT, World
from tests.paper.world import FLAT, market
from tests.trading.markets import settings_of

Bars = Sequence[tuple[int, int, int, int, int]]
NORMAL, EXIT, HOLD = 2, 4, 5
PATIENT = EngineSettings(lease_wait_s=120.0)


def quiet(count: int = 40) -> list[tuple[int, int, int, int, int]]:
    """Return bars at 100.00 in which nothing moves."""
    return [FLAT] * count


def scene(bars: Bars | None = None, engine_settings: EngineSettings = PATIENT, **changes: Any) -> World:
    """Return a world of one-minute bars; `changes` are trading settings, but for those of `World`."""
    own = {name: changes.pop(name) for name in ("quote", "fee_asset", "extra") if name in changes}
    plain = {"stake_amount": 1_000.0, "hold_bars": 100, **changes}
    return World(market(bars or quiet()), settings_of(**plain), 0, engine_settings=engine_settings, **own)


async def opened(world: World, **how: Any) -> Engine:
    """Return an engine that has started and seen the close of the first row."""
    engine = world.engine(**how)
    await engine.start()
    await engine.on_close({world.symbol: world.close()})
    return engine


async def bury(engine: Engine) -> None:
    """Take a dead process's tasks off the loop: a real one would not run on either."""
    tasks = [*engine.tasks.background, *engine.tasks.commands, *engine.tasks.questions]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def posts(world: World) -> Counter[str]:
    """Return how often each client order id was POSTed, by the exchange's own request log."""
    found: Counter[str] = Counter()
    for method, path, text in world.sent:
        if method == "POST" and path.startswith("/api/v3/order"):
            fields = parse_qs(text)
            found[(fields.get("newClientOrderId") or fields["listClientOrderId"])[0]] += 1
    return found


async def orders(world: World) -> tuple[Order, ...]:
    """Return every order of the ledger."""
    return (await world.store().log()).orders


async def check(world: World, engine: Engine | None = None) -> None:
    """Hold the invariants that must be true whenever nothing is under way."""
    log, snapshot = await world.store().log(), await world.store().load()
    assert differences(log) == ()  # I12
    for asset, row in log.balances.items():  # I1
        assert row.free + row.locked + row.venue + row.fees + row.external == 0, asset
        assert row.free >= 0, (asset, row)
        assert row.locked >= 0, (asset, row)
    for order in log.orders:  # I3
        mine = [fill for fill in log.fills if fill.cid == order.cid]
        assert order.filled == sum((fill.quantity for fill in mine), Decimal(0))
        assert order.cost == sum((fill.quantity * fill.price for fill in mine), Decimal(0))
    assert set(posts(world).values()) <= {1}, posts(world)  # I4
    ours = {fill.trade_id for fill in log.fills}
    theirs = {str(row["id"]) for row in world.exchange.trades(ACCOUNT)}
    assert ours == theirs, (ours, theirs)  # I5
    working = {"NEW", "PARTIALLY_FILLED"}
    resting = {row["clientOrderId"] for row in world.exchange.orders(ACCOUNT) if row["status"] in working}
    assert resting == {order.cid for order in snapshot.orders.values() if not order.complete}  # I6
    if engine is not None:  # I2
        coins = Decimal(int(engine.desks[world.symbol].planner.position.slot.coins)) / UNITS_PER_COIN
        position = snapshot.positions.get(world.symbol)
        assert coins == (position.holding if position is not None else 0)
        assert engine.desks[world.symbol].planner.settled
