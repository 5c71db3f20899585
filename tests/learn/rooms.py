"""A cluster without room, until a warning about it was written."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import ray
from ray.util.placement_group import placement_group, remove_placement_group
from structlog.testing import capture_logs

from huracan.learn import room

GIVE_UP_S = 30.0


@contextmanager
def warnings_of(event: str) -> Iterator[list[Any]]:
    """Yield the list of this event's warnings; it is whole after the block."""
    found: list[Any] = []
    with capture_logs() as rows:
        yield found
    found += [row for row in rows if row["event"] == event and row["log_level"] == "warning"]


@contextmanager
def full_until_said(event: str) -> Iterator[list[Any]]:
    """Hold all four CPUs until the event was written, after a second of waiting, and yield its warnings."""
    group = placement_group([{"CPU": 4}])
    ray.get(group.ready(), timeout=GIVE_UP_S)
    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patch, capture_logs() as rows:
        patch.setattr(room, "FIRST_S", 1.0)

        def give_back() -> None:
            give_up_s = time.monotonic() + GIVE_UP_S
            while not any(row["event"] == event for row in list(rows)) and time.monotonic() < give_up_s:
                time.sleep(0.05)
            remove_placement_group(group)

        other = threading.Thread(target=give_back)
        other.start()
        try:
            yield found
        finally:
            other.join()
            found += [row for row in rows if row["event"] == event]
