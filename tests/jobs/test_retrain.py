"""The retraining job from the outside: what it refuses in a line, and a kill that the next start mends."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.config import load_settings
from huracan.errors import HuracanError, UsageError
from huracan.learn.cycle import STEPS
from huracan.memory import (
    Registry,
    claim_scope,
    end_step,
    open_cycle,
    read_cycle,
    read_run,
    read_trades,
    read_version_days,
    start_step,
)
from huracan.memory.requests import file_request, requests_of_cycle, take_requests, waiting_requests
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE
from huracan.terminal import run
from jobs.retrain import nothing_to_do, program, retrain
from tests.jobs.cycles import NEXT_DAY, candles, job, left
from tests.venue.loopback import LoopbackExchange

pytestmark = pytest.mark.postgres
DAY = date(2025, 1, 21)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no folder of candles"),
        (["--data", "/nowhere", "--day", "tomorrow"], "'tomorrow' is no date"),
        (["--data", "/nowhere", "--day", "2999-01-01"], "lies in the future"),
        (["--data", "/nowhere", "--scope", "BTC"], "BTC"),
    ],
)
def test_bad_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    database: Engine,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    """Exit code 2, before a cycle is begun."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    assert run(program, words, "jobs.retrain") == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_day_that_is_done_is_done(database: Engine, tmp_path: Path) -> None:
    """The same day's command shows what was done; a second process, and another configuration, are told."""
    settings = load_settings(None, {"data.folder": str(tmp_path)}, environ={})
    cycle = open_cycle(database, "A/B", DAY, settings, "1")
    other = load_settings(None, {"data.folder": str(tmp_path), "ppo.lr": 1e-5}, environ={})
    with pytest.raises(UsageError, match=r"was begun with configuration .* or begin the day anew"):
        retrain(database, other, "A/B", DAY)
    for step in STEPS:
        start_step(database, cycle.cycle_id, step)
        end_step(database, cycle.cycle_id, step, 1.0, {"line": step})
    assert retrain(database, other, "A/B", DAY) == (read_cycle(database, cycle.cycle_id), True)
    with claim_scope(database, "A/B"), pytest.raises(UsageError, match="under way: retrain by"):
        retrain(database, settings, "A/B", DAY)


def test_on_request_alone_it_runs_when_it_was_asked_for_and_the_day_is_not_done(
    database: Engine, tmp_path: Path
) -> None:
    """Idle without a request; with one it has work, until the day's candles are used; a day begun is finished."""
    settings = load_settings(None, {"data.folder": str(tmp_path)}, environ={})
    assert nothing_to_do(database, "R/B", DAY) == "nothing has asked for a retraining of R/B"
    with database.begin() as connection:
        file_request(connection.connection.cursor(), "R/B", "drift of v1", None, 1_750_000_000_000, 0)
    assert nothing_to_do(database, "R/B", DAY) is None
    cycle = open_cycle(database, "R/B", DAY, settings, "1")
    take_requests(database, "R/B", cycle.cycle_id)
    assert nothing_to_do(database, "R/B", DAY) is None
    for step in STEPS:
        start_step(database, cycle.cycle_id, step)
        end_step(database, cycle.cycle_id, step, 1.0, {"line": step})
    assert nothing_to_do(database, "R/B", DAY) == "nothing has asked for a retraining of R/B"
    with database.begin() as connection:
        file_request(connection.connection.cursor(), "R/B", "drift of v2", None, 1_750_000_000_000, 0)
    said = nothing_to_do(database, "R/B", DAY)
    assert said is not None
    assert said.endswith("the request waits: drift of v2")
    assert nothing_to_do(database, "R/B", DAY.replace(day=22)) is None


