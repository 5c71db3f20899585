"""`python -m jobs.download` as a process: results, exit codes, one line per failure, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys

import pytest

from huracan.market import SYNTHETIC_START_MS as START
from huracan.market import CandleStore, MarketShape, martingale
from huracan.terminal import run
from jobs.download import program
from tests.paper import serving as paper
from tests.venue.loopback import LoopbackExchange

BARS = 3_500
ADA = martingale(MarketShape("ADA/USDT"), BARS, 1)


@pytest.fixture
def exchange():
    """A loopback exchange with one market, all of its candles closed."""
    with LoopbackExchange([ADA], START + BARS * 60_000) as found:
        yield found


def job(exchange, *arguments, **environment):
    """Start the job against the loopback exchange."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.download", *map(str, arguments)],
        env={**os.environ, "HURACAN__DATA__EXCHANGE_URL": exchange.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_the_job_fills_the_store_and_says_what_it_holds(exchange, kind, tmp_path, object_store):
    """The job exits 0, its JSON holds the figures, the store holds the candles of the range; the next one goes on."""
    folder = tmp_path if kind == "disk" else object_store.bucket("downloaded") / "candles"
    words = ("ADA/USDT", "--start", "2025-01-01", "--folder", folder, "--json")
    day = 1_440
    for end, days in (("2025-01-02", 1), ("2025-01-03", 2)):
        process = job(exchange, *words, "--end", end)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        summary = json.loads(out)
        (found,) = summary["symbols"]
        assert (found["symbol"], found["bars"], found["new_bars"]) == ("ADA/USDT", days * day, day)
        assert summary["folder"] == str(folder)
        wanted = ADA.between(0, START + days * 86_400_000).fingerprint()
        assert CandleStore(folder).read("ADA/USDT", "1m").fingerprint() == wanted


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "message"),
    [
        (["XXX/USDT", "--folder", "FOLDER"], {}, 2, "symbol XXX/USDT is unknown to binance"),
        (["ADA/USDT", "--timeframe", "7m", "--folder", "FOLDER"], {}, 2, "timeframe '7m' is unknown"),
        (["ADA/USDT", "--start", "yesterday", "--folder", "FOLDER"], {}, 2, "'yesterday' is no date"),
        (["ADA/USDT"], {}, 2, "no folder to download to"),
        (["ADA/USDT", "--folder", "data"], {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}, 2, "give an absolute folder"),
        (["ADA/USDT", "--folder", "FOLDER"], {"HURACAN__DATA__EXCHANGE": "kraken"}, 2, "not supported for downloads"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    exchange, tmp_path, monkeypatch, capsys, arguments, environment, code, message
):
    """What cannot work ends with its exit code and one line on stderr, and leaves nothing on disk."""
    for name, value in {"HURACAN__DATA__EXCHANGE_URL": exchange.url, **environment}.items():
        monkeypatch.setenv(name, value)
    words = [str(tmp_path / "store") if word == "FOLDER" else word for word in arguments]
    assert run(program, words, "jobs.download") == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_whole_files_and_a_second_run_completes_them(exchange, tmp_path):
    """SIGINT in the middle exits 130 with what came on disk and nothing else; running again completes the history."""
    exchange.hang_after = 3
    process = job(exchange, "ADA/USDT", "--folder", tmp_path)
    assert exchange.hanging.wait(120)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert len(err.strip().splitlines()) == 1
    assert [path.name for path in (tmp_path / "1m").iterdir()] == ["ADA-USDT.parquet"]
    assert len(CandleStore(tmp_path).read("ADA/USDT", "1m")) == 2_000
    exchange.hang_after = None
    again = job(exchange, "ADA/USDT", "--folder", tmp_path)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert CandleStore(tmp_path).read("ADA/USDT", "1m").fingerprint() == ADA.fingerprint()


def test_the_paper_exchange_serves_the_candles_it_was_given(tmp_path):
    """Over HTTP a download brings every closed bar of the market's time, and not the one that is still open."""
    served = paper.exchange(lockstep=True)
    with paper.serving_in_a_thread(served) as server:
        process = job(server, "ADA/USDT", "--folder", tmp_path, "--json")
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    closed = paper.candles("ADA/USDT").between(0, paper.start_ms())
    got = CandleStore(tmp_path).read("ADA/USDT", "1m")
    assert json.loads(out)["symbols"][0]["bars"] == len(closed)
    for name in ("timestamp", "open", "high", "low", "close", "volume", "trades", "taker_buy_volume"):
        assert getattr(got, name).tolist() == getattr(closed, name).tolist(), name
    assert got.quote_volume == pytest.approx(closed.quote_volume, abs=1e-8)  # the protocol tells eight decimals
