"""Who misses the monitor: said beforehand exactly as traders and risk judge it."""

import asyncio

import pytest
from sqlalchemy import Engine, text

from huracan.clock import WallClock
from huracan.config import HealthSettings
from huracan.errors import ConfigError
from huracan.health.expected import denies, watches_of
from huracan.memory.heartbeats import beat, read_heartbeats
from huracan.trader.access import Mode
from huracan.trader.pulse import MemoryPulse, Pulse, expected_of
from tests.health.traded import TABLES, write_account


@pytest.mark.parametrize("setting", ["started", "always", "never"])
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.parametrize("age_s", [None, 1.0, 100.0])
def test_it_is_what_a_trader_does(setting: str, mode: Mode, age_s: float | None) -> None:
    """Every setting, mode and age against the trader's own class; live trading that is refused denies everything."""
    health = HealthSettings(monitor_expected=setting)  # type: ignore[arg-type]
    _, denied = denies(health, mode, age_s)
    try:
        pulse = Pulse(MemoryPulse(age_s), WallClock(), expected_of(health, mode), health.monitor_silent_s)
    except ConfigError:
        assert (setting, mode) == ("never", "live")
        assert denied is (age_s != 1.0)
        return
    asyncio.run(pulse.look())
    assert pulse.silent_s is not None
    assert denied is (pulse.silent_s > health.monitor_silent_s)


@pytest.mark.postgres
def test_accounts_of_the_last_week_are_told(database: Engine) -> None:
    """Each by its mode; one that was traded long ago is left out."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}, heartbeats CASCADE"))
    for name, age_s in (("main", 1.0), ("money", 1.0), ("old", 30 * 86_400.0)):
        write_account(database, name, close_age_s=age_s)
    with database.begin() as connection:
        connection.execute(
            text(
                """UPDATE account_views v SET mode = 'live' FROM accounts a
                WHERE v.account_no = a.account_no AND name = 'money'"""
            )
        )
    found = watches_of(database, HealthSettings(), None)
    assert [(one.account, one.mode, one.expected, one.denied) for one in found] == [
        ("main", "paper", False, False),
        ("money", "live", True, True),
    ]
    beat(database, "monitor", "m@home:1", "", 30.0, {})
    found = watches_of(database, HealthSettings(), read_heartbeats(database)[0])
    assert [(one.expected, one.denied) for one in found] == [(True, False), (True, False)]
