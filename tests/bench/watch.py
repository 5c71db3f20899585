"""What watching costs: the monitor's own memory, cores and turns, and the way of an order with it and without it.

The monitor is a process of its own, as `huracan monitor run` is, on the same database and the same cores as the engine.
Orders are sent in blocks, without it and with it in turn, so that what else goes on meets both alike.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from sqlalchemy import Engine, text

from huracan.memory.health_rows import read_samples
from huracan.memory.heartbeats import read_heartbeats
from tests.bench.exchange import Desk, Floor, open_floor
from tests.bench.harness import Measurement, repeat

BLOCKS, ROUNDS = 4, 50
_QUIET_S: Final = 12.0
"""Some turns of the monitor: what it does at its start is not what it does all day."""
_START_S: Final = 240.0


def measure() -> list[Measurement]:
    """Measure both in one run."""
    with open_floor() as floor:
        return asyncio.run(_measure(floor))


async def _measure(floor: Floor) -> list[Measurement]:
    plain: list[list[float]] = []
    watched: list[list[float]] = []
    used: list[tuple[float, float, float]] = []
    desk = Desk(floor, "postgres", floor.postgres("postgres"))
    try:
        await desk.engine.start()
        await desk.round(floor.symbols[:2])
        _seen(floor.database, "postgres")
        for _ in range(BLOCKS):
            plain.append(await _block(desk, floor))
            with _monitor(floor) as process:
                await asyncio.sleep(_QUIET_S)
                before_s, begun_s = _cpu_s(process), time.monotonic()
                watched.append(await _block(desk, floor))
                cores = (_cpu_s(process) - before_s) / (time.monotonic() - begun_s)
                memory = process.memory_full_info()
                used.append((cores, memory.rss / 1e6, memory.uss / 1e6))
        turns = [1e3 * row.value for row in read_samples(floor.database, "monitor.turn_s")]
        await desk.engine.stop()
    finally:
        await desk.close()
    found = []
    for percent in (50, 99):
        without, with_it = ([1e3 * float(np.percentile(block, percent)) for block in side] for side in (plain, watched))
        ratio = {"without-monitor": float(np.median(without)) / float(np.median(with_it))}
        note = f"{len(plain[0])} entries a block, two a close; without it {np.median(without):.1f} ms"
        found.append(_figure(f"watched_sent_2_p{percent}", with_it, "ms", note, ratio))
    cores, resident, own = zip(*used, strict=True)
    found.append(_figure("monitor_cores", list(cores), "cores", "a turn every 5 s"))
    note = f"of it {np.median(own):.0f} MB its own, the rest are libraries that other processes have mapped as well"
    found.append(_figure("monitor_memory", list(resident), "MB", note))
    found.append(_figure("monitor_turn", turns, "ms", f"{len(turns)} turns, the first of a start among them"))
    return found


async def _block(desk: Desk, floor: Floor) -> list[float]:
    return [wait for _ in range(ROUNDS) for wait in (await desk.round(floor.symbols[:2])).waits_s]


def _seen(engine: Engine, account: str) -> None:
    """Let the monitor take the account for one that trades, as a trader's view of it would."""
    with engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO account_views (at, market_at, reconciled_at, day_start, day_value, peak, day, account_no,
                    breached, reached, mode, report)
                SELECT clock_timestamp(), clock_timestamp(), clock_timestamp(), 1, 1, 1, 1, account_no, false, false,
                    'paper', '{}' FROM accounts WHERE name = :name"""
            ),
            {"name": account},
        )


@contextmanager
def _monitor(floor: Floor) -> Iterator[psutil.Process]:
    """Run a monitor that has turned; ended at the end of the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HURACAN")}
    url = floor.database.url.render_as_string(hide_password=False)
    own = {"HURACAN_HOME": str(floor.home), "HURACAN__DATABASE__URL": url, "HURACAN__EXECUTION__ACCOUNT": "postgres"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("huracan"), "monitor", "run", "--json"],
        env=kept | own, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        end_s = time.monotonic() + _START_S
        while not any(row.holder.endswith(f":{process.pid}") for row in read_heartbeats(floor.database)):
            if time.monotonic() > end_s:
                raise RuntimeError("the monitor does not watch")
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(_START_S)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _figure(
    name: str, values: list[float], unit: str, note: str, ratios: dict[str, float | None] | None = None
) -> Measurement:
    rows = iter(values)
    value, spread, repeats = repeat(lambda: next(rows), len(values))
    return Measurement(name, value, unit, repeats, spread, 2, ratios or {}, note)
