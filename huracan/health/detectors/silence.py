"""Silence: an account that hears no candle or decides on none, one whose trader has died, a market heard no more."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Engine

from huracan.health.reading import read_only
from huracan.memory.health import Anomaly

__all__ = ["Silence"]

CLOSES_MISSED: Final = 2.5
"""A close comes once in an interval and may be late by half of one; two that are missing altogether are no lateness."""
GRACE_S: Final = 10.0
"""What a decision and a slow disk may take on top of it."""
RHYTHM: Final = 20
"""Closes that the interval is taken from."""
MARKET_CLOSES: Final = 10
"""Closes in a row at which a market is missing. Thin markets miss a bar in ten at most (docs of the data): ten in a row
by chance is one in ten thousand million closes."""
MARKET_SHARE: Final = 0.9
"""Of the closes before, the share at which it was there; what was never regular cannot fall silent."""


@dataclass(frozen=True, slots=True)
class _Account:
    """As its rows have it.

    Attributes:
        number: of the account.
        lease_s: for how long its lease lasts; None: there is none.
        released: its trader has let go of it.
        epoch: of the lease.
        heard_ms: when its present trader last carried out a close, None before the first.
        began_ms: when that one started.
        market_ms: that close, market clock.
        closes: how many it has heard.
        heard: by market its last close, ms UTC, at how many closes it was there, and how many there had been by then.
        markets: that it follows.
        holding: positions.
    """

    number: int
    lease_s: float | None
    released: bool
    epoch: int | None
    heard_ms: int | None
    began_ms: int | None
    market_ms: int | None
    closes: int | None
    heard: Mapping[str, Sequence[int]] | None
    markets: Sequence[str]
    holding: int


class Silence:
    """`Detector` of an account's silence: plain limits, in which no chance is involved.

    `feed_silent`: its trader lives, and has heard no close for two and a half of the usual intervals since its last or
    since it started; or one market (then named) that ten closes in a row have been without, whether or not anything was
    decided at them. `decisions_missing`: it
    hears closes and has decided on none for as long: the endpoint is away or late, nothing can be written down, closes
    come late, or no version is there. `trader_silent`: its lease ran out and nobody let go of it: the trader died, and
    nobody has taken over.

    A close is heard when the trader writes its view down, which it does whether or not anything is decided. A view
    that was written under an earlier lease says nothing about the present one: the time before the first view of a
    lease counts from when that lease was first seen here.

    Args:
        engine: of the database.
        account: its name.
    """

    names = frozenset({"decisions_missing", "feed_silent", "trader_silent"})

    def __init__(self, engine: Engine, account: str) -> None:
        self._engine, self._account = engine, account
        self._seen: tuple[int, int] | None = None  # newest lease: its epoch, and when it was first seen, wall clock ms

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name what is silent.

        Raises:
            DatabaseError: the server fails.
        """
        with read_only(self._engine) as cursor:
            account = _account(cursor, self._account)
            if account is None or account.released or account.lease_s is None:
                return ()
            decided = _decided(cursor, account.number)
        if account.lease_s < 0.0:
            return (self._died(account, now_ms),)
        silent = self._silent(account, decided, now_ms)
        missing = self._missing(account, decided, now_ms)
        found = [one for one in (silent, missing) if one is not None]
        return found if silent is not None else [*found, *self._markets(account, now_ms)]

    def _died(self, account: _Account, now_ms: int) -> Anomaly:
        assert account.lease_s is not None
        since_ms = round(now_ms + 1e3 * account.lease_s)
        return Anomaly(
            detector="trader_silent",
            account=self._account,
            subject="",
            severity="critical" if account.holding else "warning",
            words=f"the trader's lease ran out {-account.lease_s:,.0f} s ago and nobody holds it",
            means="the trader died: nobody decides, and exits that are not at the venue are not made",
            since_ms=since_ms,
            noticed_ms=now_ms,
            observed=-account.lease_s,
            claimed=0.0,
            unit="s",
            delay="a lease's length and one look",
            evidence={"positions": account.holding},
        )

    def _silent(self, account: _Account, decided: list[int], now_ms: int) -> Anomaly | None:
        usual_s = _usual_s(decided)
        since_ms = self._first_seen_ms(account, now_ms) if account.heard_ms is None else account.heard_ms
        limit_s, age_s = CLOSES_MISSED * usual_s + GRACE_S, (now_ms - since_ms) / 1e3
        if age_s <= limit_s:
            return None
        return Anomaly(
            detector="feed_silent",
            account=self._account,
            subject="",
            severity="critical",
            words=f"no close has been heard for {age_s:,.0f} s; one came every {usual_s:,.0f} s",
            means="nothing is decided: positions are left to their orders at the venue",
            since_ms=since_ms,
            noticed_ms=now_ms,
            observed=age_s,
            claimed=usual_s,
            unit="s",
            delay=f"{limit_s:,.0f} s: {CLOSES_MISSED} intervals and {GRACE_S:.0f} s",
            evidence={"positions": account.holding},
        )

    def _missing(self, account: _Account, decided: list[int], now_ms: int) -> Anomaly | None:
        if account.heard_ms is None or account.began_ms is None or not decided:
            return None
        usual_s = _usual_s(decided)
        since_ms = max(decided[0], account.began_ms)
        limit_s, age_s = CLOSES_MISSED * usual_s + GRACE_S, (account.heard_ms - since_ms) / 1e3
        if age_s <= limit_s:
            return None
        return Anomaly(
            detector="decisions_missing",
            account=self._account,
            subject="",
            severity="warning",
            words=f"closes were heard for {age_s:,.0f} s and none was decided on; one came every {usual_s:,.0f} s",
            means="the endpoint is away or late, nothing can be written down, closes come late, or no version is there",
            since_ms=since_ms,
            noticed_ms=now_ms,
            observed=age_s,
            claimed=usual_s,
            unit="s",
            delay=f"{limit_s + usual_s:,.0f} s: the first close after {CLOSES_MISSED} intervals and {GRACE_S:.0f} s",
            evidence={"positions": account.holding},
        )

    def _first_seen_ms(self, account: _Account, now_ms: int) -> int:
        """Return when the present lease was first seen: its start, for a monitor that looks every few seconds."""
        assert account.epoch is not None
        if self._seen is None or self._seen[0] != account.epoch:
            self._seen = account.epoch, now_ms
        return self._seen[1]

    def _markets(self, account: _Account, now_ms: int) -> list[Anomaly]:
        if account.heard is None or account.closes is None or account.heard_ms is None or account.market_ms is None:
            return []
        found = []
        for symbol in sorted(account.markets):
            close_ms, times, closes = account.heard.get(symbol, (None, 0, 0))
            missed = account.closes - closes
            if missed < MARKET_CLOSES:
                continue
            if closes and (closes < MARKET_CLOSES or times < MARKET_SHARE * closes):
                continue  # it was never regular; what was never there at all should be: history is asked of each market
            since_ms = account.began_ms if close_ms is None else account.heard_ms - (account.market_ms - close_ms)
            before = f"it was there at {times / closes:.0%} before" if closes else "it was never there since the start"
            found.append(
                Anomaly(
                    detector="feed_silent",
                    account=self._account,
                    subject=symbol,
                    severity="warning",
                    words=f"{symbol} has been missing at {missed} closes; {before}",
                    means="nothing is decided about it: a position in it is left to its orders at the venue",
                    since_ms=since_ms,
                    noticed_ms=now_ms,
                    delay=f"{MARKET_CLOSES} closes",
                    evidence={"symbol": symbol},
                )
            )
        return found


