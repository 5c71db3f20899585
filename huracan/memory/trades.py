"""The trade memory: closed trades as columns, written in bulk by COPY and read back bit for bit.

A *block* is all trades of one (run, policy, account, symbol, fold, mode); `seq` numbers them from 0. Writing a block
again makes the table hold exactly the new block: rows that are equal stay (with their analyses), others are replaced.
"""

import hashlib
import io
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from huracan.errors import InvariantError
from huracan.memory.database import translated

__all__ = [
    "COIN_ACCOUNT",
    "ENSEMBLE",
    "ENTRY_STATE_SIZE",
    "PORTFOLIO_ACCOUNT",
    "REGIMES",
    "STORED",
    "Block",
    "TradeRows",
    "append_trades",
    "count_closed_trades",
    "encode_trades",
    "join_trades",
    "read_trades",
    "regime_name",
    "select_trades",
    "write_trades",
]

ENTRY_STATE_SIZE = 80
ENSEMBLE = "ensemble"
"""In shadow the policy of the judged version's own rows, beside its seeds and the baselines."""
COIN_ACCOUNT = "coin"
"""Account of trades in shadow that each coin made with money of its own."""
PORTFOLIO_ACCOUNT = "portfolio"
REGIMES = ("calm, down", "calm, sideways", "calm, up", "wild, down", "wild, sideways", "wild, up")
"""What the numbers of `TradeRows.regime` mean, from 0; `huracan.shadow.trades.regime_of` makes them."""
EPOCH_2000_MS = 946_684_800_000  # Postgres counts time from here

