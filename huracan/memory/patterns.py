"""The pattern library in Postgres: groups of entries with their results, and exact look-ups of trades by pgvector.

A *set* is the library of one run's policy, account and mode as it was known at a moment. Writing the same set again
changes nothing. Points stand for the newest set of their trades only; older sets keep their groups and figures.
"""

import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector
from sqlalchemy import Connection, Engine, text

from huracan.errors import UsageError
from huracan.memory.database import translated
from huracan.memory.trades import Mode

__all__ = [
    "Members",
    "PatternSet",
    "SimilarTrade",
    "StoredPattern",
    "newest_placed",
    "place_trade",
    "read_embedding",
    "read_patterns",
    "similar_trades",
    "write_patterns",
]

Stage = Literal["good", "bad", "unclear"]
Share = tuple[str, float]


@dataclass(frozen=True, slots=True)
class StoredPattern:
    """One group of entries and what became of them; results in R, the initial risk of a trade.

    Attributes:
        number: from 1, the largest group first.
        stage: good or bad where the results bear it out, else unclear (`huracan.insights.library`).
        nature: what its entries have that others have not, in words.
        trades, wins, days: how many; days of entries, UTC.
        base_rate: share of wins of all trades of the set.
        win_rate, win_low, win_high: shrunk towards the base rate, with its interval.
        mean_r, mean_r_low, mean_r_high: mean net result with its interval over blocks of days; None: too few days.
        rest_r: mean net result of all other trades; None: there is no other.
        p_value, q_value: of the better supported of good and bad, before and after the correction for all groups.
        net, fees, slippage: sums, quote currency; slippage with half spreads; costs are <= 0.
        mfe_r, mae_r: mean excursions.
        hold_ms: median time from the first to the last fill's bar.
        first_ms, last_ms: first and last entry, ms UTC.
        coins: trades by coin, most first.
        exits, regimes: shares of trades by exit reason and by regime at entry, largest first.
        traits: (entry of the state, distance of the group's mean from that of all trades in their standard deviations).
        centroid: float[32], mean of its points.
    """

    number: int
    stage: Stage
    nature: str
    trades: int
    wins: int
    days: int
    base_rate: float
    win_rate: float
    win_low: float
    win_high: float
    mean_r: float
    mean_r_low: float | None
    mean_r_high: float | None
    rest_r: float | None
    p_value: float
    q_value: float
    net: float
    fees: float
    slippage: float
    mfe_r: float
    mae_r: float
    hold_ms: int
    first_ms: int
    last_ms: int
    coins: tuple[tuple[str, int], ...]
    exits: tuple[Share, ...]
    regimes: tuple[Share, ...]
    traits: tuple[Share, ...]
    centroid: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PatternSet:
    """A library as it was known at a moment.

    Attributes:
        run_id, mode, policy, account: whose trades.
        as_of_ms: only trades known by then are in it, ms UTC.
        layout: of the states.
        base_ms: length of a bar.
        hold_ms: longest time a trade was held: the purge of a coin's own trades in look-ups.
        trades: in it.
        left_out: known by then, but not comparable: another layout, no risk, ended by their data or the kill switch.
        seed: of the groups.
        tried: (number of groups, how well they were found again on other days, trades of the smallest).
        patterns: by number.
        set_id: 0 before it is stored.
    """

    run_id: int
    mode: Mode
    policy: str
    account: str
    as_of_ms: int
    layout: int
    base_ms: int
    hold_ms: int
    trades: int
    left_out: int
    seed: int
    tried: tuple[tuple[int, float, int], ...]
    patterns: tuple[StoredPattern, ...]
    set_id: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The trades of a set: keys within the run, when each is known, its group and its point.

    Attributes:
        symbol, fold, seq: key of each trade.
        known_ms: int64[N].
        number: int64[N], of its pattern.
        points: float32[N, 32].
        embedding: the map from states to points, as bytes.
    """

    symbol: NDArray[np.str_]
    fold: NDArray[np.int64]
    seq: NDArray[np.int64]
    known_ms: NDArray[np.int64]
    number: NDArray[np.int64]
    points: NDArray[np.float32]
    embedding: bytes


@dataclass(frozen=True, slots=True)
class SimilarTrade:
    """A stored trade near a point.

    Attributes:
        trade_id, symbol: which one.
        entry_ms, exit_ms: ms UTC.
        net: quote currency.
        result_r: net result in R.
        exit_reason: why it ended.
        pattern: number of its group.
        distance: from the point asked about.
    """

    trade_id: int
    symbol: str
    entry_ms: int
    exit_ms: int
    net: float
    result_r: float
    exit_reason: str
    pattern: int
    distance: float


_OWNER = "run_id = %(run_id)s AND policy = %(policy)s AND account = %(account)s AND mode = %(mode)s::trade_mode"
_FIGURES = (
    "net", "fees", "slippage", "hold_ms", "wins", "days", "base_rate", "win_rate", "win_low", "win_high", "mean_r",
    "mean_r_low", "mean_r_high", "rest_r", "mfe_r", "mae_r", "p_value", "q_value", "number", "stage", "nature",
)  # fmt: skip
_SHARES = ("coins", "exits", "regimes", "traits")
_MOMENTS = {"first_at": "first_ms", "last_at": "last_ms"}


def write_patterns(engine: Engine, found: PatternSet, members: Members) -> int:
    """Store a set and its trades' places, in one transaction, and give the trades' analyses their pattern.

    Returns:
        The number of rows that are new or changed: 0 when it is done again.

    Raises:
        UsageError: a trade is not (or no longer) in the database; nothing was written.
        DatabaseError: the server fails; nothing was written.
    """
    values = {name: getattr(found, name) for name in ("run_id", "policy", "account", "mode")}
    digest = _digest(found, members)
    with translated(engine), engine.begin() as connection:
        cursor = connection.connection.cursor()
        lock = hashlib.sha256(repr(("patterns", *values.values())).encode()).digest()[:8]
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(lock, "big", signed=True),))
        cursor.execute(f"SELECT set_id, digest, as_of FROM pattern_sets WHERE {_OWNER} ORDER BY as_of DESC", values)  # noqa: S608
        stored = [(set_id, said, round(as_of.timestamp() * 1000)) for set_id, said, as_of in cursor.fetchall()]
        newest = not stored or found.as_of_ms >= stored[0][2]
        same = next((one for one in stored if one[2] == found.as_of_ms), None)
        changed = 0
        cursor.execute(_INCOMING)
        cursor.copy_expert("COPY placed FROM STDIN", io.StringIO(_copied(members)))
        cursor.execute("CREATE INDEX ON placed (symbol, fold, seq)")  # whatever is known of trade_memory's size
        cursor.execute("ANALYZE placed")
        ((known,),) = _asked(cursor, _KNOWN.format(owner=_OWNER), values)
        if known != len(members.seq):
            raise UsageError(
                f"run {found.run_id}: {len(members.seq) - known} of {len(members.seq)} trades are not in the database: "
                "they were replaced meanwhile; ask again"
            )
        if same is not None and same[1] != digest:
            cursor.execute("DELETE FROM pattern_sets WHERE set_id = %s", (same[0],))
            same = None
        if same is None:
            changed += _insert(cursor, found, members.embedding, digest)
        if newest:
            owner = {**values, "as_of": _moment(found.as_of_ms)}
            cursor.execute(_POINTS.format(owner=_OWNER), owner)
            changed += cursor.rowcount
            for table in ("win_analysis", "loss_analysis"):
                cursor.execute(_ASSIGN.format(table=table, owner=_OWNER), values)
                changed += cursor.rowcount
    return changed


_INCOMING = """CREATE TEMP TABLE placed (
    symbol text, fold smallint, seq integer, known_at timestamptz, number smallint, point vector(32)
) ON COMMIT DROP"""
_KNOWN = "SELECT count(*) FROM placed JOIN trade_memory USING (symbol, fold, seq) WHERE {owner}"
_POINTS = """INSERT INTO trade_points AS stored (trade_id, known_at, set_id, pattern_id, point)
    SELECT trade_id, known_at, set_id, pattern_id, point
    FROM placed
    JOIN (SELECT * FROM trade_memory WHERE {owner}) AS mine USING (symbol, fold, seq)
    JOIN (SELECT set_id FROM pattern_sets WHERE {owner} AND as_of = %(as_of)s) AS found ON TRUE
    JOIN pattern_library USING (set_id, number)
    ON CONFLICT (trade_id) DO UPDATE SET known_at = excluded.known_at, set_id = excluded.set_id,
        pattern_id = excluded.pattern_id, point = excluded.point
    WHERE ROW (stored.known_at, stored.set_id, stored.pattern_id, stored.point)
        IS DISTINCT FROM ROW (excluded.known_at, excluded.set_id, excluded.pattern_id, excluded.point)"""
_ASSIGN = """UPDATE {table} AS said SET pattern_id = trade_points.pattern_id
    FROM trade_points JOIN trade_memory USING (trade_id)
    WHERE said.trade_id = trade_points.trade_id AND {owner}
        AND said.pattern_id IS DISTINCT FROM trade_points.pattern_id"""


def read_patterns(
    engine: Engine, run_id: int, *, mode: Mode | None = None, policy: str | None = None, account: str | None = None
) -> tuple[PatternSet, ...]:
    """Return the newest set of each policy, account and mode of a run that has one; None selects all.

    Raises:
        DatabaseError: the server fails.
    """
    wanted = {"mode": mode, "policy": policy, "account": account}
    where = "".join(f" AND CAST({name} AS text) = :{name}" for name, value in wanted.items() if value is not None)
    with translated(engine), engine.connect() as connection:
        sets = connection.execute(
            text(
                "SELECT DISTINCT ON (policy, account, mode) set_id, run_id, CAST(mode AS text) AS mode, policy, "  # noqa: S608
                "account, as_of, layout, base_ms, hold_ms, trades, left_out, seed, tried FROM pattern_sets "
                f"WHERE run_id = :run_id{where} ORDER BY policy, account, mode, as_of DESC"
            ),
            {"run_id": run_id, **{name: value for name, value in wanted.items() if value is not None}},
        ).mappings()
        return tuple(_set(connection, dict(row)) for row in sets.all())


def read_embedding(engine: Engine, found: PatternSet) -> bytes:
    """Return a stored set's map from states to points (`huracan.patterns.clusters.embedding_of_bytes`).

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        data = connection.execute(
            text("SELECT embedding FROM pattern_sets WHERE set_id = :set_id"), {"set_id": found.set_id}
        ).scalar_one()
    return bytes(data)


