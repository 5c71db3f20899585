"""Parquet in and out: units, bad input, writes that are whole or not at all."""

import datetime
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from huracan.errors import DataError
from huracan.market import CandleStore, atomic_file, open_folder, read_candles, read_metadata, write_candles
from tests.market.frames import START_MS, columns, market, write

REAL = Path(os.environ.get("HURACAN_TEST_CANDLES", Path(__file__).parents[3] / "shared" / "data" / "candles"))


def test_what_was_written_is_read_back(tmp_path):
    """A round trip keeps every value, the optional columns, the symbol and the timeframe."""
    candles = market()
    path = tmp_path / "ADA-USDT.parquet"
    write_candles(candles, path, {"exchange": "binance"})
    assert read_candles(path).fingerprint() == candles.fingerprint()
    assert read_metadata(path) == {"exchange": "binance"}


def test_arrays_read_are_read_only(tmp_path):
    """Candles from a file cannot be changed."""
    write_candles(market(), tmp_path / "ADA-USDT.parquet")
    with pytest.raises(ValueError, match="read-only"):
        read_candles(tmp_path / "ADA-USDT.parquet").close[0] = 1.0


def test_same_candles_same_bytes(tmp_path):
    """Writing is deterministic."""
    for name in ("a", "b"):
        write_candles(market(), tmp_path / name / "ADA-USDT.parquet")
    assert (tmp_path / "a/ADA-USDT.parquet").read_bytes() == (tmp_path / "b/ADA-USDT.parquet").read_bytes()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_pandas_datetimes_of_any_unit_are_2025_06_11(tmp_path, unit, zone):
    """A pandas datetime column of any unit and zone is read as 2025-06-11 00:00 UTC = 1,749,600,000,000 ms."""
    times = pd.date_range("2025-06-11", periods=500, freq="min", tz="UTC").as_unit(unit)
    times = times.tz_localize(None) if zone is None else times.tz_convert(zone)
    frame = pd.DataFrame({**columns(), "timestamp": times})
    frame.to_parquet(tmp_path / "ADA-USDT.parquet")
    candles = read_candles(tmp_path / "ADA-USDT.parquet")
    assert candles.timestamp[0] == 1_749_600_000_000
    assert candles.timestamp[-1] == 1_749_600_000_000 + 499 * 60_000
    assert candles.timeframe == "1m"