Mode = Literal["shadow", "paper", "live"]
Strings = NDArray[np.str_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TradeRows:
    """N closed trades of one run as columns of length N, in any order.

    Args:
        policy: version or baseline that decided.
        account: the account traded in, e.g. "coin" or "portfolio" for the two kinds of shadow.
        symbol: ccxt symbol.
        mode: "shadow", "paper" or "live".
        side: "long" or "short".
        exit_reason: take_profit, stop_loss, time_limit, policy_exit, risk_exit, kill_switch or end_of_data.
        fold: walk-forward fold, from 0.
        seq: number of the trade within its block, from 0.
        action: the entry's action, 1 to 3.
        regime: market regime at entry, as the state has it; -1 when unknown.
        entry_time, exit_time: open time of the bars of the first and last fill, ms UTC.
        entry_price, exit_price: mean fill prices, quote currency.
        quantity: base currency bought.
        price_part, spread_part, slippage_part, fee: what the result is made of, quote currency; costs are <= 0.
        net: the result; the database holds that it is the sum of the four parts to 1e-9 of the value bought.
        mfe_frac, mae_frac: best (>= 0) and worst (<= 0) excursion from the entry price, as a fraction of it.
        risk_frac: distance from the decision's close to the stop, as a fraction of the entry price; 0 when unknown.
        confidence: the policy's confidence in the entry, 0 to 1.
        steps_in, steps_out: quantity bought and sold, lot steps.
        tick_steps_in, tick_steps_out: value bought and sold, ticks x steps.
        fee_base_e8, fee_quote_e8: fees, 1e-8 coin and 1e-8 quote.
        dust_in_e8, dust_out_e8: unsellable rest carried in and out, 1e-8 coin.
        high_ticks, low_ticks: highest and lowest price met while held, ticks.
        layout: identifies the features behind the state (`huracan.patterns.state_layout`); 0 when unknown.
        entry_state: float32[N, 80], the state the entry was decided on.
    """

    policy: Strings
    account: Strings
    symbol: Strings
    mode: Strings
    side: Strings
    exit_reason: Strings
    fold: Integers
    seq: Integers
    action: Integers
    regime: Integers
    entry_time: Integers
    exit_time: Integers
    entry_price: Floats
    exit_price: Floats
    quantity: Floats
    price_part: Floats
    spread_part: Floats
    slippage_part: Floats
    fee: Floats
    net: Floats
    mfe_frac: Floats
    mae_frac: Floats
    risk_frac: Floats
    confidence: Floats
    steps_in: Integers
    steps_out: Integers
    tick_steps_in: Integers
    tick_steps_out: Integers
    fee_base_e8: Integers
    fee_quote_e8: Integers
    dust_in_e8: Integers
    dust_out_e8: Integers
    high_ticks: Integers
    low_ticks: Integers
    layout: Integers
    entry_state: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths or of the wrong type: a defect of the caller."""
        for column in fields(self):
            values = getattr(self, column.name)
            shape = (len(self.policy), ENTRY_STATE_SIZE) if column.name == "entry_state" else (len(self.policy),)
            if values.shape != shape or values.dtype.kind != _kind(column.name):
                raise InvariantError(
                    f"trade column {column.name} is {values.dtype} {values.shape}, needed: {_kind(column.name)} {shape}"
                )

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.policy)

    def rows(self, numbers: Sequence[int]) -> "TradeRows":
        """Return the rows of these numbers, in their order."""
        chosen = np.asarray(numbers, dtype=np.int64)
        return TradeRows(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


# Column -> (struct code of its binary form, big-endian); text and enum columns vary in length and stand last.
FIXED: dict[str, str] = {
    **dict.fromkeys(("entry_time", "exit_time"), "q"),
    **dict.fromkeys(("entry_price", "exit_price", "quantity", "price_part", "spread_part", "slippage_part"), "d"),
    **dict.fromkeys(("fee", "net", "mfe_frac", "mae_frac", "risk_frac", "confidence"), "d"),
    **dict.fromkeys(("steps_in", "steps_out", "tick_steps_in", "tick_steps_out"), "q"),
    **dict.fromkeys(("fee_base_e8", "fee_quote_e8", "dust_in_e8", "dust_out_e8", "high_ticks", "low_ticks"), "q"),
    "layout": "q",
    "seq": "i",
    **dict.fromkeys(("fold", "action", "regime"), "h"),
}
VARYING = ("policy", "account", "symbol", "mode", "side", "exit_reason")
KEY = ("run_id", "policy", "account", "symbol", "fold", "mode", "seq")
BLOCK = ("policy", "account", "symbol", "fold", "mode")
STORED = ("run_id", *FIXED, "entry_state", *VARYING)
NUMPY_CODES = {"q": ">i8", "d": ">f8", "i": ">i4", "h": ">i2"}


Block = tuple[str, str, str, int, str]
"""What is written as a whole: policy, account, symbol, fold, mode."""


def regime_name(regime: int) -> str:
    """Return a regime in words."""
    return REGIMES[regime] if 0 <= regime < len(REGIMES) else "unknown"


def write_trades(engine: Engine, run_id: int, trades: TradeRows, blocks: Collection[Block] = ()) -> int:
    """Make the table hold exactly `trades` for each block they belong to, in one transaction.

    A repeated or concurrent call with the same trades changes nothing; after a crash a block is there whole or not at
    all.

    Args:
        engine: of the database.
        run_id: of the run.
        trades: of any number of blocks.
        blocks: further blocks, which have no trade now: what is stored of them is removed.

    Returns:
        The number of rows that were not there before.

    Raises:
        DatabaseError: the run does not exist, a value does not fit its column, or the server fails.
    """
    filled = _blocks(trades)
    emptied = set(blocks) - filled
    if not filled | emptied:
        return 0
    encoded = encode_trades(run_id, trades) if filled else b""
    with translated(engine), engine.begin() as connection:
        cursor = connection.connection.cursor()
        locks = sorted(_lock_number(run_id, block) for block in filled | emptied)
        cursor.execute("SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number", (locks,))
        for block in sorted(emptied):
            cursor.execute(_REMOVE_BLOCK, (run_id, *block))
        if not filled:
            return 0
        columns = ", ".join(STORED)
        if not _any_stored(cursor, run_id, trades):
            _copy(cursor, f"COPY trade_memory ({columns}) FROM STDIN (FORMAT binary)", encoded)
            return len(trades)
        cursor.execute(
            f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM trade_memory WITH NO DATA"  # noqa: S608
        )
        _copy(cursor, f"COPY incoming ({columns}) FROM STDIN (FORMAT binary)", encoded)
        cursor.execute("ANALYZE incoming")
        cursor.execute(_REMOVE_OTHERS)
        cursor.execute(_INSERT_NEW)
        return int(cursor.rowcount)


def read_trades(
    engine: Engine,
    run_id: int,
    *,
    policy: str | None = None,
    account: str | None = None,
    symbol: str | None = None,
    fold: int | None = None,
    mode: Mode | None = None,
) -> TradeRows:
    """Return the trades of one run, bit for bit as written, sorted by their key; None selects all.

    Raises:
        DatabaseError: the server fails.
    """
    given = {"policy": policy, "account": account, "symbol": symbol, "fold": fold, "mode": mode}
    wanted = {name: value for name, value in given.items() if value is not None}
    where = " AND ".join(["run_id = %(run_id)s", *(f"{name} = %({name})s" for name in wanted)])
    order = ", ".join(f'{name} COLLATE "C"' if name in ("policy", "account", "symbol") else name for name in KEY)
    with translated(engine), engine.connect() as connection:
        return select_trades(
            connection.connection.cursor(), f"WHERE {where} ORDER BY {order}", {"run_id": run_id, **wanted}
        )


def count_closed_trades(engine: Engine, run_id: int, policy: str, account: str, symbol: str | None = None) -> int:
    """Return how many trades a policy closed, of one coin or of all; those sold only because the data ended left out.

    Raises:
        DatabaseError: the server fails.
    """
    where = "AND symbol = :symbol" if symbol is not None else ""
    statement = text(
        "SELECT count(*) FROM trade_memory WHERE run_id = :run_id AND policy = :policy AND account = :account "  # noqa: S608
        f"AND exit_reason <> 'end_of_data' {where}"
    )
    values = {"run_id": run_id, "policy": policy, "account": account}
    with translated(engine), engine.connect() as connection:
        return int(connection.execute(statement, values | ({"symbol": symbol} if symbol else {})).scalar_one())


def select_trades(cursor: Any, clause: str, values: Mapping[str, object]) -> TradeRows:
    """Return the trades that a constant SQL clause selects, on a psycopg2 cursor of the caller's transaction."""
    names = (*FIXED, "entry_state", *VARYING)
    shown = [f"(extract(epoch FROM {name}) * 1000)::bigint" if name.endswith("_time") else name for name in names]
    cursor.execute(f"SELECT {', '.join(shown)} FROM trade_memory {clause}", values)  # noqa: S608 - constant names
    rows = cursor.fetchall()
    columns = dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))
    return TradeRows(**{name: _column(name, values) for name, values in columns.items()})


