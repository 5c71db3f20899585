"""What a silent or missing monitor means to each account that is traded: by its own mode, as its trader judges it."""

from contextlib import closing
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from huracan.config import HealthSettings
from huracan.memory import translated
from huracan.memory.heartbeats import Heartbeat
from huracan.trader.access import Mode

__all__ = ["AccountWatch", "denies", "traded_accounts", "watches_of"]

_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class AccountWatch:
    """An account that is traded.

    Attributes:
        account: its name.
        mode: "paper" or "live".
        expected: its trader asks for a monitor now.
        denied: its trader denies entries now, for want of one.
    """

    account: str
    mode: Mode
    expected: bool
    denied: bool


def denies(health: HealthSettings, mode: Mode, age_s: float | None) -> tuple[bool, bool]:
    """Return (a monitor is expected, entries are denied), as `huracan.trader.pulse` and risk have it.

    Args:
        health: what is set; with real money a monitor is expected whatever is set.
        mode: of the account.
        age_s: since the heartbeat; None: there is none.
    """
    demanded = "always" if mode == "live" else health.monitor_expected
    expected = demanded == "always" or (demanded == "started" and age_s is not None)
    return expected, expected and (age_s is None or age_s > health.monitor_silent_s)


def traded_accounts(engine: Engine) -> tuple[tuple[str, Mode], ...]:
    """Return the accounts of the last week and how they are traded.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, closing(connection.connection.cursor()) as cursor:
        cursor.execute(
            """SELECT name, v.mode FROM accounts JOIN account_views v USING (account_no)
            WHERE v.at > clock_timestamp() - make_interval(days => %s) ORDER BY name""",
            (_DAYS,),
        )
        return tuple((str(name), "live" if mode == "live" else "paper") for name, mode in cursor.fetchall())


def watches_of(engine: Engine, health: HealthSettings, beat: Heartbeat | None) -> tuple[AccountWatch, ...]:
    """Return what the monitor's heartbeat means to each account that is traded.

    Raises:
        DatabaseError: the server fails.
    """
    age_s = None if beat is None else beat.age_s
    return tuple(AccountWatch(name, mode, *denies(health, mode, age_s)) for name, mode in traded_accounts(engine))
