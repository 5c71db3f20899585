"""Where a trader runs: on a serve cluster only when one is up, and nothing is asked of Ray to know it.

What it goes by there is what is served; a start that says something else is refused before any cluster is asked.
"""

from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.commands.hosted import agree, served_at, stop_hosted
from huracan.config import load_settings
from huracan.terminal import Terminal, run
from serve.surroundings import keep_settings


def test_without_serve_up_there_is_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it was brought up, and not when what was brought up has died."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    settings = load_settings(None, {}, {})
    assert served_at(settings) is None
    keep_settings(settings, "postgresql://nobody@/nothing", tmp_path)
    assert served_at(settings) is None
    assert stop_hosted(settings) is None


def test_a_configured_cluster_counts_once_something_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's cluster alone is no reason to trade on it."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    settings = load_settings(None, {"ray.address": "10.0.0.1:6379"}, {})
    assert served_at(settings) is None
    keep_settings(settings, "postgresql://nobody@/nothing", tmp_path)
    assert served_at(settings) == "10.0.0.1:6379"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home on which something is served with settings of its own, on a cluster that nobody has."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__RAY__ADDRESS", "127.0.0.1:1")
    served = {"risk.max_open_trades": 7, "execution.account": "served", "execution.url": "http://127.0.0.1:18700"}
    keep_settings(load_settings(None, served), "postgresql://nobody@/nothing", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--set", "risk.max_open_trades=1"], "risk.max_open_trades"),
        (["--set", "risk.max_open_trades=1", "--set", "trading.stake_amount=5"], "risk.max_open_trades, trading.stake"),
        (["--account", "other"], "execution.account"),
        (["--set", "execution.account=other"], "execution.account"),
        (["--set", "execution.url=http://127.0.0.1:9"], "execution.url"),
    ],
)
def test_settings_other_than_those_served_are_refused_by_name(
    home: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, in one line that says what differs and what to do."""
    assert run(cli, ["trade", "start", "--paper", *words]) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert f": {named}" in line
    assert "`huracan serve down`, then `huracan serve up`" in line


def test_a_file_and_the_environment_are_refused_like_options(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it is said."""
    path = home / "other.yaml"
    path.write_text("risk:\n  drawdown_max_frac: 0.1\n", encoding="utf-8")
    assert run(cli, ["trade", "start", "--paper", "--config", str(path)]) == 3
    assert "risk.drawdown_max_frac;" in capsys.readouterr().err
    monkeypatch.setenv("HURACAN__RISK__DAILY_LOSS_MAX", "50")
    assert run(cli, ["trade", "start", "--paper"]) == 3
    assert "risk.daily_loss_max;" in capsys.readouterr().err


def test_a_port_of_metrics_is_refused_where_it_would_have_no_effect(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray's agents tell the figures of what runs on the cluster."""
    assert run(cli, ["trade", "start", "--paper", "--metrics-port", "0"]) == 2
    assert "--metrics-port has no effect on the serve cluster" in capsys.readouterr().err


def test_a_start_that_says_the_same_or_nothing_goes_by_what_is_served(home: Path) -> None:
    """Also what `serve up` had by options; addresses and markets by the start's own options may differ."""
    found = agree(Terminal(), {}, None)
    assert (found.risk.max_open_trades, found.execution.account) == (7, "served")
    same = agree(Terminal(assignments={"risk.max_open_trades": 7, "ppo.lr": 1e-5}), {}, "served")
    assert same.risk.max_open_trades == 7
    given = {"execution.url": "http://127.0.0.1:18710", "data.symbols": ["BTC/USDT"]}
    other = agree(Terminal(), given, None)
    assert (other.execution.url, other.data.symbols) == ("http://127.0.0.1:18710", ("BTC/USDT",))
