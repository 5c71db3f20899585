"""`huracan trade replay`: a day replayed to a report, and what cannot be replayed said in one line."""

import json
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.terminal import run
from tests.trader.replayed import RULES, write_candles

ENTER = '{"every": 4, "symbol": "BTC/USDT", "action": "ENTER_LONG_NORMAL"}\n'
EXIT = '{"every": 4, "offset": 3, "symbol": "BTC/USDT", "action": "EXIT"}\n'
SETTINGS = [word for name, value in RULES.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventeen days of two markets."""
    return write_candles(tmp_path_factory.mktemp("candles"))


def test_a_day_becomes_a_report(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table on the terminal, the page and the JSON hold the same headline; nothing but that is written."""
    words = ["trade", "replay", "--data", str(folder), "--day", "2025-01-17", "--out", str(tmp_path / "out")]
    assert run(cli, [*words, *SETTINGS]) == 0
    said = capsys.readouterr()
    read = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert said.out.startswith(read["headline"])
    assert "maker-first" in said.out
    assert str(tmp_path / "out" / "report.html") in said.out
    assert said.err == ""
    assert read["symbols"] == ["ADA/USDT", "BTC/USDT"]
    assert read["end_ms"] - read["start_ms"] == 86_400_000
    assert read["decider"] == "momentum over 60 bars"
    assert read["maker"]["total"]["orders"] > read["taker"]["total"]["orders"] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


def test_a_script_decides_in_its_own_markets(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --symbol the script's are replayed; --json writes the report itself; the same again is the same."""
    script = tmp_path / "script.jsonl"
    script.write_text(ENTER + EXIT, encoding="utf-8")
    words = [
        "trade",
        "replay",
        "--data",
        str(folder),
        "--script",
        str(script),
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    assert run(cli, [*words, *SETTINGS]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["symbols"] == ["BTC/USDT"]
    assert first["decider"] == f"script {script}"
    assert first["taker"]["total"]["entries"] >= 20
    assert run(cli, [*words, *SETTINGS]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["maker"]["total"] == first["maker"]["total"]
    assert again["differences"] == first["differences"]


def test_settings_reach_the_replay(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A maker fee of 2 bp shows in the fees of maker-first entries, and the caveat of equal fees is gone."""
    words = ["trade", "replay", "--data", str(folder), "--symbol", "BTC/USDT", "--out", str(tmp_path), "--json"]
    assert run(cli, [*words, *SETTINGS, "--set", "trading.fee_maker_ppm=200"]) == 0
    read = json.loads(capsys.readouterr().out)
    maker, taker = read["maker"]["total"]["fee"]["value"], read["taker"]["total"]["fee"]["value"]
    assert maker < 0.9 * taker
    assert taker == pytest.approx(10.0, abs=0.01)
    assert not any("both pay" in caveat for caveat in read["caveats"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--data", "/nowhere"], "/nowhere: there is no such folder"),
        ([], "no folder of candles; give --data, or set data.folder"),
        (["--data", "FOLDER", "--symbol", "XRP/USDT"], "no candles of XRP/USDT; found ADA/USDT, BTC/USDT"),
        (["--data", "FOLDER", "--symbol", "ADA/USDT:USDT"], "ADA/USDT:USDT is no spot market"),
        (["--data", "FOLDER", "--day", "yesterday"], "yesterday"),
        (["--data", "FOLDER", "--day", "2025-03-01"], "choose another --day"),
        (["--data", "FOLDER", "--day", "2025-01-02"], "need 1363 to be warm; choose a later --day"),
        (["--data", "FOLDER", "--days", "0"], "0 is not in the range"),
        (["--data", "FOLDER", "--script", "/nowhere"], "script /nowhere cannot be read"),
        (
            ["--data", "FOLDER", "--script", "SCRIPT", "--symbol", "ADA/USDT"],
            "the script trades BTC/USDT, which",
        ),
        (["--data", "FOLDER", "--out", "SCRIPT"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_clear_line(
    folder: Path, tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one line that says what was found and what to do, and no report."""
    script = tmp_path / "script.jsonl"
    script.write_text(ENTER, encoding="utf-8")
    places = {"FOLDER": str(folder), "SCRIPT": str(script)}
    given = [places.get(word, word) for word in words]
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    assert run(cli, ["trade", "replay", *given, *out, *SETTINGS]) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (tmp_path / "out").exists()
