"""The cases of the differential test: wild markets by seed, and days of candles by name and configuration."""

import zlib

import numpy as np

from huracan.trading import decision_rows
from tests.parity.differential import Case
from tests.parity.histories import TRADED_DAYS, WARM_DAYS, load_market, settings_for
from tests.parity.script import Script
from tests.parity.wild import wild_market, wild_settings


def wild_case(seed: int, length: int = 700) -> Case:
    """Return a random market under a random configuration and a random script; half of them are not sold at the end."""
    rng = np.random.default_rng(seed)
    settings = wild_settings(rng)
    market = wild_market(rng, settings, length)
    rows = decision_rows(market.bars[:, 0], settings.decision_interval_bars)
    script = Script(seed, enter=float(rng.choice([0.2, 0.9])), leave=float(rng.choice([0.01, 0.08])))
    scale = float(rng.choice([1.0, 1.0, 1.37]))
    sold, every_close = (bool(flag) for flag in rng.random(2) < 0.5)
    return Case(f"wild seed {seed}", market, settings, script, int(rows[1]), length, sold, scale, every_close)


def candle_case(history: str, configuration: str) -> Case:
    """Return the last three days of a week of candles under a configuration of every day."""
    settings = settings_for(configuration)
    market = load_market(history)
    rows = decision_rows(market.bars[:, 0], settings.decision_interval_bars)
    begin = (market.day_ms[0] + WARM_DAYS * 86_400_000) // market.base_ms
    start = int(rows[np.searchsorted(market.bars[rows, 0], begin)])
    end = int(np.searchsorted(market.bars[:, 0], begin + TRADED_DAYS * 1440))
    script = Script(zlib.crc32(f"{history} {configuration}".encode()), enter=0.5, leave=0.02)
    return Case(f"{history} {configuration}", market, settings, script, start, end, True)
