"""Questions to the memory in Postgres: which trades are meant, what they say, and what is not known of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine

from huracan.errors import DataError, UsageError
from huracan.insights.evidence import CLAIM_RATE
from huracan.insights.library import NO_OUTCOME, find_patterns
from huracan.insights.model import Insights
from huracan.insights.tables import LEVEL, Cutter
from huracan.memory import Mode, StoredProposal, read_trades, usable_proposals
from huracan.memory.patterns import PatternSet, read_patterns, write_patterns
from huracan.memory.remembered import Asked, Remembered, newest_shadow, read_remembered, trades_by_mode
from huracan.shadow import COIN_ACCOUNT, DAY_MS, ENSEMBLE

__all__ = ["Learnt", "ask", "learn_owner", "learn_patterns", "narrowed"]

_BY_WORTH: tuple[Mode, ...] = ("live", "paper", "shadow")


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of one owner's pattern library.

    Attributes:
        run_id, policy, account: the owner.
        found: the library, stored; None: there is none.
        rows_written: rows of the database that are new or changed; 0 when it was there.
        refused: why there is none, else "".
    """

    run_id: int
    policy: str
    account: str
    found: PatternSet | None
    rows_written: int
    refused: str


def ask(engine: Engine, asked: Asked) -> Insights:
    """Return what the closed trades say that a question is about.

    Without a mode the best evidence there is answers: live before paper before shadow. Of shadow, unless named
    otherwise, the judged ensemble's separate accounts in the newest run: seeds, baselines, the portfolio and older runs
    trade the same moments again.

    Raises:
        UsageError: there is no such trade; the message says what there is.
        DatabaseError: the server fails.
    """
    meant = narrowed(engine, asked)
    trades = read_remembered(engine, meant)
    if not len(trades):
        raise UsageError(_nothing(engine, meant))
    cutter = Cutter(trades)
    libraries = _libraries(engine, meant, trades)
    return Insights(
        about=_about(meant, trades),
        mode=str(trades.mode[0]),
        run_ids=tuple(np.unique(trades.run_id).tolist()),
        first_ms=int(trades.entry_ms.min()),
        last_ms=int(trades.entry_ms.max()),
        days=len(np.unique(trades.entry_ms // DAY_MS)),
        level=LEVEL,
        claim_rate=CLAIM_RATE,
        by_mode=tuple(sorted(trades_by_mode(engine, replace(asked, mode=None)).items())),
        total=cutter.total(),
        sections=cutter.sections(),
        setups=cutter.setups(),
        analysed=int(trades.analysed.sum()),
        causes=cutter.findings(won=False),
        factors=cutter.findings(won=True),
        after_exits=cutter.after_exits(),
        libraries=libraries,
        proposals=_proposals(engine, meant, trades),
        gaps=_gaps(trades, libraries),
    )


def narrowed(engine: Engine, asked: Asked) -> Asked:
    """Return a question with its mode, and of shadow its run, policy and account, filled in."""
    mode = asked.mode
    if mode is None:
        there = trades_by_mode(engine, asked)
        mode = next((one for one in _BY_WORTH if there.get(one)), "shadow")
    if mode != "shadow":
        return replace(asked, mode=mode)
    meant = replace(asked, mode=mode, policy=asked.policy or ENSEMBLE, account=asked.account or COIN_ACCOUNT)
    return replace(meant, run_id=newest_shadow(engine, meant) if asked.run_id is None else asked.run_id)


def learn_patterns(engine: Engine, asked: Asked, *, as_of_ms: int | None = None) -> tuple[Learnt, ...]:
    """Find and store the pattern libraries of the trades meant: one a run, policy and account.

    Repeated with the same trades it changes nothing. `symbol` and `since_ms` do not narrow: a library is of all coins
    and days of its owner.

    Args:
        engine: of the database.
        asked: whose trades.
        as_of_ms: only trades known by then, ms UTC; None: all.

    Raises:
        UsageError: there is no such trade.
        DataError: no owner has enough trades that can be compared; the message is the first one's.
        DatabaseError: the server fails.
    """
    meant = narrowed(engine, replace(asked, symbol=None, since_ms=None))
    trades = read_remembered(engine, meant)
    if not len(trades):
        raise UsageError(_nothing(engine, meant))
    owners = sorted(set(zip(trades.run_id.tolist(), trades.policy.tolist(), trades.account.tolist(), strict=True)))
    mode = meant.mode or "shadow"
    done = [learn_owner(engine, run_id, mode, policy, account, as_of_ms=as_of_ms) for run_id, policy, account in owners]
    if not any(one.found for one in done):
        raise DataError(done[0].refused)
    return tuple(done)


def learn_owner(
    engine: Engine, run_id: int, mode: Mode, policy: str, account: str, *, as_of_ms: int | None = None
) -> Learnt:
    """Find and store the pattern library of one owner's trades; too few of them are an answer, not an error.

    Raises:
        UsageError: there is no such trade.
        DatabaseError: the server fails.
    """
    rows = read_trades(engine, run_id, policy=policy, account=account, mode=mode)
    try:
        library = find_patterns(rows, run_id, as_of_ms=as_of_ms)
    except DataError as error:
        return Learnt(run_id, policy, account, None, 0, str(error))
    written = write_patterns(engine, library.found, library.members)
    return Learnt(run_id, policy, account, library.found, written, "")


def _libraries(engine: Engine, meant: Asked, trades: Remembered) -> tuple[PatternSet, ...]:
    found: list[PatternSet] = []
    for run_id in np.unique(trades.run_id).tolist():
        found += read_patterns(engine, run_id, mode=meant.mode, policy=meant.policy, account=meant.account)
    return tuple(found)


def _proposals(engine: Engine, meant: Asked, trades: Remembered) -> tuple[StoredProposal, ...]:
    """Return the validated proposals of whose trades these are; they are of all coins and days of their owner."""
    owners = set(zip(trades.policy.tolist(), trades.account.tolist(), strict=True))
    return tuple(
        proposal
        for run_id in np.unique(trades.run_id).tolist()
        for proposal in usable_proposals(engine, run_id)
        if proposal.mode == meant.mode and (proposal.policy, proposal.account) in owners
    )


def _gaps(trades: Remembered, libraries: tuple[PatternSet, ...]) -> tuple[str, ...]:
    """Return in words what is not known of the trades, and how it can be."""
    found = []
    ended = ~np.isin(trades.exit_reason, NO_OUTCOME)
    runs = " ".join(f"--run-id {run_id}" for run_id in np.unique(trades.run_id).tolist()[:1])
    mode = trades.mode[0]
    if not libraries:
        found.append(f"no pattern library of these trades: run `huracan patterns find {runs} --mode {mode}`")
    elif (count := int(((trades.pattern == 0) & ended).sum())) > 0:
        found.append(
            f"{count} of {len(trades)} trades are in no pattern: they cannot be compared, or closed after the library "
            "was made"
        )
    if (count := int((~trades.analysed & ended).sum())) > 0:
        found.append(
            f"{count} of {len(trades)} trades are not analysed: no causes, nothing after the exit; run "
            f"`huracan analyse {runs} --mode {mode}`"
        )
    if (count := int((~ended).sum())) > 0:
        found.append(
            f"{count} of {len(trades)} trades were cut off by the end of the data or the kill switch: in the totals, "
            "in no setup"
        )
    if (count := int((trades.risk <= 0).sum())) > 0:
        found.append(f"{count} of {len(trades)} trades have no initial risk: no results in R")
    return tuple(found)


def _about(meant: Asked, trades: Remembered) -> str:
    runs = np.unique(trades.run_id).tolist()
    parts = [f"{meant.mode} trades", f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"]
    for name, value in (("version", meant.policy), ("account", meant.account), ("coin", meant.symbol)):
        if value is not None:
            parts.append(f"{name} {value}")
    if meant.since_ms is not None:
        parts.append(f"since {_day(meant.since_ms)}")
    return ", ".join(parts)


def _nothing(engine: Engine, meant: Asked) -> str:
    """Say that there is nothing, what there is, and what to run."""
    words = [f"no closed {meant.mode} trades"]
    for name in ("policy", "account", "symbol", "run_id"):
        value = getattr(meant, name)
        if value is not None:
            words.append(f"{'of' if name == 'policy' else name.replace('_id', '')} {value}")
    if meant.since_ms is not None:
        words.append(f"since {_day(meant.since_ms)}")
    there = trades_by_mode(engine, Asked())
    if not there:
        return f"{' '.join(words)} yet: run `huracan demo`, or `huracan train` and `huracan shadow`"
    counts = ", ".join(f"{count:,} {mode}" for mode, count in sorted(there.items()))
    return f"{' '.join(words)} yet; the memory has {counts} trades: ask with fewer filters, or another --mode"


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d")
