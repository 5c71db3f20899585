"""A version to serve on given candles: an artefact of random weights that is sure to want something, registered."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from huracan import __version__
from huracan.config import FeatureSettings, Settings
from huracan.features import FeatureFit, apply_fit, compute_raw
from huracan.market import Candles
from huracan.memory import Registry, open_run
from huracan.policy import load_artefact
from huracan.trading import Action, resolve_settings
from tests.signals.serving import export

WINDOWS = Path(__file__).parents[1] / "features" / "windows_small.yaml"
"""Windows that a day of candles warms up."""
_SEEDS = range(40)


def fit_of(candles: Mapping[str, Candles], windows: Path, interval: int | None = None) -> tuple[FeatureFit, np.ndarray]:
    """Return a fit on the first two thirds of some candles, and states (market entries alone) of the rest.

    Args:
        candles: one-minute ones, by symbol.
        windows: table of the features' windows.
        interval: bars between decisions; None: the default.
    """
    interval = interval or resolve_settings(Settings().trading, "1m").decision_interval_bars
    raw = compute_raw(dict(candles), FeatureSettings(windows=windows), interval, None)
    stamps = next(iter(candles.values())).timestamp
    cut = int(stamps[len(stamps) * 2 // 3])
    fit = FeatureFit.fit(raw, int(stamps[0]), cut, 1)
    rows = np.concatenate([apply_fit(fit, one) for one in raw.values()])
    states = np.zeros((len(rows), 80), np.float32)
    states[:, : rows.shape[1]] = rows
    return fit, states[::7]


def register(
    engine: Engine, folder: Path, candles: Mapping[str, Candles], windows: Path = WINDOWS, name: str = "eager"
) -> str:
    """Register a version that enters often when it is flat, and return its name; the seed is printed."""
    fit, states = fit_of(candles, windows)
    for seed in _SEEDS:
        place = folder / f"{name}-{seed}"
        artefact = export(place, seed, fit)
        actions = load_artefact(place).ensemble.decide(states).action
        share = float(np.mean(np.isin(actions, [int(one) for one in Action if "ENTER" in one.name])))
        if 0.05 < share < 0.9:
            print(f"seed {seed} enters at {share:.0%} of the bars")
            run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
            Registry(engine).register(run_id, name, "*", str(place), artefact.sha256, {}, "tests")
            return name
    raise AssertionError(f"no seed of {_SEEDS} enters now and then")
