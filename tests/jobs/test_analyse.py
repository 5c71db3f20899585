"""The command: what it says without trades, and its tables for people."""

import json
from pathlib import Path

import pytest

from huracan.terminal import Terminal, run
from jobs.analyse import _tables, program
from jobs.explain import Done
from tests.analysis.sample import sample_analysis


def test_a_home_without_runs_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and no database is made for it."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    assert run(program, ["--json"], "huracan analyse") == 2
    assert "no training is finished; run `huracan train` first" in capsys.readouterr().err
    assert not (tmp_path / "home" / "postgres").exists()


def test_the_tables_say_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """Causes with their base rates, luck as luck, regimes with intervals, proposals with their verdict, gaps."""
    _tables(Terminal(), (Done(sample_analysis(), 23, 1.25),))
    out = capsys.readouterr().out
    for words in (
        "11 closed trades, 10 analysed in 1.2 s, 23 rows new or changed",
        "beyond chance: +13.0 bp a trade [-4.0, +30.0], +3.5 after shrinkage; p 0.120",
        "6 losses, 2 unexplained",
        "shock_in_favour (luck)",
        "30%",
        "calm, sideways",
        "(no interval)",
        "30 (not proven to pay)",
        "hold: refused; later days: -3.0 bp",
        "not known: 1 of 11 trades ended with their data",
    ):
        assert words in out, words


def test_without_trades_there_is_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    """The policy chose not to trade."""
    _tables(Terminal(), ())
    assert "there is nothing to analyse" in capsys.readouterr().out


def test_json_is_the_whole_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get every figure."""
    Terminal(as_json=True).show((Done(sample_analysis(), 0, 0.5),), "")
    (one,) = json.loads(capsys.readouterr().out)
    assert one["analysis"]["causes"][0]["name"] == "cost"
    assert one["analysis"]["proposals"][1]["status"] == "refused"
