"""Analyses of closed trades: written beside their trades in one transaction, and again if need be; tested proposals."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from huracan.errors import UsageError
from huracan.memory.database import translated
from huracan.memory.trades import Mode

__all__ = [
    "HORIZONS",
    "StoredProposal",
    "TradeAnalysis",
    "read_proposals",
    "usable_proposals",
    "write_analyses",
]


@dataclass(frozen=True, slots=True)
class TradeAnalysis:
    """What was found of one closed trade; None: not known.

    Attributes:
        policy, account, symbol, fold, mode, seq: the trade's key within its run.
        won: its net result is above 0; decides between `win_analysis` and `loss_analysis`.
        p_value: share of random entries of its coin, under the same rules, that did as well.
        predicted_r: what the outcome model, which has not seen it, expected, R.
        captured_frac: share of the best excursion that was kept.
        entry_quality, exit_quality: 0 to 1, by hindsight.
        mae_used: worst excursion over the initial risk.
        neighbours, neighbour_wins: past trades like it as of its entry.
        features, contributions: state entries that spoke most for or against it, R each.
        foreseen: of a loss: a cause was known at the entry; of a win: a factor was luck.
        findings_json: causes or factors, strongest first, JSON text: [[name, strength, {figure: [value, threshold]}]].
        hold_bars: longest hold of the rules, which the four horizons are parts of (`HORIZONS`).
        tracked_bars, high_bars, low_bars, missed_bps: see `huracan.analysis.PostExit`.
        move_bps, mfe_bps, mae_bps: at each of the four horizons; see there.
    """

    policy: str
    account: str
    symbol: str
    fold: int
    mode: Mode
    seq: int
    won: bool
    p_value: float | None
    predicted_r: float | None
    captured_frac: float | None
    entry_quality: float | None
    exit_quality: float | None
    mae_used: float | None
    neighbours: int | None
    neighbour_wins: int | None
    features: tuple[int, ...]
    contributions: tuple[float, ...]
    foreseen: bool
    findings_json: str
    hold_bars: int
    tracked_bars: int
    high_bars: int
    low_bars: int
    missed_bps: float | None
    move_bps: tuple[float | None, ...]
    mfe_bps: tuple[float | None, ...]
    mae_bps: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A bracket that was proposed for a policy's trades, and whether anyone may use it.

    Attributes:
        policy, account, mode: whose trades it was found on.
        kind: stop, target or hold.
        status: validated, refused, none or undecided.
        rule: stop_sigmas, target_sigmas and hold_bars.
        evidence_json: figures of the early and the later days, JSON text.
        reason: in words.
    """

    policy: str
    account: str
    mode: Mode
    kind: str
    status: str
    rule: Mapping[str, float]
    evidence_json: str
    reason: str


HORIZONS = ("twelfth", "third", "hold", "double")
"""Parts of the longest hold behind the exit: a twelfth, a third, all of it, twice."""

_KEY = ("policy", "account", "symbol", "fold", "mode", "seq")
_JUDGED = (
    "p_value", "predicted_r", "captured_frac", "entry_quality", "exit_quality", "mae_used", "neighbours",
    "neighbour_wins", "features", "contributions",
)  # fmt: skip
_TRACKED = ("hold_bars", "tracked_bars", "high_bars", "low_bars", "missed_bps")
_MOVES = tuple(f"{what}_{part}_bps" for what in ("move", "mfe", "mae") for part in HORIZONS)
_AFTER = (*_TRACKED, *_MOVES)
_COLUMNS = (*_KEY, "won", *_JUDGED, "foreseen", "findings", *_AFTER)
_INCOMING = f"""CREATE TEMP TABLE analysed (
    policy text, account text, symbol text, fold smallint, mode trade_mode, seq integer, won boolean,
    p_value real, predicted_r real, captured_frac real, entry_quality real, exit_quality real, mae_used real,
    neighbours smallint, neighbour_wins smallint, features smallint[], contributions real[],
    foreseen boolean, findings json, hold_bars integer, tracked_bars integer, high_bars integer, low_bars integer,
    missed_bps real, {", ".join(f"{name} real" for name in _MOVES)}
) ON COMMIT DROP"""
_AS_TEXT = ("factors", "causes")  # the type json knows no equality


