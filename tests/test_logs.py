"""Logging: secrets never leave the process, and every event carries the run it belongs to."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from huracan import logs
from huracan.logs import (
    HIDDEN,
    ErrorFile,
    bind_run,
    collect_errors,
    configure_logging,
    get_logger,
    note_error,
    redact,
    redact_text,
)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _defaults() -> None:
    configure_logging("info")


def _events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql+psycopg2://u:hunter2@/d?host=/s", "postgresql+psycopg2://u:***@/d?host=/s"),
        ("two: redis://:hunter2@a/0 and https://x:y@b", "two: redis://:***@a/0 and https://x:***@b"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("https://h:8265/path", "https://h:8265/path"),
        ("postgresql://u:hun@ter2@h/d", "postgresql://u:***@h/d"),
    ],
)
def test_url_passwords_are_hidden(text: str, shown: str) -> None:
    """The password of every URL is replaced, also one that holds an @; a port is not taken for a password."""
    assert redact_text(text) == shown


def test_secrets_are_hidden_at_any_depth() -> None:
    """Secret types, secret-named keys and URL passwords are replaced inside mappings, lists and exceptions."""
    found = redact({"a": [SecretStr("hunter2"), {"api_key": "hunter2"}], "error": ValueError("at http://u:hunter2@h")})
    assert "hunter2" not in str(found)
    assert found["a"] == [HIDDEN, {"api_key": HIDDEN}]


def test_harmless_names_are_kept() -> None:
    """A key that merely contains the letters of a secret's name keeps its value."""
    assert redact({"tokens_per_s": 3, "entry_state": "x"}) == {"tokens_per_s": 3, "entry_state": "x"}


def test_events_go_to_stderr_as_json_without_secrets(capsys: Captured) -> None:
    """Away from a terminal an event is one JSON object with its fields, its level and a UTC time, secrets replaced."""
    get_logger().info("order.sent", quantity=3, url="http://u:hunter2@h", password="hunter2", key=SecretStr("hunter2"))
    captured = capsys.readouterr()
    (event,) = _events(captured.err)
    assert (event["event"], event["quantity"], event["level"]) == ("order.sent", 3, "info")
    assert str(event["timestamp"]).endswith("Z")
    assert "hunter2" not in captured.err
    assert captured.out == ""


def test_a_traceback_hides_secrets_too(capsys: Captured) -> None:
    """An exception logged with its traceback shows no URL password."""
    try:
        raise RuntimeError("cannot reach postgresql://u:hunter2@h/d")
    except RuntimeError:
        get_logger().exception("database.lost")
    shown = capsys.readouterr().err
    assert "RuntimeError" in shown
    assert "hunter2" not in shown


def test_the_run_is_bound_inside_its_block_only(capsys: Captured) -> None:
    """Events inside the block carry the run's number and fields, events after it do not."""
    with bind_run(7, phase="train"):
        get_logger().info("inside")
    get_logger().info("outside")
    inside, outside = _events(capsys.readouterr().err)
    assert (inside["run_id"], inside["phase"]) == (7, "train")
    assert "run_id" not in outside


def test_events_below_the_level_are_dropped(capsys: Captured) -> None:
    """Debug events appear only when the level is debug."""
    get_logger().debug("quiet")
    configure_logging("debug")
    get_logger().debug("loud")
    assert [event["event"] for event in _events(capsys.readouterr().err)] == ["loud"]


def test_a_full_disk_behind_the_log_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is lost; whoever logged it goes on, at any level."""
    with open("/dev/full", "w", buffering=1, encoding="utf-8") as full:
        monkeypatch.setattr("sys.stderr", full)
        for log in (get_logger().info, get_logger().warning, get_logger().error, get_logger().critical):
            log("feed.waits", reason="x" * 10_000)
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


@pytest.fixture
def collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder into which this process writes its warnings and errors; nothing of that stays."""
    monkeypatch.setenv(logs.ERRORS_VARIABLE, str(tmp_path))
    collect_errors("trader", tmp_path, 20_000)
    yield tmp_path / "events.jsonl"
    monkeypatch.setattr(logs, "_file", None)
    for name in ("", "ray.serve", "uvicorn.error"):
        logging.getLogger(name).removeHandler(logs._handler)


def test_warnings_and_errors_are_written_down_for_the_monitor_without_secrets(collected: Path) -> None:
    """Information is not; keys, passwords and what looks like a key are replaced wherever they stand."""
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    get_logger().info("order.sent")
    get_logger().warning("feed.waits", reason=f"GET https://u:hunter2@h/x?signature={key} failed", password="hunter2")
    try:
        raise RuntimeError(f"bad key {key}")
    except RuntimeError:
        get_logger().exception("trader.defect")
    logging.getLogger("ccxt").error("not %s", "ours", exc_info=ValueError("postgresql://u:hunter2@h/d"))
    rows = _events(collected.read_text())
    assert [(row["level"], row["event"]) for row in rows] == [
        ("warning", "feed.waits"), ("error", "trader.defect"), ("error", "log.ccxt")]  # fmt: skip
    assert all(row["process"] == "trader" for row in rows)
    assert "RuntimeError" in str(rows[1])
    shown = collected.read_text()
    assert "hunter2" not in shown
    assert key not in shown


def test_nothing_is_written_where_no_monitor_was_ever_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is the monitor's; logging goes on without it, and counts nothing as lost."""
    file = ErrorFile("p", tmp_path / "nowhere")
    file.write("error", "x", {})
    assert file.lost == 0
    assert not (tmp_path / "nowhere").exists()
    monkeypatch.delenv(logs.ERRORS_VARIABLE, raising=False)
    monkeypatch.setattr(logs, "_file", None)
    note_error("error", "x")


def test_what_finds_no_room_is_counted_and_told_of_later(collected: Path) -> None:
    """The file is full until the monitor takes it; a line is never longer than a few pages."""
    for number in range(200):
        get_logger().warning("w", number=number, long="word " * 1_000)
    assert collected.stat().st_size <= 20_000
    written = len(_events(collected.read_text()))
    collected.rename(collected.with_suffix(".taken"))
    get_logger().warning("w")
    (row,) = _events(collected.read_text())
    assert row["lost"] == 200 - written
    get_logger().warning("v", **{f"field{number}": "word " * 1_000 for number in range(50)})
    assert len(collected.read_text().splitlines()[-1]) < 16_000


def test_a_process_of_another_one_writes_where_that_one_does(collected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find the folder in their environment."""
    monkeypatch.setattr(logs, "_file", None)
    get_logger().error("worker.defect")
    assert _events(collected.read_text())[0]["event"] == "worker.defect"
