"""`huracan paper-exchange` as a process: its first line, its last line, its state, what it refuses, and its manual."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ccxt
import numpy as np
import pytest

from huracan.cli import cli
from huracan.market import read_candles
from huracan.terminal import run
from tests.paper.serving import BARS, SYMBOLS, candles, start_ms, write_store

CHECKOUT = Path(__file__).parents[2]
PROGRAM = str(Path(sys.executable).with_name("huracan"))
START = "2025-01-02T01:00:00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of candles."""
    return write_store(tmp_path_factory.mktemp("candles"))


def environment(home: Path) -> dict[str, str]:
    """Return the process's environment with another home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HURACAN")}
    return kept | {"HURACAN_HOME": str(home), "PATH": f"{Path(PROGRAM).parent}:{kept['PATH']}"}


@contextmanager
def started(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start the exchange as a user does and yield the process and its first line."""
    process = subprocess.Popen(
        [PROGRAM, "paper-exchange", "--json", "--port", "0", *words],
        env=environment(home),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal and return exit code and stderr."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert out == ""
    return process.returncode, err


def client(facts: dict[str, Any], account: str = "main") -> ccxt.binance:
    """Return a ccxt client with the keys of an account."""
    key = json.loads(Path(facts["keys"]).read_text())["accounts"][account]
    rest = f"{facts['url']}/api/v3"
    return ccxt.binance(
        {
            "apiKey": key["api_key"],
            "secret": key["secret"],
            "enableRateLimit": False,
            "urls": {"api": {"public": rest, "private": rest, "sapi": rest}},
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
        }
    )


def test_it_says_where_it_is_and_ends_when_told(tmp_path: Path, folder: Path) -> None:
    """One JSON line with addresses, keys and times; SIGTERM is exit 0 and one line."""
    with started(tmp_path, "--data", str(folder), "--speed", "60x", "--account", "a", "--account", "b") as (
        process,
        facts,
    ):
        assert facts["url"].startswith("http://127.0.0.1:")
        assert facts["ws_url"] == facts["url"].replace("http", "ws") + "/stream/ws"
        assert facts["ws_api_url"] == facts["url"].replace("http", "ws") + "/ws-api/v3"
        assert (facts["mode"], facts["speed"], facts["timeframe"]) == ("replay", 60.0, "1m")
        assert (facts["symbols"], facts["accounts"]) == (list(SYMBOLS), ["a", "b"])
        assert facts["first_ms"] < facts["now_ms"] < facts["end_ms"] == facts["first_ms"] + BARS * 60_000
        assert Path(facts["keys"]) == tmp_path / "paper" / "keys.json"
        assert Path(facts["keys"]).stat().st_mode & 0o777 == 0o600
        assert client(facts, "b").fetch_balance()["USDT"]["free"] == 100_000
        code, err = ended(process, signal.SIGTERM)
        assert (code, err) == (0, "paper exchange closed, nothing was saved\n")


def test_its_state_outlives_it(tmp_path: Path, folder: Path) -> None:
    """An open order is there after Ctrl-C and another start; another seed is refused and changes nothing."""
    words = ["--data", str(folder), "--lockstep", "--state", str(tmp_path / "state"), "--balance", "USDT=500"]
    with started(tmp_path, *words) as (process, facts):
        exchange = client(facts)
        placed = exchange.create_order("BTC/USDT", "limit", "buy", "1", "50", {"clientOrderId": "before"})
        code, err = ended(process, signal.SIGINT)
        assert code == 130
        assert err == f"error: interrupted; paper exchange closed, state saved in {tmp_path / 'state'}\n"
    saved = (tmp_path / "state").read_bytes()
    refused = subprocess.run(
        [PROGRAM, "paper-exchange", *words, "--seed", "8"], env=environment(tmp_path), capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "was saved by an exchange with other candles, accounts, start, seed or rules" in refused.stderr
    assert (tmp_path / "state").read_bytes() == saved
    with started(tmp_path, *words) as (process, facts):
        exchange = client(facts)
        open_orders = exchange.fetch_open_orders("BTC/USDT")
        assert [(one["id"], one["clientOrderId"]) for one in open_orders] == [(placed["id"], "before")]
        assert exchange.fetch_balance()["USDT"] == {"free": 450.0, "used": 50.0, "total": 500.0}
        assert ended(process, signal.SIGTERM)[0] == 0


def test_limits_and_faults_are_given_at_the_start(tmp_path: Path, folder: Path) -> None:
    """Two orders per 10 s and no third; a market that is halted from the beginning."""
    (tmp_path / "faults.json").write_text('{"halted": ["ADAUSDT"]}')
    words = ["--data", str(folder), "--lockstep", "--order-limit", "2", "--weight-limit", "100"]
    with started(tmp_path, *words, "--faults", str(tmp_path / "faults.json")) as (_, facts):
        exchange = client(facts)
        markets = exchange.load_markets()
        assert {symbol: known["active"] for symbol, known in markets.items()} == {"ADA/USDT": False, "BTC/USDT": True}
        limits = exchange.public_get_exchangeinfo()["rateLimits"]
        told = {(one["rateLimitType"], one["interval"]): one["limit"] for one in limits}
        assert told["REQUEST_WEIGHT", "MINUTE"] == 100
        assert (told["ORDERS", "SECOND"], told["ORDERS", "DAY"]) == (2, 4_000)
        for _ in range(2):
            exchange.create_order("BTC/USDT", "limit", "buy", "1", "50")
        with pytest.raises(ccxt.DDoSProtection):
            exchange.create_order("BTC/USDT", "limit", "buy", "1", "50")


def test_limits_grow_with_the_pace(tmp_path: Path, folder: Path) -> None:
    """A client at sixty times the market's pace does in a minute what it otherwise does in an hour."""
    with started(tmp_path, "--data", str(folder), "--speed", "60x") as (_, facts):
        limits = client(facts).public_get_exchangeinfo()["rateLimits"]
    told = {(one["rateLimitType"], one["interval"]): one["limit"] for one in limits}
    assert (told["REQUEST_WEIGHT", "MINUTE"], told["ORDERS", "SECOND"]) == (360_000, 6_000)


def test_candles_are_downloaded_from_it(tmp_path: Path, folder: Path) -> None:
    """`data download` over HTTP gives the candles back, bit for bit, up to the market's time and none beyond."""
    with started(tmp_path, "--data", str(folder), "--lockstep", "--start", START) as (_, facts):
        told = [f"data.exchange_url={facts['url']}", f"data.folder={tmp_path / 'store'}"]
        words = ["data", "download", "BTC/USDT", "--timeframe", "1m", "--set", told[0], "--set", told[1], "--json"]
        done = subprocess.run([PROGRAM, *words], env=environment(tmp_path), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        got = read_candles(tmp_path / "store" / "1m" / "BTC-USDT.parquet")
        known = candles("BTC/USDT").between(0, facts["now_ms"])
        assert facts["now_ms"] == 1_735_779_600_000
        assert np.array_equal(got.timestamp, known.timestamp)
        for name in ("open", "high", "low", "close", "volume", "trades", "taker_buy_volume"):
            assert np.array_equal(getattr(got, name), getattr(known, name)), name
        assert np.abs(got.quote_volume - known.quote_volume).max() <= 1e-8  # eight decimals on the wire


def test_people_get_a_sentence(tmp_path: Path, folder: Path) -> None:
    """Address, pace, markets, times, and where the keys are; no secret."""
    process = subprocess.Popen(
        [PROGRAM, "paper-exchange", "--data", str(folder), "--lockstep", "--port", "0"],
        env=environment(tmp_path), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert re.match(r"paper exchange on http://127.0.0.1:\d+, lock-step: 2 markets of 1m candles, 2025-01-0", line)
    assert str(tmp_path / "paper" / "keys.json") in line
    assert json.loads((tmp_path / "paper" / "keys.json").read_text())["admin_token"] not in line
    assert ended(process, signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--data", "/nowhere"], "/nowhere: there is no such folder"),
        ([], "no folder of candles; give --data, or set data.folder"),
        (["--data", "FOLDER", "--symbol", "XRP/USDT"], "no candles of XRP/USDT; found ADA/USDT, BTC/USDT"),
        (["--data", "FOLDER", "--speed", "fast"], "speed 'fast' is no speed; give market seconds per wall second"),
        (["--data", "FOLDER", "--speed", "0"], "speed '0' is no speed"),
        (["--data", "FOLDER", "--speed", "2x", "--lockstep"], "--lockstep has no speed"),
        (["--data", "FOLDER", "--start", "soon"], "'soon' is no date"),
        (["--data", "FOLDER", "--start", "2030-01-01"], "lies outside the candles; give one from 2025-01-01"),
        (["--data", "FOLDER", "--balance", "USDT"], "--balance USDT: not of the form ASSET=AMOUNT"),
        (["--data", "FOLDER", "--balance", "USDT=-1"], "--balance USDT=-1: not of the form"),
        (["--data", "FOLDER", "--balance", "USDT=nan"], "--balance USDT=nan: not of the form"),
        (["--data", "FOLDER", "--faults", "/nowhere"], "/nowhere cannot be read"),
        (["--data", "FOLDER", "--faults", "FAULTS"], "faults cannot be read"),
        (["--data", "FOLDER", "--keys", "FAULTS"], "can be read by others than its owner"),
        (["--data", "FOLDER", "--state", "FAULTS"], "is no saved state of a paper exchange"),
        (["--data", "FOLDER", "--port", "70000"], "70000 is not in the range"),
        (["--data", "FOLDER", "--port", "TAKEN"], "is in use; give another --port"),
        (["--data", "FOLDER", "--host", "192.0.2.1", "--port", "0"], "give an address of this machine"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_line(
    words: list[str], line: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Exit code 2, nothing on stdout."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    (tmp_path / "faults.json").write_text('{"no_such_fault": 1}')
    (tmp_path / "faults.json").chmod(0o644)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        places = {"FOLDER": str(folder), "FAULTS": str(tmp_path / "faults.json"), "TAKEN": port}
        assert run(cli, ["paper-exchange", *(places.get(word, word) for word in words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert line in shown.err


def test_every_command_of_its_page_runs_as_written(tmp_path: Path) -> None:
    """docs/paper-exchange.md, its blocks one after another in one shell; every exit code is 0."""
    page = (CHECKOUT / "docs" / "paper-exchange.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == 5
    told = environment(tmp_path / ".huracan")
    done = subprocess.run(
        ["bash", "-c", "set -e\n" + "\n".join(blocks)],
        cwd=tmp_path, env=told, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "open\ncanceled\n" in done.stdout
    assert done.stderr.count("paper exchange closed, state saved in build/paper/") == 2


def test_the_default_start_is_a_midnight(folder: Path, tmp_path: Path) -> None:
    """The one before the middle of the candles."""
    with started(tmp_path, "--data", str(folder), "--lockstep") as (_, facts):
        assert facts["now_ms"] == start_ms() // 86_400_000 * 86_400_000
