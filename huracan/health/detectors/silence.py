"""Silence: an account that is traded and hears no candle, one whose trader has died, a market that is heard no more."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Engine

from huracan.health.stored import read_only
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
MARKET_BEFORE: Final = 200
MARKET_SHARE: Final = 0.9
"""Of the closes before, the share at which it was there; what was never regular cannot fall silent."""


@dataclass(frozen=True, slots=True)
class _Account:
    number: int
    lease_s: float | None
    released: bool
    holding: int


class Silence:
    """`Detector` of an account's silence: plain limits, in which no chance is involved.

    `feed_silent`: its trader lives, and no close has been heard for two and a half of its usual intervals; the whole
    account, or one market (then named) that ten closes in a row have been without. `trader_silent`: its lease ran out
    and nobody let go of it: the trader died, and nobody has taken over.

    Args:
        engine: of the database.
        account: its name.
    """

    names = frozenset({"feed_silent", "trader_silent"})

    def __init__(self, engine: Engine, account: str) -> None:
        self._engine, self._account = engine, account

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name what is silent.

        Raises:
            DatabaseError: the server fails.
        """
        with read_only(self._engine) as cursor:
            account = _account(cursor, self._account)
            if account is None or account.released or account.lease_s is None:
                return ()
            rows = _closes(cursor, account.number)
        found = []
        if account.lease_s < 0.0:
            found.append(self._died(account, now_ms))
        elif (silent := self._silent(account, [heard for heard, _ in rows], now_ms)) is not None:
            found.append(silent)
        else:
            found += self._markets(rows, now_ms)
        return found

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

    def _silent(self, account: _Account, heard: list[int], now_ms: int) -> Anomaly | None:
        if len(heard) < 3:
            return None  # its rhythm is not known yet
        gaps = [later - earlier for later, earlier in pairwise(heard[:RHYTHM])]
        usual_s = statistics.median(gaps) / 1e3
        limit_s, age_s = CLOSES_MISSED * usual_s + GRACE_S, (now_ms - heard[0]) / 1e3
        if age_s <= limit_s:
            return None
        return Anomaly(
            detector="feed_silent",
            account=self._account,
            subject="",
            severity="critical",
            words=f"no close has been heard for {age_s:,.0f} s; one came every {usual_s:,.0f} s",
            means="nothing is decided: positions are left to their orders at the venue",
            since_ms=heard[0],
            noticed_ms=now_ms,
            observed=age_s,
            claimed=usual_s,
            unit="s",
            delay=f"{limit_s:,.0f} s: {CLOSES_MISSED} intervals and {GRACE_S:.0f} s",
            evidence={"positions": account.holding},
        )

    def _markets(self, rows: list[tuple[int, frozenset[str]]], now_ms: int) -> list[Anomaly]:
        newest, before = rows[:MARKET_CLOSES], rows[MARKET_CLOSES:]
        if len(before) < MARKET_CLOSES:
            return []
        there = frozenset().union(*(symbols for _, symbols in newest))
        found = []
        for symbol in sorted(frozenset().union(*(symbols for _, symbols in before)) - there):
            share = sum(symbol in symbols for _, symbols in before) / len(before)
            last = next(heard for heard, symbols in before if symbol in symbols)
            # closes since it was last there do not speak against its regularity
            regular = [symbol in symbols for heard, symbols in before if heard <= last]
            if sum(regular) < MARKET_SHARE * len(regular) or len(regular) < MARKET_CLOSES:
                continue
            found.append(
                Anomaly(
                    detector="feed_silent",
                    account=self._account,
                    subject=symbol,
                    severity="warning",
                    words=f"{symbol} has been missing at {MARKET_CLOSES} closes or more; it was there at {share:.0%}",
                    means="nothing is decided about it: a position in it is left to its orders at the venue",
                    since_ms=last,
                    noticed_ms=now_ms,
                    delay=f"{MARKET_CLOSES} closes",
                    evidence={"symbol": symbol},
                )
            )
        return found


def _account(cursor: Any, name: str) -> _Account | None:
    cursor.execute(
        """SELECT a.account_no, extract(epoch FROM l.expires_at - clock_timestamp())::float8,
            coalesce(l.released, true), (SELECT count(*) FROM positions p WHERE p.account_no = a.account_no
                AND p.bought - p.sold - p.fee_base > 0.001 * p.bought)
        FROM accounts a LEFT JOIN leases l USING (account_no) WHERE name = %s""",
        (name,),
    )
    row = cursor.fetchone()
    return None if row is None else _Account(*row)


def _closes(cursor: Any, number: int) -> list[tuple[int, frozenset[str]]]:
    """Return (heard, wall clock ms; markets) of the newest closes, the newest first."""
    cursor.execute(
        """SELECT (extract(epoch FROM heard_at) * 1000)::bigint, symbols FROM decisions WHERE account_no = %s
        ORDER BY close_at DESC LIMIT %s""",
        (number, MARKET_CLOSES + MARKET_BEFORE),
    )
    return [(int(heard), frozenset(symbols)) for heard, symbols in cursor.fetchall()]