def similar_trades(
    engine: Engine, found: PatternSet, point: NDArray[np.float32], close_ms: int, symbol: str, count: int = 32
) -> tuple[SimilarTrade, ...]:
    """Return the stored trades nearest to a point as of a close: an exact scan, by the memory's own rules.

    A trade counts when it is known at the close; of the same coin it must also have ended more than the longest hold
    before, and on an earlier UTC day than the close's bar. Of equally near ones the earlier known one comes first.

    Args:
        engine: of the database.
        found: a stored set; its embedding made the point.
        point: float32[32].
        close_ms: of the moment, ms UTC.
        symbol: of the moment.
        count: how many at most.

    Raises:
        DatabaseError: the server fails.
    """
    values = {
        "set_id": found.set_id,
        "point": Vector(point).to_text(),
        "close": _moment(close_ms),
        "symbol": symbol,
        "ended": _moment(close_ms - found.hold_ms - found.base_ms),
        "today": _moment((close_ms - 1) // 86_400_000 * 86_400_000),
        "count": count,
    }
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(text(_NEAREST), values).all()
    return tuple(
        SimilarTrade(trade_id, name, _ms(entry), _ms(leave), net, result, reason, number, distance)
        for trade_id, name, entry, leave, net, result, reason, number, distance in rows
    )


_NEAREST = """SELECT trade_id, symbol, entry_time, exit_time, trade_memory.net,
        trade_memory.net / (entry_price * quantity * risk_frac), CAST(exit_reason AS text), number,
        point <-> CAST(:point AS vector) AS distance
    FROM trade_points JOIN trade_memory USING (trade_id) JOIN pattern_library USING (pattern_id)
    WHERE trade_points.set_id = :set_id AND known_at <= :close
        AND (symbol <> :symbol OR (exit_time <= :ended AND exit_time < :today))
    ORDER BY distance, known_at, symbol COLLATE "C", entry_time LIMIT :count"""


def newest_placed(engine: Engine) -> int:
    """Return the trade of a pattern library that was entered last.

    Raises:
        UsageError: there is no library.
        DatabaseError: the server fails.
    """
    statement = (
        "SELECT trade_id FROM trade_points JOIN trade_memory USING (trade_id) ORDER BY entry_time DESC, trade_id DESC"
    )
    with translated(engine), engine.connect() as connection:
        found = connection.execute(text(f"{statement} LIMIT 1")).scalar()
    if found is None:
        raise UsageError("there is no pattern library yet: run `huracan patterns find`")
    return int(found)


def place_trade(engine: Engine, trade_id: int) -> tuple[PatternSet, NDArray[np.float32], int, str]:
    """Return a stored trade's set, point, the open of its first fill's bar (ms UTC) and its symbol.

    Raises:
        UsageError: there is no such trade, or no library that it is part of.
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT run_id, CAST(mode AS text), policy, account, symbol, entry_time, CAST(point AS text) "
                "FROM trade_memory LEFT JOIN trade_points USING (trade_id) WHERE trade_id = :trade_id"
            ),
            {"trade_id": trade_id},
        ).one_or_none()
    if row is None:
        raise UsageError(f"there is no closed trade {trade_id}; `huracan patterns like` without a number shows some")
    run_id, mode, policy, account, symbol, entry, point = row
    if point is None:
        raise UsageError(
            f"trade {trade_id} (run {run_id}, {policy}, {account}, {mode}) is in no pattern library: it cannot be "
            f"compared, or none was made since; run `huracan patterns find --run-id {run_id}`"
        )
    (found,) = read_patterns(engine, run_id, mode=mode, policy=policy, account=account)
    return found, np.array(Vector.from_text(point).to_list(), np.float32), _ms(entry), symbol


def _set(connection: Connection, row: dict[str, Any]) -> PatternSet:
    patterns = connection.execute(
        text(
            f"SELECT {', '.join(_FIGURES)}, occurrences AS trades, first_at, last_at, {', '.join(_SHARES)}, "  # noqa: S608
            "CAST(centroid AS text) AS centroid FROM pattern_library WHERE set_id = :set_id ORDER BY number"
        ),
        {"set_id": row["set_id"]},
    ).mappings()
    as_of, tried = row.pop("as_of"), row.pop("tried")
    return PatternSet(
        **row,
        as_of_ms=_ms(as_of),
        tried=tuple(tuple(one) for one in tried),
        patterns=tuple(_pattern(dict(one)) for one in patterns.all()),
    )


def _pattern(row: dict[str, Any]) -> StoredPattern:
    centroid = tuple(Vector.from_text(row.pop("centroid")).to_list())
    moments: dict[str, Any] = {name: _ms(row.pop(column)) for column, name in _MOMENTS.items()}
    shares: dict[str, Any] = {name: tuple(tuple(one) for one in row.pop(name)) for name in _SHARES}
    return StoredPattern(**row, **moments, **shares, centroid=centroid)


def _insert(cursor: Any, found: PatternSet, embedding: bytes, digest: str) -> int:
    columns = {
        **{
            name: getattr(found, name)
            for name in (
                "run_id", "mode", "policy", "account", "layout", "base_ms", "hold_ms", "trades", "left_out", "seed",
            )
        },
        "as_of": _moment(found.as_of_ms),
        "digest": digest,
        "tried": json.dumps(found.tried),
        "embedding": embedding,
    }  # fmt: skip
    set_id = _insert_row(cursor, "pattern_sets", columns, "set_id")
    for one in found.patterns:
        figures = {name: getattr(one, name) for name in _FIGURES}
        shares = {name: json.dumps(getattr(one, name)) for name in _SHARES}
        moments = {column: _moment(getattr(one, name)) for column, name in _MOMENTS.items()}
        own = {"set_id": set_id, "occurrences": one.trades, "centroid": Vector(list(one.centroid)).to_text()}
        _insert_row(cursor, "pattern_library", {**own, **figures, **shares, **moments}, "pattern_id")
    return 1 + len(found.patterns)


def _insert_row(cursor: Any, table: str, columns: dict[str, Any], key: str) -> int:
    names = ", ".join(columns)
    places = ", ".join(f"%({name})s" for name in columns)
    ((number,),) = _asked(cursor, f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {key}", columns)  # noqa: S608
    return int(number)


def _asked(cursor: Any, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor.execute(statement, values)
    return list(cursor.fetchall())


def _copied(members: Members) -> str:
    columns = (members.symbol, members.fold, members.seq, members.known_ms, members.number)
    lines = [
        f"{symbol}\t{fold}\t{seq}\t{_moment(known).isoformat()}\t{number}\t{Vector(point).to_text()}\n"
        for (symbol, fold, seq, known, number), point in zip(
            zip(*(column.tolist() for column in columns), strict=True), members.points, strict=True
        )
    ]
    return "".join(lines)


def _digest(found: PatternSet, members: Members) -> str:
    """Return what tells two sets of one moment apart: everything but the number that storing gives."""
    whole = hashlib.sha256(repr(asdict(replace(found, set_id=0))).encode())
    for column in (members.fold, members.seq, members.known_ms, members.number, members.points):
        whole.update(np.ascontiguousarray(column).tobytes())
    whole.update("\n".join(members.symbol.tolist()).encode() + members.embedding)
    return whole.hexdigest()


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
