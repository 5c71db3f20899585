"""Execution: orders/s over HTTP, close to order sent, recovery with 50 open orders, and the simulation's seeds/min.

Engine and clients share this process; the paper exchange has its own, and the database too. One order is one POST that
goes through T1, T2, S and T3: entries, their brackets, and market sales, 20 markets at a time.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import ccxt.async_support
import numpy as np

from huracan.execution.store import Store
from huracan.risk.live import TradingState
from tests.bench.exchange import LEASE_S, Desk, Floor, open_floor
from tests.bench.harness import Measurement, repeat
from tests.execution.scenes import bury
from tests.simulation.fleet import quiet, run_one

REPEATS, ROUNDS, ROUNDS_OF_TWO = 3, 5, 40
MARKETS, RECOVERED = 20, 50
SEEDS, STEPS, WORKERS = 60, 200, 2


def measure() -> list[Measurement]:
    """Measure the engine in a world of its own, then the simulation."""
    with open_floor() as floor:
        found = asyncio.run(_engine(floor))
    return [*found, _simulation()]


async def _engine(floor: Floor) -> list[Measurement]:
    markets = floor.symbols[:MARKETS]
    raw = await _raw(floor, markets)
    found = []
    for name, store in (("postgres", floor.postgres("postgres")), ("memory", floor.memory("memory"))):
        rates, twos, twenties = await _rates(floor, name, store, markets)
        ratio = {"raw-ccxt": float(np.median(rates)) / raw}
        note = f"{MARKETS} markets at once, {name} store; create_order alone: {raw:,.0f} orders/s"
        found.append(_figure(f"orders_{name}", rates, "orders/s", note, ratio))
        if name == "postgres":
            for count, waits in ((2, twos), (MARKETS, twenties)):
                for percent in (50, 99):
                    values = [float(np.percentile(row, percent)) * 1e3 for row in waits]
                    note = f"{len(waits[0])} entries, {count} a close, postgres store"
                    found.append(_figure(f"intent_to_sent_{count}_p{percent}", values, "ms", note))
    found.append(await _recovery(floor))
    return found


async def _rates(
    floor: Floor, account: str, store: Store, markets: Sequence[str]
) -> tuple[list[float], list[list[float]], list[list[float]]]:
    """Return orders/s, and the seconds to each POST of 2 and of 20 entries a close; one row a repeat."""
    rates, twos, twenties = [], [], []
    desk = Desk(floor, account, store)
    try:
        await desk.engine.start()
        await desk.round(markets)
        for _ in range(REPEATS):
            twos.append([wait for _ in range(ROUNDS_OF_TWO) for wait in (await desk.round(markets[:2])).waits_s])
            rounds = [await desk.round(markets) for _ in range(ROUNDS)]
            twenties.append([wait for one in rounds for wait in one.waits_s])
            rates.append(sum(one.posts for one in rounds) / sum(one.seconds for one in rounds))
        await desk.engine.stop()
    finally:
        await desk.close()
    return rates, twos, twenties


async def _raw(floor: Floor, markets: Sequence[str]) -> float:
    """Return the median rate of ccxt's own create_order, as many at once, without engine and ledger."""
    client: Any = ccxt.async_support.binance(floor.config("raw"))
    try:
        await client.load_markets()
        amount = {one.symbol: _amount(one) for one in floor.markets.markets}
        rates = []
        for _ in range(1 + REPEATS):
            begun = time.perf_counter()
            for _ in range(2 * ROUNDS):
                await asyncio.gather(
                    *(client.create_order(symbol, "market", "buy", amount[symbol]) for symbol in markets)
                )
            rates.append(2 * ROUNDS * len(markets) / (time.perf_counter() - begun))
    finally:
        await client.close()
    return float(np.median(rates[1:]))


def _amount(market: Any) -> float:
    """Return coins for twice the least order."""
    instrument, price = market.instrument, market.bars[-1, 4] * market.instrument.tick
    steps = int(4 * instrument.min_notional / price / instrument.step) + 1
    return float(steps * instrument.step)


async def _recovery(floor: Floor) -> Measurement:
    """Return how long a start takes after an engine went without a word and left 50 orders at the exchange.

    What is left of the dead engine's lease passes first and is not counted: it is a setting.
    """
    seconds, account, bar = [], "recovery", 0
    for _ in range(REPEATS):
        dead = Desk(floor, account, floor.postgres(account), bar)
        await dead.engine.start()
        await dead.enter(floor.symbols)
        await bury(dead.engine)
        await dead.close()
        await asyncio.sleep(1.5 * LEASE_S)
        begun = time.perf_counter()
        heir = Desk(floor, account, floor.postgres(account), dead.bar)
        await heir.engine.start()
        seconds.append(time.perf_counter() - begun)
        orders = [order for symbol in floor.symbols for order in await heir.venue.open_orders(symbol)]
        if len(orders) != RECOVERED or heir.engine.state is not TradingState.ACTIVE:
            raise RuntimeError(f"{len(orders)} orders rest and the state is {heir.engine.state}")
        await heir.leave(floor.symbols)
        await heir.engine.stop()
        await heir.close()
        bar = heir.bar
    note = f"{len(floor.symbols)} markets with both legs of a bracket, after the lease has lapsed"
    return _figure("recovery_50", seconds, "s", note)


def _simulation() -> Measurement:
    """Return seeds per minute of warm workers; a seed that finds something is no figure."""
    jobs = [(seed, STEPS, False) for seed in range(SEEDS)]
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), quiet) as pool:
        list(pool.map(run_one, jobs[: 2 * WORKERS]))

        def rate() -> float:
            begun = time.perf_counter()
            found = list(pool.map(run_one, jobs, chunksize=4))
            seconds = time.perf_counter() - begun
            failed = [one.seed for one in found if one.violations]
            if failed:
                raise RuntimeError(f"the simulation finds something at seeds {failed}")
            return 60 * SEEDS / seconds

        value, spread, repeats = repeat(rate, REPEATS)
    return Measurement("simulation", value, "seeds/min", repeats, spread, WORKERS, {}, f"{SEEDS} seeds x {STEPS} steps")


def _figure(
    name: str, values: Sequence[float], unit: str, note: str, ratios: dict[str, float | None] | None = None
) -> Measurement:
    rest = iter(values)
    value, spread, repeats = repeat(lambda: next(rest), len(values))
    return Measurement(name, value, unit, repeats, spread, 1, ratios or {}, note)
