"""Names of timeframes and symbols."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import DataError
from huracan.market import TIMEFRAMES, stem_to_symbol, symbol_to_stem, timeframe_from_ms, timeframe_ms


def test_lengths_are_those_of_the_names():
    """A minute has 60,000 ms, an hour 3,600,000, a day 86,400,000, and the way back agrees for all."""
    assert (timeframe_ms("1m"), timeframe_ms("1h"), timeframe_ms("1d")) == (60_000, 3_600_000, 86_400_000)
    assert all(timeframe_from_ms(length) == name for name, length in TIMEFRAMES.items())
    assert timeframe_from_ms(61_000) is None


@pytest.mark.parametrize("name", ["1M", "1w", "60", "", "1H"])
def test_unknown_timeframe_is_one_clear_line(name):
    """A month is not a minute: an unknown timeframe is refused, and the known ones are named."""
    with pytest.raises(DataError, match=r"timeframe '.*' is unknown; use one of 1m, 3m") as caught:
        timeframe_ms(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("symbol", "stem"),
    [
        ("BTC/USDT", "BTC-USDT"),
        ("BTC/USDT:USDT", "BTC-USDT-PERP"),
        ("BTC/USD:BTC", "BTC-USD-PERP-BTC"),
        ("1000SATS/USDT", "1000SATS-USDT"),
    ],
)
def test_spot_and_perpetual_have_files_of_their_own(symbol, stem):
    """Each kind of market maps to a file name of its own, and back."""
    assert symbol_to_stem(symbol) == stem
    assert stem_to_symbol(stem) == symbol


CODE = st.text(alphabet="ABCXYZ019", min_size=1, max_size=6)


@given(base=CODE, quote=CODE, settle=st.none() | CODE)
def test_stem_and_symbol_are_inverse(base, quote, settle):
    """Every symbol comes back from its file name unchanged."""
    symbol = f"{base}/{quote}" + ("" if settle is None else f":{settle}")
    assert stem_to_symbol(symbol_to_stem(symbol)) == symbol


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "BTC-USDT", "/USDT", "BTC/", "BTC/USDT:", "A/B/C", "BTC/USDT:USDT-250926"]
)
def test_other_forms_of_symbol_are_refused(symbol):
    """A symbol that is not in ccxt's form, or a dated contract, is refused with the form to use."""
    with pytest.raises(DataError, match="write BTC/USDT"):
        symbol_to_stem(symbol)


@pytest.mark.parametrize("stem", ["BTC", "BTC-USDT-SWAP", "A-B-C-D", "BTC--USDT", "BTC-USDT-PERP-USDT"])
def test_other_file_names_are_refused(stem):
    """A file name that no symbol gives is refused with an example."""
    with pytest.raises(DataError, match=r"call it BTC-USDT\.parquet"):
        stem_to_symbol(stem)