def test_dates_and_plain_milliseconds_are_read(tmp_path):
    """Daily candles may carry dates, any candles integer milliseconds, prices integers or float32."""
    found = columns(10, 86_400_000)
    days = [datetime.date(2025, 6, 11) + datetime.timedelta(days=day) for day in range(10)]
    write(tmp_path / "ADA-USDT.parquet", {**found, "timestamp": pa.array(days)})
    assert read_candles(tmp_path / "ADA-USDT.parquet").timestamp[0] == START_MS
    typed = {**found, "close": found["close"].astype("float32"), "volume": found["volume"].astype("int64")}
    typed["high"] = typed["high"] + 1.0
    typed["low"] = typed["low"] - 1.0
    write(tmp_path / "DOT-USDT.parquet", typed)
    candles = read_candles(tmp_path / "DOT-USDT.parquet")
    assert candles.timeframe == "1d"
    assert candles.close[3] == np.float32(found["close"][3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamp": columns()["timestamp"] // 1_000}, "integers must be milliseconds"),
        ({"timestamp": columns()["timestamp"] * 1_000}, "integers must be milliseconds"),
        ({"timestamp": columns()["timestamp"].astype(float)}, "timestamp holds double"),
        ({"timestamp": columns()["timestamp"].astype(str)}, "timestamp holds"),
        ({"timestamp": pa.array([None, *columns()["timestamp"][1:]])}, "timestamp has 1 empty"),
        ({"timestamp": pa.array(columns()["timestamp"] * 1_000 + 1, pa.timestamp("us"))}, "fraction of a millisecond"),
        ({"close": columns()["close"].astype(str)}, "close holds .*string"),
        ({"close": pa.array([None, *columns()["close"][1:]])}, "missing, NaN or infinite .1 row, first is row 0"),
        ({"high": columns()["low"]}, "does not enclose"),
        ({"timestamp": columns()["timestamp"][::-1].copy()}, "sort the rows"),
        (
            {"timestamp": np.insert(columns()["timestamp"][1:], 5, columns()["timestamp"][5])},
            "keep one row per open time",
        ),
        ({"timestamp": columns(500, 61_000)["timestamp"]}, "61000 ms apart, which is no known timeframe"),
    ],
)
def test_bad_values_are_one_line_with_the_file(tmp_path, change, message):
    """Each way in which values can be wrong gives one line that names the file and what to do."""
    path = write(tmp_path / "ADA-USDT.parquet", {**columns(), **change})
    with pytest.raises(DataError, match=message) as caught:
        read_candles(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named(tmp_path):
    """A file without some columns is refused, naming what lacks and what is there."""
    path = write(tmp_path / "ADA-USDT.parquet", {"timestamp": columns()["timestamp"], "price": columns()["close"]})
    with pytest.raises(DataError, match=r"column open, high, low, close, volume is missing .found: timestamp, price"):
        read_candles(path)


def test_one_bar_is_too_short(tmp_path):
    """A single bar has no timeframe."""
    path = write(tmp_path / "ADA-USDT.parquet", columns(1))
    with pytest.raises(DataError, match="too short"):
        read_candles(path)


@pytest.mark.parametrize("rows", [[0], [0, 2], [0, 7]])
def test_the_store_knows_the_timeframe_of_what_it_holds(tmp_path, rows):
    """One candle, or two with a hole between, are read as the timeframe that their folder names."""
    few = {name: values[rows] for name, values in columns().items()}
    path = write(tmp_path / "1m" / "ADA-USDT.parquet", few)
    found = CandleStore(tmp_path).read("ADA/USDT", "1m")
    assert (found.timeframe, found.timestamp.tolist()) == ("1m", few["timestamp"].tolist())
    assert read_candles(path, "1m").fingerprint() == found.fingerprint()


def test_no_rows_is_refused(tmp_path):
    """A Parquet file without rows is refused."""
    path = write(tmp_path / "ADA-USDT.parquet", columns(0))
    with pytest.raises(DataError, match="no rows"):
        read_candles(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(200) + b"PAR1", b"timestamp,open\n1,2\n"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path, content):
    """Empty, truncated, corrupt and foreign files give one line, in a folder too."""
    path = tmp_path / "ADA-USDT.parquet"
    path.write_bytes(content)
    for read in (lambda: read_candles(path), lambda: open_folder(tmp_path)):
        with pytest.raises(DataError, match="cannot be read as Parquet") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path):
    """A file cut in the middle is refused, wherever it was cut."""
    path = tmp_path / "ADA-USDT.parquet"
    write_candles(market(), path)
    whole = path.read_bytes()
    for size in range(1, len(whole), len(whole) // 9):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            read_candles(path)


def test_damaged_pages_are_refused(tmp_path):
    """A file whose data pages are overwritten is refused although its footer is whole."""
    path = tmp_path / "ADA-USDT.parquet"
    write_candles(market(), path)
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=str(path)):
        read_candles(path)


