"""Downloads: what is on disk equals an undisturbed run, however the run went."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from huracan.config import DataSettings
from huracan.errors import DataError, VenueError
from huracan.market import SYNTHETIC_START_MS as START
from huracan.market import CandleStore, MarketShape, martingale, read_metadata, write_candles
from huracan.venue.history import download
from huracan.venue.public import PublicVenue
from tests.venue.loopback import FakeTime, LoopbackExchange

MINUTE = 60_000
BARS = 12_345
LISTED = START + 777 * MINUTE


def history(symbol="ADA/USDT", seed=1, bars=BARS):
    """Return a history with a hole of the venue's own in it, listed at `LISTED`."""
    whole = martingale(MarketShape(symbol, start_ms=LISTED, silent_frac=0.05), bars, seed)
    first, second = whole.between(0, LISTED + 5_000 * MINUTE), whole.between(LISTED + 5_050 * MINUTE, 2**62)
    columns = {
        name: np.concatenate([values, second.rows().columns[name]]) for name, values in first.rows().columns.items()
    }
    return type(whole)(symbol, "1m", np.concatenate([first.timestamp, second.timestamp]), **columns)


ADA, DOT = history(), history("DOT/USDT", 2, 3_000)
END = LISTED + BARS * MINUTE


@pytest.fixture
def exchange():
    """A loopback exchange whose clock stands in the middle of the last minute."""
    with LoopbackExchange([ADA, DOT], END - MINUTE // 2) as found:
        yield found


def run(exchange, folder, start=None, end=None, symbols=("ADA/USDT",), progress=None):
    """Download with a clock that never really waits."""
    clock = FakeTime()
    venue = PublicVenue(base_url=exchange.url, clock=clock, sleep=clock.sleep, timeout_ms=5_000)
    try:
        return download(DataSettings(), symbols, "1m", start, end, folder, venue, progress)
    finally:
        venue.close()


def held(folder, symbol="ADA/USDT"):
    """Return what the store holds."""
    return CandleStore(folder).read(symbol, "1m")


CLOSED = ADA.between(0, END - MINUTE)


def test_everything_closed_arrives_and_nothing_else(exchange, tmp_path):
    """From the listing to the last closed bar: every candle, bit for bit, the running one left out."""
    summary = run(exchange, tmp_path)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()
    done = summary.symbols[0]
    assert (done.bars, done.new_bars, done.missing_bars) == (len(CLOSED), len(CLOSED), 50)
    assert (done.first_ms, done.listed_ms, done.last_ms) == (LISTED, LISTED, END - 2 * MINUTE)
    assert done.path == CandleStore(tmp_path).path("ADA/USDT", "1m")
    assert summary.requests == len(exchange.requests)
    assert read_metadata(done.path) == {"exchange": "binance", "market": "ADAUSDT"}


def test_a_second_run_asks_for_nothing_it_has(exchange, tmp_path):
    """Running again fetches the listing alone and leaves the file as it is."""
    run(exchange, tmp_path)
    before = held(tmp_path).fingerprint()
    asked = len(exchange.klines_requests)
    done = run(exchange, tmp_path).symbols[0]
    assert done.new_bars == 0
    assert len(exchange.klines_requests) == asked + 1
    assert held(tmp_path).fingerprint() == before


def test_a_file_of_one_candle_is_gone_on_with(exchange, tmp_path):
    """A coin listed a minute ago has one candle; the next run appends to it as to any other file."""
    run(exchange, tmp_path, LISTED, LISTED + MINUTE)
    assert held(tmp_path).fingerprint() == ADA.between(0, LISTED + MINUTE).fingerprint()
    assert run(exchange, tmp_path).symbols[0].new_bars == len(CLOSED) - 1
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()


def test_it_prepends_and_appends(exchange, tmp_path):
    """A middle, then an earlier start, then a later end: together the same as in one go, and nothing asked twice."""
    at = [LISTED + bars * MINUTE for bars in (3_000, 4_000, 1_234, 11_000)]
    run(exchange, tmp_path, at[0], at[1])
    assert held(tmp_path).fingerprint() == ADA.between(at[0], at[1]).fingerprint()
    run(exchange, tmp_path, at[2], at[1])
    assert held(tmp_path).fingerprint() == ADA.between(at[2], at[1]).fingerprint()
    assert run(exchange, tmp_path, at[0], at[3]).symbols[0].new_bars == len(ADA.between(at[1], at[3]))
    assert held(tmp_path).fingerprint() == ADA.between(at[2], at[3]).fingerprint()
    run(exchange, tmp_path)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()


def test_a_range_apart_from_the_file_is_joined_to_it(exchange, tmp_path):
    """A range that does not touch what is held is fetched together with what lies between: no hole of our own."""
    run(exchange, tmp_path, LISTED + 9_000 * MINUTE, LISTED + 9_100 * MINUTE)
    run(exchange, tmp_path, LISTED, LISTED + 100 * MINUTE)
    assert held(tmp_path).fingerprint() == ADA.between(LISTED, LISTED + 9_100 * MINUTE).fingerprint()


def test_a_start_before_the_listing_is_the_listing(exchange, tmp_path):
    """Nothing is asked for before the first candle there is; a range wholly before it leaves no file."""
    done = run(exchange, tmp_path, LISTED - 10**9, LISTED - 10**8).symbols[0]
    assert (done.path, done.bars, done.listed_ms) == (None, 0, LISTED)
    run(exchange, tmp_path, LISTED - 10**9, LISTED + 10 * MINUTE)
    assert held(tmp_path).timestamp[0] == LISTED
    assert all(int(params["startTime"]) in (0, LISTED) for params in exchange.klines_requests)


def test_a_delisted_market_and_a_long_pause_cost_one_question_each(tmp_path):
    """Hundreds of empty pages are not asked for, and what lies behind a pause arrives from either side."""
    early, late = martingale(MarketShape("OLD/USDT", start_ms=START), 1_500, 3), START + 900_000 * MINUTE
    rest = martingale(MarketShape("OLD/USDT", start_ms=late), 1_500, 4)
    columns = {
        name: np.concatenate([values, rest.rows().columns[name]]) for name, values in early.rows().columns.items()
    }
    both = type(early)("OLD/USDT", "1m", np.concatenate([early.timestamp, rest.timestamp]), **columns)
    with LoopbackExchange([both], late + 900_000 * MINUTE) as venue:
        run(venue, tmp_path / "forth", symbols=("OLD/USDT",))
        assert held(tmp_path / "forth", "OLD/USDT").fingerprint() == both.fingerprint()
        assert len(venue.klines_requests) < 12
        run(venue, tmp_path / "back", late + 500 * MINUTE, None, ("OLD/USDT",))
        run(venue, tmp_path / "back", None, None, ("OLD/USDT",))
        assert held(tmp_path / "back", "OLD/USDT").fingerprint() == both.fingerprint()


def test_faults_on_the_way_change_nothing(exchange, tmp_path):
    """With 429, 500, resets, cut, short, shuffled and garbage replies the result equals an undisturbed run."""
    exchange.faults.extend(
        [None, "429", "short", "500", "reset", None, "cut", "short", "html", "garbage", "shuffled"] * 2
    )
    run(exchange, tmp_path)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()
    assert not exchange.faults


def test_a_venue_that_fails_for_good_keeps_what_came(exchange, tmp_path):
    """When the venue gives up in the middle, the candles so far are on disk, and the next run goes on from there."""
    exchange.faults.extend([None] * 5 + ["500"] * 7)
    with pytest.raises(VenueError, match="run again to resume"):
        run(exchange, tmp_path)
    partial = held(tmp_path)
    assert partial.fingerprint() == ADA.between(0, LISTED + 4_000 * MINUTE).fingerprint()
    assert run(exchange, tmp_path).symbols[0].new_bars == len(CLOSED) - len(partial)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()


def test_an_interrupted_prepend_leaves_one_span(exchange, tmp_path):
    """A failure while prepending leaves a span without a hole, so that the next run knows what is missing."""
    run(exchange, tmp_path, LISTED + 8_000 * MINUTE, LISTED + 8_100 * MINUTE)
    exchange.faults.extend([None] * 3 + ["500"] * 7)
    with pytest.raises(VenueError):
        run(exchange, tmp_path)
    span = held(tmp_path)
    assert span.fingerprint() == ADA.between(int(span.timestamp[0]), LISTED + 8_100 * MINUTE).fingerprint()
    assert span.timestamp[0] < LISTED + 8_000 * MINUTE
    run(exchange, tmp_path)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()


def test_ctrl_c_keeps_whole_files_and_the_next_run_goes_on(exchange, tmp_path):
    """Ctrl-C after some pages writes them, leaves no partial file, and the next run completes the span."""

    def interrupt(symbol: str, fetched: int, wanted: int) -> None:
        if fetched >= 3_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(exchange, tmp_path, progress=interrupt)
    assert [path.name for path in (tmp_path / "1m").iterdir()] == ["ADA-USDT.parquet"]
    assert held(tmp_path).fingerprint() == ADA.between(0, LISTED + 3_000 * MINUTE).fingerprint()
    run(exchange, tmp_path)
    assert held(tmp_path).fingerprint() == CLOSED.fingerprint()


def test_progress_ends_with_the_span(exchange, tmp_path):
    """Progress counts up to the bars that the span could hold, less those the venue lacks."""
    seen = []
    run(exchange, tmp_path, progress=lambda symbol, fetched, wanted: seen.append((symbol, fetched, wanted)))
    assert [fetched for _, fetched, _ in seen] == sorted(fetched for _, fetched, _ in seen)
    assert seen[-1] == ("ADA/USDT", len(CLOSED), BARS - 1)


def test_several_symbols_and_all_names_are_checked_first(exchange, tmp_path):
    """Symbols have files of their own; an unknown one stops the run before the first candle is fetched."""
    with pytest.raises(DataError, match="XXX/USDT is unknown to binance"):
        run(exchange, tmp_path, symbols=("ADA/USDT", "XXX/USDT"))
    assert exchange.klines_requests == []
    summary = run(exchange, tmp_path, symbols=("ADA/USDT", "DOT/USDT", "ADA/USDT"))
    assert [done.symbol for done in summary.symbols] == ["ADA/USDT", "DOT/USDT"]
    assert held(tmp_path, "DOT/USDT").fingerprint() == DOT.fingerprint()


def test_candles_of_another_origin_are_not_mixed(exchange, tmp_path):
    """A file that did not come from this exchange and market is left alone, in one line."""
    path = CandleStore(tmp_path).path("ADA/USDT", "1m")
    write_candles(ADA.between(0, LISTED + 100 * MINUTE), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"does not come from binance ADAUSDT .* are not mixed"):
        run(exchange, tmp_path)
    assert path.read_bytes() == before


def test_impossible_requests_are_one_line(exchange, tmp_path):
    """An unknown timeframe, an empty range and no symbol are refused before anything is sent."""
    with pytest.raises(DataError, match="timeframe '1M' is unknown"):
        download(DataSettings(), ["ADA/USDT"], "1M", None, None, tmp_path)
    with pytest.raises(DataError, match="is empty; let the start lie before the end"):
        run(exchange, tmp_path, END, LISTED)
    with pytest.raises(DataError, match="no symbol to download"):
        run(exchange, tmp_path, symbols=())
    assert exchange.requests == []


KILLED = """
import sys
from pathlib import Path
from huracan.config import DataSettings
from huracan.venue import history
from huracan.venue.history import download
history._PAGES_PER_WRITE = 2
download(DataSettings(exchange_url=sys.argv[1]), ["ADA/USDT"], "1m", None, None, Path(sys.argv[2]))
"""


def test_killed_in_the_middle_and_run_again_equals_an_undisturbed_run(exchange, tmp_path):
    """A process killed with SIGKILL between two pages leaves a whole file; the next run makes it the same bytes."""
    exchange.hang_after = 8
    process = subprocess.Popen([sys.executable, "-c", KILLED, exchange.url, tmp_path / "killed"])
    assert exchange.hanging.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    exchange.hang_after = None
    partial = held(tmp_path / "killed")
    assert 0 < len(partial) < len(CLOSED)
    assert partial.fingerprint() == ADA.between(0, int(partial.timestamp[-1]) + 1).fingerprint()
    run(exchange, tmp_path / "killed")
    run(exchange, tmp_path / "calm")
    calm, killed = (tmp_path / name / "1m" / "ADA-USDT.parquet" for name in ("calm", "killed"))
    assert killed.read_bytes() == calm.read_bytes()
    assert held(tmp_path / "killed").fingerprint() == CLOSED.fingerprint()
