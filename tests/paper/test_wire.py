"""What crosses the door."""

from dataclasses import FrozenInstanceError

import pytest

from huracan.paper import DropHow, Reply, Request, StreamEvent


def test_headers_are_found_in_any_case() -> None:
    """HTTP header names have no case."""
    request = Request("GET", "/", headers={"x-mbx-apikey": "k"})
    assert request.header("X-MBX-APIKEY") == "k"
    assert request.header("Retry-After") is None


@pytest.mark.parametrize(
    ("fact", "name"),
    [(Request("GET", "/"), "body"), (Reply(200, {}, ""), "body"), (StreamEvent("user", "anna", {}), "seq")],
)
def test_what_was_sent_cannot_be_changed(fact: object, name: str) -> None:
    """Requests, replies and events are facts."""
    with pytest.raises(FrozenInstanceError):
        setattr(fact, name, "other")


def test_a_reply_is_sent_whole_unless_told_otherwise() -> None:
    """Three ways to spoil it."""
    assert Reply(200, {}, "").drop is None
    assert set(DropHow) == {"TIMEOUT", "RESET", "TRUNCATED"}
