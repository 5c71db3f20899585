"""From a folder to the candles that training may use."""

import numpy as np
import pytest

from huracan.config import DataSettings, QualitySettings
from huracan.errors import DataError, RefusedError
from huracan.market import folder_quality, load_candles
from tests.market.frames import START_MS, columns, write

NOW_MS = START_MS + 400 * 86_400_000


@pytest.fixture
def folder(tmp_path):
    """A folder with a sound leader, a sound coin, one with a hole and one with a NaN."""
    write(tmp_path / "BTC-USDT.parquet", columns())
    write(tmp_path / "ADA-USDT.parquet", columns())
    holed = {name: np.delete(values, np.r_[100:150]) for name, values in columns().items()}
    write(tmp_path / "DOT-USDT.parquet", holed)
    broken = columns()
    broken["close"][7] = np.nan
    write(tmp_path / "FIL-USDT.parquet", broken)
    return tmp_path


def load(folder, quality=None, **data):
    """Load with settings given by name."""
    return load_candles(folder, DataSettings(**data), quality or QualitySettings(), NOW_MS)


def test_unfit_symbols_are_left_out_with_their_reasons(folder):
    """Without naming symbols, those that fail are left out; their verdicts say why."""
    found = load(folder)
    assert found.symbols == ("ADA/USDT", "BTC/USDT")
    assert found.leader == "BTC/USDT"
    assert set(found.candles) == {"ADA/USDT", "BTC/USDT"}
    reasons = {verdict.report.symbol: verdict.reasons for verdict in found.verdicts}
    assert "quality.coverage_min_frac" in reasons["DOT/USDT"][0]
    assert "missing, NaN or infinite" in reasons["FIL/USDT"][0]
    assert reasons["ADA/USDT"] == ()


def test_a_symbol_asked_for_by_name_must_pass(folder):
    """Naming an unfit symbol refuses the load, in one line with the figures, the settings and the way round."""
    with pytest.raises(
        RefusedError, match=r"DOT/USDT refused .*coverage 0\.9000 .450 of 500.*quality\.allow"
    ) as caught:
        load(folder, symbols=("ADA/USDT", "DOT/USDT"))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_allow_lets_a_symbol_through_repaired(folder):
    """quality.allow takes the holed coin as it is and drops the row that cannot be."""
    found = load(folder, QualitySettings(allow=("DOT/USDT", "FIL/USDT")), symbols=("DOT/USDT", "FIL/USDT"))
    assert len(found.candles["DOT/USDT"]) == 450
    assert len(found.candles["FIL/USDT"]) == 499
    assert np.isfinite(found.candles["FIL/USDT"].close).all()


def test_nothing_left_is_refused(folder):
    """When no symbol passes, the load is refused."""
    with pytest.raises(RefusedError, match=r"ADA/USDT refused .4 of 4 symbols.: 500 bars are fewer than"):
        load(folder, QualitySettings(history_min_bars=10_000))


def test_the_leader_is_read_though_it_is_not_traded(folder):
    """The leader's candles come along even when only another symbol is traded; one asked for must exist."""
    found = load(folder, symbols=("ADA/USDT",))
    assert found.symbols == ("ADA/USDT",)
    assert set(found.candles) == {"ADA/USDT", "BTC/USDT"}
    with pytest.raises(DataError, match="no candles of ETH/USDT"):
        load(folder, leader_symbol="ETH/USDT")
    with pytest.raises(RefusedError, match="FIL/USDT refused"):
        load(folder, leader_symbol="FIL/USDT")


def test_unknown_names_are_refused(folder):
    """A symbol that is not there is refused, wherever it is named."""
    with pytest.raises(DataError, match="no candles of XXX/USDT; found ADA/USDT"):
        load(folder, symbols=("XXX/USDT",))
    with pytest.raises(DataError, match="no candles of XXX/USDT"):
        load(folder, QualitySettings(allow=("XXX/USDT",)))


def test_the_running_bar_never_arrives(folder):
    """A bar that is still open is not among the candles."""
    last_open = START_MS + 499 * 60_000
    found = load_candles(folder, DataSettings(symbols=("ADA/USDT",)), QualitySettings(), last_open + 1)
    assert found.candles["ADA/USDT"].timestamp[-1] == last_open - 60_000


def test_quality_of_a_folder_is_told_for_every_symbol(folder):
    """`data quality` gets one verdict per symbol, refused or not, and does not raise."""
    verdicts = folder_quality(folder, DataSettings(), QualitySettings(), NOW_MS)
    assert [(verdict.report.symbol, verdict.accepted) for verdict in verdicts] == [
        ("ADA/USDT", True),
        ("BTC/USDT", True),
        ("DOT/USDT", False),
        ("FIL/USDT", False),
    ]


def test_a_coin_listed_a_bar_ago_is_left_out_for_its_short_history(folder):
    """One bar is a history like any other, too short by the gate's own line; the rest is loaded."""
    write(folder / "NEW-USDT.parquet", columns(1))
    found = load(folder, timeframe="1m")
    assert found.symbols == ("ADA/USDT", "BTC/USDT")
    reasons = {verdict.report.symbol: verdict.reasons for verdict in found.verdicts}
    assert reasons["NEW/USDT"] == ("1 bars are fewer than quality.history_min_bars 400",)
