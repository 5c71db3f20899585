"""Parity: what portfolio shadow promised against what the live stack did on the same candles, trade for trade.

Integers are compared exactly, states bit for bit. A position that shadow sold only because its data ended is no trade
of the live stack, which has no such exit; nothing else is left out, and nothing at all is no proof.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine, text

from huracan.memory import TradeRows
from huracan.memory.database import translated
from huracan.shadow.portfolio import Denial
from huracan.trading import ExitReason

__all__ = ["DenialRow", "Difference", "ParityReport", "compare", "denials_of", "stored_denials"]

_END = ExitReason.END_OF_DATA.name.lower()
_EXACT: Final = (
    "side",
    "exit_reason",
    "action",
    "regime",
    "exit_time",
    "steps_in",
    "steps_out",
    "tick_steps_in",
    "tick_steps_out",
    "fee_base_e8",
    "fee_quote_e8",
    "dust_in_e8",
    "dust_out_e8",
    "high_ticks",
    "low_ticks",
)
_CLOSE: Final = (
    "entry_price",
    "exit_price",
    "quantity",
    "price_part",
    "spread_part",
    "slippage_part",
    "fee",
    "net",
    "mfe_frac",
    "mae_frac",
    "confidence",
)
_RELATIVE: Final = 1e-9  # of the larger figure, or of the value bought: the two sides divide in another order


@dataclass(frozen=True, slots=True, order=True)
class DenialRow:
    """One refused entry: close of the decision, ms UTC, market, action, and the code of the rule."""

    close_ms: int
    symbol: str
    action: int
    code: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not the same on both sides.

    Attributes:
        what: name of the figure; `trade` or `denial` when one side has none.
        symbol: market.
        at_ms: open time of the entry's bar, or close of the denied decision, ms UTC.
        shadow, paper: what each side has.
    """

    what: str
    symbol: str
    at_ms: int
    shadow: str
    paper: str


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What was compared and what differs.

    Attributes:
        trades: trades found on both sides.
        reasons: of them, by exit reason.
        denials: refused entries found on both sides, by code.
        differences: in order of time; empty when the two sides agree.
    """

    trades: int
    reasons: Mapping[str, int]
    denials: Mapping[str, int]
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Return whether there was something to compare and all of it is the same."""
        return self.trades > 0 and not self.differences

    def lines(self, most: int = 10) -> tuple[str, ...]:
        """Return for people what was found, at most so many differences."""
        head = f"{self.trades} trades on both sides, {len(self.differences)} differences"
        rows = [
            f"{one.symbol} at {one.at_ms}: {one.what} is {one.shadow} in shadow and {one.paper} on paper"
            for one in self.differences[:most]
        ]
        return (head, *rows)


def compare(
    shadow: TradeRows,
    paper: TradeRows,
    shadow_denials: Sequence[DenialRow] = (),
    paper_denials: Sequence[DenialRow] = (),
) -> ParityReport:
    """Compare trades by market and entry bar, and denials by close and market.

    Args:
        shadow: rows of portfolio shadow.
        paper: rows of the live stack on the paper exchange.
        shadow_denials: entries that shadow refused.
        paper_denials: entries that the live stack refused.
    """
    ours, theirs = _by_entry(shadow), _by_entry(paper)
    both = sorted(ours.keys() & theirs.keys(), key=lambda key: (key[1], key[0]))
    found: list[Difference] = []
    for symbol, entry_ms in sorted(ours.keys() ^ theirs.keys(), key=lambda key: (key[1], key[0])):
        row = ours.get((symbol, entry_ms))
        sides = ("none", _words(paper, theirs[symbol, entry_ms])) if row is None else (_words(shadow, row), "none")
        found.append(Difference("trade", symbol, entry_ms, *sides))
    for key in both:
        found += _trade_differences(shadow, ours[key], paper, theirs[key], key)
    left, right = Counter(shadow_denials), Counter(paper_denials)
    for denial in sorted((left - right).keys() | (right - left).keys()):
        words = [f"{side[denial]} of {denial.code}" if side[denial] else "none" for side in (left, right)]
        found.append(Difference("denial", denial.symbol, denial.close_ms, *words))
    reasons = Counter(str(shadow.exit_reason[ours[key]]) for key in both)
    codes = Counter(denial.code for denial in (left & right).elements())
    return ParityReport(
        len(both), dict(reasons), dict(codes), tuple(sorted(found, key=lambda one: (one.at_ms, one.symbol, one.what)))
    )


def denials_of(denials: Sequence[Denial]) -> tuple[DenialRow, ...]:
    """Return shadow's denials as they are compared."""
    return tuple(DenialRow(row.time_ms, row.symbol, int(row.action), str(row.code)) for row in denials)


def stored_denials(engine: Engine, account: str) -> tuple[DenialRow, ...]:
    """Return the entries that a live account was refused, in order of time and market.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT (extract(epoch FROM i.created_at) * 1000)::bigint, m.symbol, i.action, i.code "
                "FROM intents i JOIN markets m USING (market_no) JOIN accounts a USING (account_no) "
                "WHERE a.name = :account AND i.kind = 'ENTER' AND i.status = 'DENIED'"
            ),
            {"account": account},
        ).all()
    return tuple(sorted(DenialRow(*row) for row in rows))


def _by_entry(rows: TradeRows) -> dict[tuple[str, int], int]:
    """Return the row of each trade that was not ended by the data."""
    return {
        (str(rows.symbol[row]), int(rows.entry_time[row])): row
        for row in range(len(rows))
        if str(rows.exit_reason[row]) != _END
    }


def _words(rows: TradeRows, row: int) -> str:
    return f"{rows.exit_reason[row]} of {rows.steps_in[row]} steps, out at {rows.exit_time[row]}"


def _trade_differences(
    shadow: TradeRows, row: int, paper: TradeRows, other: int, key: tuple[str, int]
) -> list[Difference]:
    found = []

    def differ(what: str, one: Any, two: Any) -> None:
        found.append(Difference(what, *key, str(one), str(two)))

    for name in _EXACT:
        one, two = getattr(shadow, name)[row], getattr(paper, name)[other]
        if one != two:
            differ(name, one, two)
    paid = float(shadow.entry_price[row] * shadow.quantity[row])
    for name in _CLOSE:
        one, two = float(getattr(shadow, name)[row]), float(getattr(paper, name)[other])
        scale = paid if name in ("price_part", "spread_part", "slippage_part", "fee", "net") else 1.0
        if not abs(one - two) <= _RELATIVE * max(abs(one), abs(two), scale):
            differ(name, one, two)
    one_state, two_state = shadow.entry_state[row], paper.entry_state[other]
    if one_state.tobytes() != two_state.tobytes():
        entries = np.flatnonzero(one_state.view(np.int32) != two_state.view(np.int32))
        for entry in entries.tolist():
            differ(f"entry_state[{entry}]", one_state[entry], two_state[entry])
    return found
