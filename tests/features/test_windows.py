"""Window tables: the shipped ones from anywhere, the rule in between, and what is refused."""

import os
from pathlib import Path

import pytest
import yaml

from huracan.errors import ConfigError
from huracan.features import WindowTable, windows_for
from huracan.features.windows import SHIPPED
from huracan.market.timeframes import TIMEFRAMES


def test_one_minute_windows_are_the_catalogue_names() -> None:
    """On one-minute candles the windows are those the entries are named after."""
    w = windows_for("1m")
    assert w.returns == (1, 5, 15, 60, 240, 1440)
    assert (w.sigma, w.slow, w.middle_clock, w.slow_clock) == (1440, 10080, 5, 60)


def test_daily_windows_reach_back_180_bars_at_most() -> None:
    """For daily candles no window is longer than 180 bars, and the clocks are 7 and 28 days."""
    w = windows_for("1d")
    assert (w.middle_clock, w.slow_clock) == (7, 28)
    base = [*w.returns, *w.flow, *w.ranks, *w.leader_returns, w.variance_ratio, w.vol_of_vol, w.level, w.jump]
    base += [w.slow, w.sigma, w.beta, w.corr, w.volume, w.liquidity, w.er_long, w.vpin_bars, w.ready]
    middle = [w.body, w.range_vol, w.ema_slow]
    slow = [w.slow_ema_slow, w.edge, 2 * w.adx]
    assert max(*base, 7 * max(middle), 28 * max(slow)) <= 180


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_timeframe_has_a_table(timeframe: str) -> None:
    """Each timeframe yields a sound table, between the anchors in every window, that survives JSON."""
    w, fine, coarse = windows_for(timeframe), windows_for("1m"), windows_for("1d")
    assert coarse.sigma <= w.sigma <= fine.sigma
    assert coarse.ready <= w.ready <= fine.ready
    assert WindowTable.from_json(w.to_json()) == w
    assert w.base_ms == TIMEFRAMES[timeframe]


def test_interpolation_is_geometric_in_bar_length() -> None:
    """One hour lies ln 60 / ln 1440 of the way: 1440 bars become 1440^(1-w) 60^w."""
    assert windows_for("1h").sigma == round(1440 ** (1 - 0.563) * 60**0.563)


def test_tables_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped file lies in the package: the working directory does not matter, and configs/ shows the same file."""
    wanted = windows_for("15m").sha256
    monkeypatch.chdir(tmp_path)
    windows_for.cache_clear()
    assert windows_for("15m").sha256 == wanted
    link = SHIPPED.parents[2] / "configs" / "windows.yaml"
    assert os.path.realpath(link) == str(SHIPPED.resolve())


def broken(tmp_path: Path, **changes: object) -> Path:
    """Return a file of tables with some 1m windows changed; None removes one."""
    content = yaml.safe_load(SHIPPED.read_text())
    for name, value in changes.items():
        content["tables"]["1m"][name] = value
        if value is None:
            del content["tables"]["1m"][name]
    path = tmp_path / "windows.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"sigma": 0}, "sigma"),
        ({"sigma": 1.5}, "sigma"),
        ({"returns": [1, 2, 3]}, "returns"),
        ({"returns": [1, 5, 15, 60, 240, 240]}, "increase"),
        ({"vol_fast": 60}, "shorter"),
        ({"ready": 100}, "ready"),
        ({"vr_lags": [4, 1000]}, "variance_ratio"),
        ({"jump": None}, "missing"),
        ({"junp": 3}, "unknown"),
        ({"level": 1}, "2 bars"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, object], word: str) -> None:
    """A window that is missing, unknown, of the wrong kind or out of order is named."""
    with pytest.raises(ConfigError, match=word):
        windows_for("1m", broken(tmp_path, **changes))


def test_files_that_are_not_tables_are_refused(tmp_path: Path) -> None:
    """A missing file, broken YAML, another structure, an unknown timeframe: one line each."""
    junk, other = tmp_path / "junk.yaml", tmp_path / "other.yaml"
    junk.write_text("tables: [")
    other.write_text("a: 1")
    for path, word in ((tmp_path / "none.yaml", "cannot be read"), (junk, "not YAML"), (other, "lack")):
        with pytest.raises(ConfigError, match=word):
            windows_for("1m", path)
    with pytest.raises(ConfigError, match="unknown"):
        windows_for("7m")