def _usual_s(decided: list[int]) -> float:
    """Return the usual seconds between two closes; infinite as long as the rhythm is not known."""
    if len(decided) < 3:
        return math.inf
    return statistics.median(later - earlier for later, earlier in pairwise(decided[:RHYTHM])) / 1e3


def _account(cursor: Any, name: str) -> _Account | None:
    cursor.execute(
        """SELECT a.account_no, extract(epoch FROM l.expires_at - clock_timestamp())::float8,
            coalesce(l.released, true), l.epoch,
            (extract(epoch FROM v.at) * 1000)::bigint, (extract(epoch FROM v.reconciled_at) * 1000)::bigint,
            (extract(epoch FROM v.market_at) * 1000)::bigint, (v.report ->> 'closes')::int, v.report -> 'heard',
            ARRAY(SELECT jsonb_object_keys(v.report -> 'steps')),
            (SELECT count(*) FROM positions p WHERE p.account_no = a.account_no
                AND p.bought - p.sold - p.fee_base > 0.001 * p.bought)
        FROM accounts a LEFT JOIN leases l USING (account_no)
            LEFT JOIN account_views v ON v.account_no = a.account_no AND (v.report ->> 'epoch')::bigint = l.epoch
        WHERE name = %s""",
        (name,),
    )
    row = cursor.fetchone()
    return None if row is None else _Account(*row)


def _decided(cursor: Any, number: int) -> list[int]:
    """Return when the candles of the newest decisions were heard, wall clock ms, the newest first."""
    cursor.execute(
        """SELECT (extract(epoch FROM heard_at) * 1000)::bigint FROM decisions WHERE account_no = %s
        ORDER BY close_at DESC LIMIT %s""",
        (number, RHYTHM),
    )
    return [int(heard) for (heard,) in cursor.fetchall()]