def _upsert(table: str, columns: Sequence[str], values: Sequence[str], where: str) -> str:
    """Return the statement that makes a table's rows of the trades analysed equal to what came in."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns)
    old, new = (
        ", ".join(f"{source}.{name}" + ("::text" if name in _AS_TEXT else "") for name in columns)
        for source in ("stored", "excluded")
    )
    return (
        f"INSERT INTO {table} AS stored (trade_id, {', '.join(columns)}) "  # noqa: S608 - constant names
        f"SELECT trade_id, {', '.join(values)} FROM analysed JOIN trade_memory USING ({', '.join(_KEY)}) "
        f"WHERE run_id = %(run_id)s AND {where} ON CONFLICT (trade_id) DO UPDATE SET {changed} "
        f"WHERE ROW ({old}) IS DISTINCT FROM ROW ({new})"
    )


_WINS = _upsert("win_analysis", (*_JUDGED, "lucky", "factors"), (*_JUDGED, "foreseen", "findings"), "won")
_LOSSES = _upsert(
    "loss_analysis",
    (*_JUDGED, "preventable", "causes"),
    (*_JUDGED, "foreseen", "findings"),
    "NOT won",
)
_TRACKS = _upsert("post_exit_tracking", _AFTER, _AFTER, "TRUE")


def write_analyses(
    engine: Engine, run_id: int, analyses: Sequence[TradeAnalysis], proposals: Sequence[StoredProposal] = ()
) -> int:
    """Write analyses and proposals of a run's trades in one transaction; equal rows stay untouched.

    Returns:
        The number of rows that are new or changed: 0 when it is done again.

    Raises:
        UsageError: a trade is not (or no longer) in the database; nothing was written.
        DatabaseError: the server fails; nothing was written.
    """
    with translated(engine), engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(_INCOMING)
        cursor.copy_expert(f"COPY analysed ({', '.join(_COLUMNS)}) FROM STDIN", io.StringIO(_copied(analyses)))
        cursor.execute(
            f"SELECT count(*) FROM analysed JOIN trade_memory USING ({', '.join(_KEY)}) "  # noqa: S608 - constant names
            "WHERE run_id = %s",
            (run_id,),
        )
        ((found,),) = cursor.fetchall()
        if found != len(analyses):
            raise UsageError(
                f"run {run_id}: {len(analyses) - found} of {len(analyses)} analysed trades are not in the database: "
                "they were replaced meanwhile; run `huracan analyse` again"
            )
        cursor.execute("ANALYZE analysed")
        changed = 0
        for statement in (_WINS, _LOSSES, _TRACKS):
            cursor.execute(statement, {"run_id": run_id})
            changed += cursor.rowcount
        for proposal in proposals:
            cursor.execute(_PROPOSE, _proposal_values(run_id, proposal))
            changed += cursor.rowcount
    return changed


def read_proposals(engine: Engine, run_id: int) -> tuple[StoredProposal, ...]:
    """Return every proposal of a run, refused ones included, by policy, account, mode and kind."""
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT policy, account, CAST(mode AS text), kind, status, CAST(rule AS text), CAST(evidence AS text), "
                "reason FROM rule_proposals WHERE run_id = :run_id "
                'ORDER BY policy COLLATE "C", account COLLATE "C", mode, kind'
            ),
            {"run_id": run_id},
        ).all()
    return tuple(
        StoredProposal(policy, account, mode, kind, status, json.loads(rule), evidence, reason)
        for policy, account, mode, kind, status, rule, evidence, reason in rows
    )


def usable_proposals(engine: Engine, run_id: int) -> tuple[StoredProposal, ...]:
    """Return the proposals that held on days they were not found on: the only ones anyone may use."""
    return tuple(proposal for proposal in read_proposals(engine, run_id) if proposal.status == "validated")


_PROPOSE = """INSERT INTO rule_proposals AS stored
    (run_id, mode, policy, account, kind, status, rule, evidence, reason)
    VALUES (%(run_id)s, %(mode)s::trade_mode, %(policy)s, %(account)s, %(kind)s, %(status)s, %(rule)s::jsonb,
        %(evidence)s::jsonb, %(reason)s)
    ON CONFLICT (run_id, policy, account, mode, kind) DO UPDATE SET status = excluded.status, rule = excluded.rule,
        evidence = excluded.evidence, reason = excluded.reason, updated_at = now()
    WHERE ROW (stored.status, stored.rule, stored.evidence, stored.reason)
        IS DISTINCT FROM ROW (excluded.status, excluded.rule, excluded.evidence, excluded.reason)"""


def _proposal_values(run_id: int, proposal: StoredProposal) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "mode": proposal.mode,
        "policy": proposal.policy,
        "account": proposal.account,
        "kind": proposal.kind,
        "status": proposal.status,
        "rule": json.dumps(dict(proposal.rule)),
        "evidence": proposal.evidence_json,
        "reason": proposal.reason,
    }


def _copied(analyses: Sequence[TradeAnalysis]) -> str:
    """Return the rows in Postgres's text form of COPY."""
    lines = []
    for row in analyses:
        values = [getattr(row, name) for name in (*_KEY, "won", *_JUDGED, "foreseen", "findings_json", *_TRACKED)]
        lines.append("\t".join(map(_field, (*values, *row.move_bps, *row.mfe_bps, *row.mae_bps))) + "\n")
    return "".join(lines)


def _field(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, tuple):
        return "{" + ",".join("NULL" if item is None else repr(item) for item in value) + "}"
    if isinstance(value, str):
        for raw, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            value = value.replace(raw, escaped)
        return value
    return repr(value)
