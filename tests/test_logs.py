"""Logging: secrets never leave the process, and every event carries the run it belongs to."""

import json

import pytest
from pydantic import SecretStr

from huracan.logs import HIDDEN, bind_run, configure_logging, get_logger, redact, redact_text

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
