"""Closed trades analysed a second, their analyses written a second, and the room that both take in the database."""

import shutil
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, text

from huracan.analysis import Analysed, Group, analyse, embedding_of, path_of
from huracan.config import DatabaseSettings, Settings
from huracan.memory import EmbeddedServer, TradeRows, open_database, open_run, write_trades
from huracan.memory.analyses import write_analyses
from huracan.memory.schema import SIX_TABLES
from tests.analysis.worlds import shadow_world
from tests.bench.harness import Measurement, repeat
from tests.patterns.worlds import SCALER
from tests.shadow.worlds import LIMITS

COINS, DAYS = 6, 14


def measure() -> list[Measurement]:
    """Measure the whole analysis of a policy's shadow trades on one core, then writing it, fsync on."""
    trades, tapes, kernel, _ = shadow_world(coins=COINS, days=DAYS)
    paths = {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}
    embedding = embedding_of(tapes, kernel.base_ms, int(trades.entry_time.min()), SCALER)
    group = Group(trades, paths, embedding)
    found: list[Analysed] = []

    def ours() -> float:
        begun = time.perf_counter()
        found.append(analyse([group], tapes, kernel, LIMITS, layout=int(trades.layout[0])))
        return len(trades) / (time.perf_counter() - begun)

    ours()
    value, spread, repeats = repeat(ours, 3)
    note = f"{len(trades)} trades of {COINS} coins: causes, replays, neighbours, model, proposals"
    analysed = Measurement("trades_analysed", value, "trades/s", repeats, spread, 1, {}, note)
    return [analysed, *_written(trades, found[-1])]


def _written(trades: TradeRows, found: Analysed) -> list[Measurement]:
    """Measure in a database of its own, each time into a fresh run."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    try:
        engine = open_database(DatabaseSettings(), home)

        def ours() -> float:
            run_id = open_run(engine, "bench", Settings(), "bench", "bench")
            write_trades(engine, run_id, trades)
            begun = time.perf_counter()
            write_analyses(engine, run_id, found.rows, found.proposals)
            return len(found.rows) / (time.perf_counter() - begun)

        empty = _size(engine)
        ours()
        value, spread, repeats = repeat(ours, 3)
        room = (_size(engine) - empty) / ((repeats + 1) * len(trades)) * 1_000
        engine.dispose()
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree(home)
    return [
        Measurement("analyses_written", value, "trades/s", repeats, spread, 1, {}, "two rows a trade, one transaction"),
        Measurement(
            "trade_bytes", room, "bytes/1000 trades", 1, 0.0, 1, {}, "the six memory tables with their indexes"
        ),
    ]


def _size(engine: Engine) -> int:
    statement = text("SELECT sum(pg_total_relation_size(CAST(n AS regclass))) FROM unnest(CAST(:names AS text[])) AS n")
    with engine.connect() as connection:
        return int(connection.execute(statement, {"names": list(SIX_TABLES)}).scalar_one())