def test_a_cycle_takes_up_what_was_asked_for_before_its_training(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken by the cycle that trains next, also when that fails at once; what comes after its training waits."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    settings = load_settings(None, {"data.folder": str(tmp_path), "retrain.download": False}, environ={})

    def ask(reason: str) -> None:
        with database.begin() as connection:
            file_request(connection.connection.cursor(), "Q/B", reason, None, 1_750_000_000_000, 0)

    ask("drift")
    cycle = open_cycle(database, "Q/B", DAY, settings, "1")
    start_step(database, cycle.cycle_id, "health_before")
    end_step(database, cycle.cycle_id, "health_before", 1.0, {"line": "x"})
    with pytest.raises(HuracanError):
        retrain(database, settings, "Q/B", DAY)
    assert [one.reason for one in requests_of_cycle(database, cycle.cycle_id)] == ["drift"]
    start_step(database, cycle.cycle_id, "train")
    ask("more drift")
    with pytest.raises(HuracanError):
        retrain(database, settings, "Q/B", DAY)
    assert [one.reason for one in waiting_requests(database, "Q/B")] == ["more drift"]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[LoopbackExchange]:
    """An exchange with three coins."""
    histories = candles(tmp_path / "histories")
    with LoopbackExchange(histories, int(histories[0].timestamp[-1]) + 300_000) as found:
        yield found


@pytest.mark.ray
@pytest.mark.timeout(900)
@pytest.mark.slow
def test_a_day_killed_in_the_middle_and_the_day_after(
    database: Engine, exchange: LoopbackExchange, tmp_path: Path
) -> None:
    """Killed after its shadow trading the day is finished; the next goes on from its weights, and counts its trial."""
    url = database.url.render_as_string(hide_password=False)
    home, data = tmp_path / "home", tmp_path / "candles"
    home.mkdir()

    def finished(*words: str) -> dict:
        process = job(home, data, url, exchange.url, *words)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err[-2_000:]
        return json.loads(out)

    process = job(home, data, url, exchange.url, "shadow", "undone")
    _, err = process.communicate(timeout=400)
    assert process.returncode == -9, err[-2_000:]
    trades = left(database)["trades"]
    report = finished()
    assert {row["step"]: row["starts"] for row in report["steps"]} == dict.fromkeys(STEPS, 1) | {"shadow": 2}
    assert left(database)["trades"] == trades
    asked = len(exchange.klines_requests)
    assert finished()["before"] is True
    assert len(exchange.klines_requests) == asked
    (version,) = report["outcomes"]["train"]["versions"]
    days = read_version_days(database, version)
    assert [row.day.isoformat() for row in days] == ["2025-01-17", "2025-01-18", "2025-01-19", "2025-01-20"]
    traded = read_trades(database, report["run_id"], policy=ENSEMBLE, account=COIN_ACCOUNT, mode="shadow")
    assert sum(row.trades for row in days) == int((traded.exit_reason != "end_of_data").sum()) > 0
    # equity also holds the dust that a sale leaves
    assert sum(row.net for row in days) == pytest.approx(report["outcomes"]["shadow"]["net"], abs=0.01)

    for _ in range(2):
        Registry(database).promote(version, "me", "by hand", forced=True)
    after = finished("--day", NEXT_DAY)
    assert after["outcomes"]["download"]["symbols"][0]["new_bars"] == 288
    training = after["outcomes"]["train"]
    assert (training["warm_from"], training["trials"], training["trials_on_candles"]) == (report["run_id"], 0, 1)
    assert read_run(database, after["run_id"]).search_run_id == report["run_id"]
    assert after["outcomes"]["gate"]["versions"][0]["report"]["tried"] == 3  # two versions and one trial
    (beside,) = after["outcomes"]["compare"]["versions"]
    assert (beside["champion"], beside["champion_proven"]) == (version, False)
    # its training ended on the 17th: a purge of 290 bars of five minutes, and the embargo, before its test of the 19th
    assert beside["comparison"]["days"] == 4
    assert beside["coins"] == ["BTC/USDT", "NUL1/USDT", "REV1/USDT"]
    assert f"champion {version}" in [row["check"] for row in after["outcomes"]["health_after"]["checks"]]
    assert [model.version for model in Registry(database).models("*") if model.stage == "champion"] == [version]
