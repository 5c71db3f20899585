"""Trades written per second against a raw COPY of the same bytes, ready made, into the same indexed table."""

import io
import shutil
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine

from huracan.config import DatabaseSettings, Settings
from huracan.memory import EmbeddedServer, TradeRows, open_database, open_run, write_trades
from huracan.memory.trades import STORED, encode_trades
from tests.bench.harness import Measurement, repeat
from tests.memory.samples import joined, sample_trades

COINS, TRADES_PER_COIN = 20, 1_000


def measure() -> list[Measurement]:
    """Measure in a database of its own, fsync on, the two ways in turn, each run into a fresh run id."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    try:
        engine = open_database(DatabaseSettings(), home)
        trades = joined(*(sample_trades(TRADES_PER_COIN, seed, f"COIN{seed}/USDT") for seed in range(COINS)))
        raw_rates: list[float] = []

        def ours() -> float:
            raw_rates.append(_raw(engine, trades))
            run_id = _run(engine)
            begun = time.perf_counter()
            write_trades(engine, run_id, trades)
            return len(trades) / (time.perf_counter() - begun)

        ours()
        raw_rates.clear()
        value, spread, repeats = repeat(ours)
        raw = sorted(raw_rates)[len(raw_rates) // 2]
        engine.dispose()
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree(home)
    note = f"{len(trades)} trades of {COINS} coins; raw COPY {raw:,.0f} rows/s"
    return [Measurement("trade_writes", value, "rows/s", repeats, spread, 1, {"raw-copy": value / raw}, note)]


def _raw(engine: Engine, trades: TradeRows) -> float:
    encoded = io.BytesIO(encode_trades(_run(engine), trades))
    begun = time.perf_counter()
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.copy_expert(f"COPY trade_memory ({', '.join(STORED)}) FROM STDIN (FORMAT binary)", encoded)
    return len(trades) / (time.perf_counter() - begun)


def _run(engine: Engine) -> int:
    return open_run(engine, "bench", Settings(), "bench", "bench")
