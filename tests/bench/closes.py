"""From a closed candle to its orders, on everything that `huracan serve up` and `trade start` bring up.

Two markets, then twenty, whose version enters all of them at one close and leaves them at the next. What is measured is
what the database has of each decision: the feed heard the candle, the order was marked as sent. Feed, policy and trader
are processes of a Ray cluster, and share the cores with the paper exchange and with Postgres.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings, TradingSettings
from huracan.market import Candles, CandleStore, MarketShape, martingale
from huracan.memory import EmbeddedServer, Registry, connect, open_run, schema
from huracan.trading import Action, resolve_settings
from tests.bench.harness import Measurement, repeat
from tests.chaos.world import exchange_words
from tests.serve.brought import ACCOUNT, Up, brought_up, quick_settings
from tests.serve.served import WINDOWS, fit_of
from tests.signals.serving import export
from tests.trader.processes import BARS

SIZES: Final = ((2, "120x", 40), (20, "20x", 5))
"""Markets, pace of the exchange, closes with entries a repeat."""
REPEATS, WARM = 3, 5
_LONGEST_S = 600.0
_ENTRIES = """SELECT extract(epoch FROM min(close_at)) AS at,
    array_agg(extract(epoch FROM sent_at - heard_at)::float8) AS waits
    FROM decision_times WHERE account = :account AND kind = 'ENTER' AND sent_at IS NOT NULL
    GROUP BY close_at HAVING count(*) = :count ORDER BY close_at"""


def measure() -> list[Measurement]:
    """Measure both sizes, one after the other."""
    found = []
    for count, speed, closes in SIZES:
        waits = _waits(count, speed, closes)
        for percent in (50, 99):
            values = iter([float(np.percentile(part, percent)) * 1e3 for part in waits])
            value, spread, repeats = repeat(lambda values=values: next(values), len(waits))  # type: ignore[misc]
            note = f"{count} entries a close, {closes} closes, on the serve cluster, exchange at {speed}"
            figure = f"close_to_sent_{count}_p{percent}"
            found.append(Measurement(figure, value, "ms", repeats, spread, 2, {}, note))
    return found


def _waits(count: int, speed: str, closes: int) -> list[np.ndarray]:
    """Return the seconds from candle to order of each repeat's entries."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    server = EmbeddedServer(home)
    try:
        engine = connect(server.start())
        schema.upgrade(engine)
        markets = {f"C{n:02d}/USDT": martingale(MarketShape(f"C{n:02d}/USDT"), BARS, seed=n) for n in range(count)}
        _register(engine, home, markets)
        rows = _traded(engine, home, server.url(), markets, speed, WARM + REPEATS * closes)
        engine.dispose()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
    return [np.concatenate(rows[WARM + n * closes : WARM + (n + 1) * closes]) for n in range(REPEATS)]


def _register(engine: Engine, home: Path, markets: dict[str, Candles]) -> None:
    fit, _ = fit_of(markets, WINDOWS, interval=1)
    kernel = resolve_settings(TradingSettings(decision_interval_bars=1), "1m")
    artefact = export(home / "turns", 1, fit, kernel, (Action.ENTER_LONG_SMALL, Action.EXIT))
    run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
    Registry(engine).register(run_id, "turns", "*", str(home / "turns"), artefact.sha256, {}, "bench")


def _traded(
    engine: Engine, home: Path, url: str, markets: dict[str, Candles], speed: str, wanted: int
) -> Sequence[np.ndarray]:
    """Trade until so many closes have entered every market; return the waits of each such close."""
    store, symbols = CandleStore(home / "candles"), tuple(sorted(markets))
    for rows in markets.values():
        store.write(rows)
    world, folder = Up(home, url, symbols=symbols), home / "candles" / "1m"
    with world.exchange(folder, *exchange_words((ACCOUNT,)), "--speed", speed, "--order-limit", "1000000"):
        world.told = quick_settings(folder, world.url) | {
            "HURACAN__DATA__SYMBOLS": json.dumps(symbols),
            "HURACAN__TRADING__DECISION_INTERVAL_BARS": "1",
            "HURACAN__RISK__ORDER_RATE_MAX": "100000",
            "HURACAN__RISK__BREAKER_TRIGGERS": "[]",
            "HURACAN__EXECUTION__RECV_WINDOW_MS": "5000",
            "HURACAN__EXECUTION__TIMEOUT_MS": "10000",
            "HURACAN__EXECUTION__LEASE_TTL_S": "15",
        }
        with brought_up(world):
            give_up = time.monotonic() + _LONGEST_S
            while True:
                with engine.connect() as connection:
                    found = connection.execute(text(_ENTRIES), {"account": ACCOUNT, "count": len(symbols)}).all()
                if len(found) >= wanted:
                    return [np.array(row.waits, np.float64) for row in found]
                if time.monotonic() > give_up:
                    raise RuntimeError(f"only {len(found)} of {wanted} closes have entered all {len(symbols)} markets")
                time.sleep(0.5)