def append_trades(cursor: Any, run_id: int, trades: TradeRows) -> None:
    """Add trades that are not there yet, on a psycopg2 cursor of the caller's transaction; one that is fails it."""
    columns = ", ".join(STORED)
    _copy(cursor, f"COPY trade_memory ({columns}) FROM STDIN (FORMAT binary)", encode_trades(run_id, trades))


def join_trades(parts: Sequence[TradeRows]) -> TradeRows:
    """Return the trades of all parts as one, in their order; none of none."""
    columns = {}
    for name in (*FIXED, "entry_state", *VARYING):
        columns[name] = np.concatenate([_column(name, ()), *(getattr(part, name) for part in parts)])
    return TradeRows(**columns)


def _copy(cursor: Any, statement: str, encoded: bytes) -> None:
    cursor.copy_expert(statement, io.BytesIO(encoded))


def encode_trades(run_id: int, trades: TradeRows) -> bytes:
    """Return Postgres's binary COPY form: each field is its length (int32) and its bytes, all big-endian.

    The fields of fixed length are laid out for all rows at once; the texts of a row are looked up by their combination.
    """
    layout: list[tuple[str, str]] = [("count", ">i2"), ("run_id_len", ">i4"), ("run_id", ">i4")]
    for name, code in FIXED.items():
        layout += [(f"{name}_len", ">i4"), (name, NUMPY_CODES[code])]
    layout += [("state_len", ">i4"), ("state", f"V{4 * ENTRY_STATE_SIZE}")]
    table = np.empty(len(trades), dtype=layout)
    table["count"], table["run_id_len"], table["run_id"] = len(STORED), 4, run_id
    for name, code in FIXED.items():
        values = getattr(trades, name)
        if name.endswith("_time"):
            values = (values - EPOCH_2000_MS) * 1000
        table[f"{name}_len"] = struct.calcsize(code)
        table[name] = _fitting(name, values, np.dtype(NUMPY_CODES[code]))
    table["state_len"] = 4 * ENTRY_STATE_SIZE
    states = np.ascontiguousarray(trades.entry_state, dtype="<f4")
    table["state"] = states.view(f"V{4 * ENTRY_STATE_SIZE}").reshape(len(trades))
    packed, size = table.tobytes(), table.dtype.itemsize
    known: dict[tuple[str, ...], bytes] = {}
    pieces = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    texts = zip(*(getattr(trades, name).tolist() for name in VARYING), strict=True)
    for row, words in enumerate(texts):
        if words not in known:
            known[words] = b"".join(struct.pack(">i", len(raw)) + raw for raw in map(str.encode, words))
        pieces.append(packed[row * size : (row + 1) * size] + known[words])
    pieces.append(b"\xff\xff")
    return b"".join(pieces)


