"""Batches on disk: whole or not there, in order, bounded, and counted when they are given up."""

import errno
import math
import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from huracan.errors import ConfigError, RefusedError
from huracan.health.buffer import DiskBuffer, decode_batch, encode_batch
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import Batch, ErrorGroup

T = 1_760_000_040_000
MB = 1_000_000
ANOMALY = Anomaly("d", "main", "s", "info", "words", "means", None, T, 1.0, math.nan, "x", 3.0, "soon", {"a": (1, 2)})
ERROR = ErrorGroup("ab" * 8, "feed", "error", "e", T, T, T + 1, 2, {"reason": "x"})


def batch(at_ms: int = T, samples: int = 2) -> Batch:
    """Return a batch."""
    rows = tuple(Sample(at_ms, "database", "database.up", str(number), 1.0) for number in range(samples))
    return Batch(uuid4(), at_ms, rows, frozenset({"d"}), (ANOMALY,), (ERROR,))


def test_a_batch_comes_back_as_it_was(tmp_path: Path) -> None:
    """Samples, anomalies, errors, and which files of errors are counted in it."""
    buffer, one = DiskBuffer(tmp_path / "b", MB), batch()
    assert buffer.put(one, ("taken-1.jsonl",))
    (path,) = buffer.waiting()
    found = buffer.read(path)
    assert found is not None
    (anomaly,) = found.anomalies
    assert math.isnan(anomaly.claimed or 0.0)
    assert replace(found, anomalies=()) == replace(one, anomalies=())
    assert replace(anomaly, claimed=None, evidence={}) == replace(ANOMALY, claimed=None, evidence={})
    assert anomaly.evidence == {"a": [1, 2]}
    assert buffer.taken() == {"taken-1.jsonl"}
    buffer.drop(path)
    assert buffer.waiting() == ()
    assert decode_batch(encode_batch(one)).batch == one.batch


def test_the_oldest_comes_first_also_after_a_restart(tmp_path: Path) -> None:
    """Another process finds what the first one left, and writes behind it."""
    first = DiskBuffer(tmp_path, MB)
    for at_ms in (T, T, T + 5):
        assert first.put(batch(at_ms))
    first.close()
    second = DiskBuffer(tmp_path, MB)
    assert second.put(batch(T + 6))
    times = [found.at_ms for found in map(second.read, second.waiting()) if found is not None]
    assert times == [T, T, T + 5, T + 6]


def test_a_batch_is_on_disk_under_its_name_when_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it is renamed, its folder afterwards: a machine that loses power then has it."""
    buffer, done = DiskBuffer(tmp_path / "b", MB), []
    sync, replace_file = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).suffix))
        sync(handle)

    def replaced(source: Path, target: Path) -> None:
        done.append(("replace", target.suffix))
        replace_file(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    assert buffer.put(batch())
    assert done == [("sync", ".new"), ("replace", ".json"), ("sync", "")]
    done.clear()
    buffer.put_aside(buffer.waiting()[0], "refused")
    assert done == [("replace", ".refused"), ("sync", "")]


def test_half_a_file_of_a_killed_process_is_swept_away(tmp_path: Path) -> None:
    """It was not under its name yet."""
    (tmp_path / "00-1-2.new").write_text('{"bat')
    buffer = DiskBuffer(tmp_path, MB)
    assert buffer.waiting() == ()
    assert not list(tmp_path.glob("*.new"))


def test_one_process_has_the_folder(tmp_path: Path) -> None:
    """A second monitor on the same home is refused until the first has let go."""
    first = DiskBuffer(tmp_path, MB)
    with pytest.raises(RefusedError, match="another monitor"):
        DiskBuffer(tmp_path, MB)
    first.close()
    DiskBuffer(tmp_path, MB).close()


def test_a_folder_that_cannot_be_made_is_a_clear_refusal(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "x").write_text("")
    with pytest.raises(ConfigError, match="HURACAN_HOME"):
        DiskBuffer(tmp_path / "x" / "b", MB)


def test_beyond_its_bound_the_oldest_are_given_up_and_counted(tmp_path: Path) -> None:
    """Room for some; each has three samples."""
    buffer = DiskBuffer(tmp_path, 3_000)
    for number in range(10):
        assert buffer.put(batch(T + number, samples=3))
    left = len(buffer.waiting())
    assert 0 < left < 10
    assert buffer.lost == 3 * (10 - left)
    newest = buffer.read(buffer.waiting()[-1])
    assert newest is not None
    assert newest.at_ms == T + 9


def test_a_file_that_holds_no_batch_is_put_aside_and_counted(tmp_path: Path) -> None:
    """Somebody wrote into it; the others are read all the same."""
    buffer = DiskBuffer(tmp_path, MB)
    assert buffer.put(batch(samples=4))
    assert buffer.put(batch(T + 1))
    buffer.waiting()[0].write_text("nonsense")
    found = [buffer.read(path) for path in buffer.waiting()]
    assert [None if one is None else one.at_ms for one in found] == [None, T + 1]
    assert buffer.lost == 4
    assert len(list(tmp_path.glob("*.refused"))) == 1
    assert buffer.taken() == set()


def test_a_disk_that_takes_nothing_is_said_and_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails as a full disk does; whoever asked keeps the batch."""
    buffer = DiskBuffer(tmp_path, MB)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert not buffer.put(batch())
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    monkeypatch.undo()
    assert buffer.put(batch())
    assert buffer.lost == 0