class TestFolder:
    def test_symbols_and_timeframe_come_from_the_files(self, tmp_path):
        """A flat folder tells its symbols by names and its timeframe by rows; other files do not matter."""
        write(tmp_path / "ADA-USDT.parquet", columns(step_ms=3_600_000))
        write(tmp_path / "BTC-USDT-PERP.parquet", columns(step_ms=3_600_000))
        (tmp_path / "README.md").write_text("notes")
        (tmp_path / "._ADA-USDT.parquet").write_bytes(b"what a desktop leaves beside a copied file")
        folder = open_folder(tmp_path)
        assert (folder.timeframe, folder.symbols) == ("1h", ("ADA/USDT", "BTC/USDT:USDT"))
        assert folder.read("BTC/USDT:USDT").symbol == "BTC/USDT:USDT"

    def test_a_gap_does_not_hide_the_timeframe(self, tmp_path):
        """Missing bars leave the most frequent step, which is the timeframe."""
        found = columns()
        kept = np.arange(500) % 10 < 8
        write(tmp_path / "ADA-USDT.parquet", {name: values[kept] for name, values in found.items()})
        assert open_folder(tmp_path).timeframe == "1m"

    def test_a_new_listing_of_one_bar_does_not_shut_the_others_out(self, tmp_path):
        """A single bar goes with the timeframe asked for or that of the store's folder; elsewhere it has none."""
        for folder in (tmp_path / "1m", tmp_path / "flat"):
            write(folder / "ADA-USDT.parquet", columns())
            write(folder / "NEW-USDT.parquet", columns(1))
        assert open_folder(tmp_path / "1m").symbols == ("ADA/USDT", "NEW/USDT")
        assert len(open_folder(tmp_path / "flat", "1m").read("NEW/USDT")) == 1
        with pytest.raises(DataError, match=r"NEW-USDT\.parquet: the history is too short"):
            open_folder(tmp_path / "flat")
        with pytest.raises(DataError, match=r"mixes timeframes: 1m .ADA/USDT., 1h .NEW/USDT."):
            open_folder(tmp_path / "flat", "1h")

    def test_missing_and_empty_folders(self, tmp_path):
        """No folder, a file instead of it, and a folder without candles are one line each."""
        with pytest.raises(DataError, match="no such folder"):
            open_folder(tmp_path / "nowhere")
        with pytest.raises(DataError, match="is a file, not a folder"):
            open_folder(write(tmp_path / "x" / "ADA-USDT.parquet", columns()))
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match=r"holds no \.parquet file"):
            open_folder(tmp_path / "empty")

    def test_mixed_timeframes_are_refused(self, tmp_path):
        """A folder that mixes timeframes is refused, naming one file of each."""
        write(tmp_path / "ADA-USDT.parquet", columns())
        write(tmp_path / "DOT-USDT.parquet", columns(step_ms=300_000))
        with pytest.raises(DataError, match=r"mixes timeframes: 1m .ADA/USDT., 5m .DOT/USDT."):
            open_folder(tmp_path)

    def test_unknown_symbol_and_timeframe(self, tmp_path):
        """Asking for what is not there names what is."""
        write(tmp_path / "ADA-USDT.parquet", columns())
        with pytest.raises(DataError, match="no candles of DOT/USDT; found ADA/USDT"):
            open_folder(tmp_path).read("DOT/USDT")
        with pytest.raises(DataError, match="timeframe '7m' is unknown"):
            open_folder(tmp_path, "7m")
        with pytest.raises(DataError, match="holds 1m candles, not 1h"):
            open_folder(tmp_path, "1h")

    def test_a_badly_named_file_is_refused(self, tmp_path):
        """A file whose name is no symbol is refused rather than left out silently."""
        write(tmp_path / "prices.parquet", columns())
        with pytest.raises(DataError, match="'prices' names no symbol"):
            open_folder(tmp_path)

    def test_a_store_root_opens_by_its_timeframe(self, tmp_path):
        """The root of a store opens as its only timeframe, or the one asked for, and asks when there are several."""
        store = CandleStore(tmp_path)
        store.write(market())
        assert open_folder(tmp_path).timeframe == "1m"
        store.write(market(timeframe="1h"))
        assert open_folder(tmp_path, "1h").path == tmp_path / "1h"
        with pytest.raises(DataError, match="holds the timeframes 1m, 1h"):
            open_folder(tmp_path)