def _fitting(name: str, values: NDArray[Any], target: np.dtype) -> NDArray[Any]:
    """Refuse an integer that its column would cut, and a float that is not a number."""
    if target.kind == "i":
        limits = np.iinfo(target)
        if values.min() < limits.min or values.max() > limits.max:
            raise InvariantError(f"trade column {name}: a value does not fit {target}")
    elif not np.isfinite(values).all():
        raise InvariantError(f"trade column {name}: a value is not finite")
    return values


def _column(name: str, values: tuple[Any, ...]) -> NDArray[Any]:
    if name == "entry_state":
        return np.frombuffer(b"".join(values), dtype="<f4").reshape(-1, ENTRY_STATE_SIZE).astype(np.float32)
    if name in VARYING:
        return np.array(values, dtype=np.str_)
    return np.array(values, dtype=np.float64 if FIXED[name] == "d" else np.int64)


def _kind(name: str) -> str:
    if name == "entry_state":
        return "f"
    return "U" if name in VARYING else "f" if FIXED[name] == "d" else "i"


def _blocks(trades: TradeRows) -> set[tuple[Any, ...]]:
    return set(zip(*(getattr(trades, name).tolist() for name in BLOCK), strict=True))


def _lock_number(run_id: int, block: tuple[Any, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr((run_id, block)).encode()).digest()[:8], "big", signed=True)


def _any_stored(cursor: Any, run_id: int, trades: TradeRows) -> bool:
    blocks = sorted(_blocks(trades))
    policy, account, symbol, fold, mode = (list(column) for column in zip(*blocks, strict=True))
    cursor.execute(
        """SELECT EXISTS (SELECT 1
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::smallint[], %s::trade_mode[])
                AS block (policy, account, symbol, fold, mode)
            JOIN trade_memory USING (policy, account, symbol, fold, mode) WHERE run_id = %s)""",
        (policy, account, symbol, fold, mode, run_id),
    )
    return bool(cursor.fetchone()[0])


def _named(table: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


_REMOVE_BLOCK = f"""DELETE FROM trade_memory
    WHERE (run_id, {", ".join(BLOCK)}) = (%s, %s, %s, %s, %s, %s::trade_mode)"""  # noqa: S608 - constant names

_REMOVE_OTHERS = f"""
    DELETE FROM trade_memory AS stored
    USING (SELECT DISTINCT run_id, {", ".join(BLOCK)} FROM incoming) AS block
    WHERE ({_named("stored", ("run_id", *BLOCK))}) = ({_named("block", ("run_id", *BLOCK))})
    AND NOT EXISTS (
        SELECT 1 FROM incoming WHERE ROW ({_named("incoming", STORED)}) = ROW ({_named("stored", STORED)})
    )"""  # noqa: S608 - constant names

_INSERT_NEW = f"""
    INSERT INTO trade_memory ({", ".join(STORED)}) SELECT {", ".join(STORED)} FROM incoming
    ON CONFLICT ON CONSTRAINT trade_memory_key DO NOTHING"""  # noqa: S608 - constant names
