"""Parity on the cluster that `huracan serve up` starts, its parts killed again and again in the middle."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.market import CandleStore
from huracan.memory import EmbeddedServer
from tests.parity.coins import case_of
from tests.parity.live import WAYS_OUT, WITHOUT_END, Case, Live, slot_differences, slots_of
from tests.serve.brought import ACCOUNT, PARTS, Up, brought_up, quick_settings
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

HOURS = 24
ROUNDS = 3
CLOSES_BETWEEN = 120
"""Closes that are decided on between two kills."""
LONG_S = 900.0


def told_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return dotted settings as an environment has them."""
    values = {name: one if isinstance(one, str) else json.dumps(one) for name, one in settings.items()}
    return {f"HURACAN__{name.upper().replace('.', '__')}": value for name, value in values.items()}


@contextmanager
def served(case: Case, home: Path, url: str) -> Iterator[Up]:
    """Run the case's exchange in lock-step, and everything up on it."""
    world, root = Up(home, url, symbols=case.symbols), home / "candles"
    for rows in case.candles.values():
        CandleStore(root).write(rows)
    moment = np.datetime64(case.start_ms, "ms").astype("datetime64[s]")
    world.told = told_of({**case.settings, "data.folder": str(root / "1m")})
    with world.exchange(
        root / "1m", "--lockstep", "--start", f"{moment}", "--account", ACCOUNT,
        "--weight-limit", WITHOUT_END, "--order-limit", "10000000",
    ) as process:  # fmt: skip
        world.exchange_url, world.process = world.url, process
        with world.relayed():
            cluster = quick_settings(root / "1m", world.url)
            del cluster["HURACAN__FEATURES__WINDOWS"]
            symbols = {"HURACAN__DATA__SYMBOLS": json.dumps(case.symbols)}
            world.told |= cluster | symbols | {"HURACAN__SERVE__VERSIONS": json.dumps([case.version])}
            with brought_up(world):
                yield world


def decided(engine: Engine) -> int:
    """Return how many closes were decided on."""
    return Live(engine, ACCOUNT).count(
        "SELECT count(*) FROM decisions JOIN accounts USING (account_no) WHERE name = :account"
    )


def test_every_part_is_killed_in_the_middle_and_the_trades_are_those_of_shadow(
    database: Engine, database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """Feed, replica and execution actor die by SIGKILL three times each; every trade, state and slot is as promised."""
    name = database.url.database
    assert name is not None
    home = tmp_path / "home"
    home.mkdir()
    case = case_of(HOURS, **{"execution.lease_ttl_s": 5.0}).served_as("networks", home / "models", database, 20, 20)
    with served(case, home, database_server.url(name)) as world:
        begun, due = time.monotonic(), 0
        for number in range(ROUNDS):
            for part in PARTS:
                due += CLOSES_BETWEEN
                until(f"{due} decisions", lambda: decided(database) >= due, LONG_S)  # noqa: B023 - asked at once
                print(f"round {number}, after {decided(database)} closes and {time.monotonic() - begun:.0f} s: {part}")
                world.kill(part)
        assert not world.admin("GET", "state")["ended"], "the market ended before the last kill"
        until("the end of the market", lambda: world.admin("GET", "state")["ended"], LONG_S)
        until("the last close", lambda: (world.status(ACCOUNT).market_ms or 0) >= case.end_ms, LONG_S)
        slots, log = slots_of(database, ACCOUNT), world.converge(ACCOUNT, 200)
        print(f"{HOURS} hours in {time.monotonic() - begun:.0f} s, {len(log.fills)} fills")
    live = Live(database, ACCOUNT, slots)
    report = live.report(case.shadow())
    print("\n".join(report.lines(20)), dict(report.reasons))
    assert report.holds, "\n".join(report.lines(20))
    assert report.trades >= 200
    assert all(report.reasons.get(reason.name.lower(), 0) >= 20 for reason in WAYS_OUT), report.reasons
    assert slot_differences(case.left_open(), live.slots) == []
    assert decided(database) == (case.end_ms - case.start_ms) // 60_000