class TestStore:
    def test_layout_and_reading(self, tmp_path):
        """Files lie under their timeframe; the store lists and reads them."""
        store = CandleStore(tmp_path)
        path = store.write(market(symbol="BTC/USDT:USDT"))
        assert path == tmp_path / "1m" / "BTC-USDT-PERP.parquet"
        assert store.symbols("1m") == ("BTC/USDT:USDT",)
        assert store.symbols("1h") == ()
        assert store.timeframes() == ("1m",)
        assert store.read("BTC/USDT:USDT", "1m").fingerprint() == market(symbol="BTC/USDT:USDT").fingerprint()

    def test_what_is_not_there_is_one_line(self, tmp_path):
        """A market that was not stored is refused, naming what is there."""
        store = CandleStore(tmp_path)
        store.write(market())
        with pytest.raises(DataError, match="no 1m candles of DOT/USDT; found ADA/USDT"):
            store.read("DOT/USDT", "1m")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from huracan.market import CandleStore, MarketShape, martingale
from huracan.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
candles = martingale(MarketShape("ADA/USDT"), 200_000, 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    CandleStore(Path(sys.argv[1])).write(candles)
except DataError as error:
    print(error)
    sys.exit(2)
"""


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path):
    """When the system refuses more bytes, one line says so, the older file is whole, and nothing else is left."""
    store = CandleStore(tmp_path)
    path = store.write(market())
    before = path.read_bytes()
    found = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=False)
    assert found.returncode == 2, found.stderr
    assert f"{path}: cannot be written: File too large; nothing was changed" in found.stdout
    assert found.stdout.count("\n") == 1
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    """A file in the place of a folder is reported as such."""
    (tmp_path / "1m").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        CandleStore(tmp_path).write(market())


def test_an_interrupted_block_leaves_nothing(tmp_path):
    """Ctrl-C while a file is being written leaves neither the file nor a rest of it."""

    def interrupted():
        with atomic_file(tmp_path / "a.parquet") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from huracan.market import atomic_file
with atomic_file(Path(sys.argv[1]) / "1m" / "ADA-USDT.parquet") as file:
    file.write(b"half a file")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def test_leftovers_of_a_killed_write_are_ignored(tmp_path):
    """A process killed in the middle of a write leaves a hidden file that no reader sees and no write trips over."""
    store = CandleStore(tmp_path)
    store.write(market())
    writer = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert len(list((tmp_path / "1m").iterdir())) == 2
    assert store.symbols("1m") == ("ADA/USDT",)
    assert open_folder(tmp_path / "1m").read("ADA/USDT").fingerprint() == market().fingerprint()
    store.write(market(seed=2))
    assert store.read("ADA/USDT", "1m").fingerprint() == market(seed=2).fingerprint()


def test_a_reader_never_sees_half_a_file(tmp_path):
    """While a file is replaced over and over, every read gives one of the two whole histories."""
    store = CandleStore(tmp_path)
    store.write(market())
    code = (
        "import sys, pathlib; from tests.market.frames import market; from huracan.market import CandleStore\n"
        "store = CandleStore(pathlib.Path(sys.argv[1])); print('ready', flush=True)\n"
        "for turn in range(60): store.write(market(seed=1 + turn % 2))"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    known = {market(seed=1).fingerprint(), market(seed=2).fingerprint()}
    seen = set()
    until = time.monotonic() + 60
    while writer.poll() is None and time.monotonic() < until:
        seen.add(store.read("ADA/USDT", "1m").fingerprint())
    writer.stdout.close()
    assert writer.wait() == 0
    assert seen <= known


def test_real_candles_or_their_like_are_read(tmp_path):
    """Real candles, where there are any, and synthetic ones always, are read from a flat folder."""
    folders = [path for path in (REAL / "1m", REAL / "1d") if path.is_dir()]
    write_candles(market(), tmp_path / "ADA-USDT.parquet")
    for path in (*folders, tmp_path):
        folder = open_folder(path)
        assert folder.timeframe in ("1m", "1d")
        candles = folder.read(folder.symbols[0])
        assert len(candles) > 500
        assert (np.diff(candles.timestamp) > 0).all()
