"""No monitor, no new risk: the heartbeat as the trader sees it, and what its silence denies."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.config import HealthSettings
from huracan.errors import ConfigError, DatabaseError
from huracan.memory import lazy_engine
from huracan.memory.heartbeats import beat, forget_heartbeat
from huracan.risk.live import DenialCode
from huracan.trader.pulse import MemoryPulse, Pulse, StoredPulse, expected_of
from tests.trader.inside import inside, really
from tests.trader.processes import ROUND_TRIPS

T = 1_760_000_040_000


class Still:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = T

    def now_ms(self) -> int:
        """See `Clock`."""
        return self.ms


class Away(MemoryPulse):
    """A heartbeat whose database may be away."""

    away = False

    async def age_s(self) -> float | None:
        """See `PulseSource`."""
        if self.away:
            raise DatabaseError("away")
        return self.age


def silence(expected: str, age: float | None, later_s: float = 0.0) -> float | None:
    """Return the silence after one look at a heartbeat of an age, some time later."""
    clock = Still()
    pulse = Pulse(MemoryPulse(age), clock, expected, 30.0)  # type: ignore[arg-type]
    asyncio.run(pulse.look())
    clock.ms += round(1e3 * later_s)
    return pulse.silent_s


def test_a_monitor_is_expected_once_it_was_started() -> None:
    """Before that, and after it ended as it should, nobody is missed."""
    assert silence("started", None) == 0.0
    assert silence("started", 7.0) == 7.0
    assert silence("started", 7.0, later_s=100.0) == 107.0, "nobody has asked since"


def test_a_setting_demands_one_always_or_never() -> None:
    """Always: where there never was one it has been silent for ever."""
    assert silence("always", 7.0) == 7.0
    assert silence("always", None) == T / 1e3
    assert silence("never", 1_000.0) == 0.0


def test_with_real_money_a_monitor_is_always_expected() -> None:
    """Also after it ended as it should; whoever wants none may trade on paper alone."""
    for said in ("started", "always"):
        assert expected_of(HealthSettings(monitor_expected=said), "live") == "always"
    assert silence(expected_of(HealthSettings(), "live"), None) == T / 1e3
    with pytest.raises(ConfigError, match="needs the monitor"):
        expected_of(HealthSettings(monitor_expected="never"), "live")
    for said in ("started", "always", "never"):
        assert expected_of(HealthSettings(monitor_expected=said), "paper") == said


def test_before_anybody_was_asked_nothing_is_known() -> None:
    """Risk fails closed on that."""
    assert Pulse(MemoryPulse(), Still(), "started", 30.0).silent_s is None


def test_while_the_database_is_away_the_silence_grows() -> None:
    """Whoever cannot be asked is not known to live; back again, its word counts."""
    clock, source = Still(), Away(1.0)
    pulse = Pulse(source, clock, "started", 30.0)
    asyncio.run(pulse.look())
    source.away = True
    clock.ms += 60_000
    with pytest.raises(DatabaseError):
        asyncio.run(pulse.look())
    assert pulse.silent_s == 61.0
    source.away = False
    asyncio.run(pulse.look())
    assert pulse.silent_s == 1.0


@pytest.mark.postgres
def test_the_heartbeat_in_postgres(database: Engine) -> None:
    """Its age by the database's clock; none before the first and after an end as it should be."""

    async def read(engine: Engine = database) -> float | None:
        source = StoredPulse(engine, 5.0)
        try:
            return await source.age_s()
        finally:
            await source.close()

    assert asyncio.run(read()) is None
    beat(database, "monitor", "anna@here:1", "", 30.0, {})
    with database.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '12 seconds'"))
    age_s = asyncio.run(read())
    assert age_s is not None
    assert 12.0 <= age_s < 15.0
    forget_heartbeat(database, "monitor")
    assert asyncio.run(read()) is None
    with pytest.raises(DatabaseError):
        asyncio.run(read(lazy_engine("postgresql://nobody@127.0.0.1:1/huracan", 1)))


def test_entries_are_denied_while_nobody_watches_and_exits_go_on(tmp_path: Path) -> None:
    """A round trip; the monitor falls silent with coins held: they are sold, nothing is bought until it beats again."""

    async def steps() -> None:
        pulses = MemoryPulse(1.0)
        async with inside(tmp_path) as world, world.trading(ROUND_TRIPS, pulses=pulses):

            def intents(kind: str, status: str) -> list[str]:
                rows = world.database.tables("main").book.intents.values()
                return [row.code for row in rows if (str(row.kind), str(row.status)) == (kind, status)]

            def trades(buys: bool) -> int:
                return sum(
                    row["isBuyer"] is buys for row in world.exchange.trades("main") if row["symbol"] == "BTCUSDT"
                )

            await world.until("coins", lambda: trades(True) > trades(False))
            pulses.age = 31.0
            await world.until("a sale", lambda: trades(False) >= 1)
            await world.until("denials", lambda: len(intents("ENTER", "DENIED")) >= 3)
            assert set(intents("ENTER", "DENIED")) == {str(DenialCode.NO_MONITOR)}
            assert not intents("EXIT", "DENIED")
            bought = trades(True)
            pulses.age = 2.0
            await world.until("another entry", lambda: trades(True) > bought)

    really(steps)
