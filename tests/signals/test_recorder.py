"""Books on disk: every bar once, whole whatever kills the writer; a full disk, two writers, bad files."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np

from huracan.market import books_folder, day_file, read_books, read_day
from huracan.signals.books import NO_BOOK, BookBar
from huracan.signals.recorder import BookRecorder

MINUTE = 60_000
DAY = 1_440 * MINUTE
T0 = 20_000 * DAY
A, B = "ADA/USDT", "BTC/USDT"


def bar(close_ms: int, symbol: str = A, seen: bool = True, quotes: int = 5) -> BookBar:
    """Return a bar whose figures tell when it closed."""
    figure = (close_ms // MINUTE % 997) / 1_000
    book = (figure, -figure, figure, -figure) if seen else NO_BOOK
    return BookBar(symbol, close_ms, book, quotes, 3, 7.0, 2.0, 1.0 + figure, math.nan)


def record(recorder: BookRecorder, first: int, count: int) -> None:
    """Write bars of two markets, the `first`th after T0 and so on."""
    for number in range(first, first + count):
        close_ms = T0 + number * MINUTE
        recorder.write({symbol: bar(close_ms, symbol) for symbol in (A, B)})


def recorder_of(folder: Path) -> BookRecorder:
    """Return a recorder of two markets."""
    return BookRecorder(folder, "1m", (A, B))


def test_each_bar_is_a_row_at_its_open_time(tmp_path: Path) -> None:
    """Over a change of day; what saw nothing is no row, and what saw trades alone is one without a book."""
    recorder = recorder_of(tmp_path)
    record(recorder, 1_439, 3)
    recorder.write({A: bar(T0 + 1_442 * MINUTE, quotes=0, seen=False), B: bar(T0 + 1_442 * MINUTE, B)})
    quiet = BookBar(A, T0 + 1_443 * MINUTE, NO_BOOK, 0, 0, 0.0, 0.0, 9.0, 9.0)
    recorder.write({A: quiet})
    folder = books_folder(tmp_path, A)
    first, second = day_file(folder, T0), day_file(folder, T0 + DAY)
    assert read_day(first, "1m")[0].tolist() == [T0 + 1_438 * MINUTE, T0 + 1_439 * MINUTE]
    times, columns = read_day(second, "1m")
    assert times.tolist() == [T0 + DAY, T0 + DAY + MINUTE]
    assert np.isnan(columns[1, :4]).all()
    assert columns[0, 4:9].tolist() == [5.0, 3.0, 7.0, 2.0, 1.0 + (T0 // MINUTE + 1_441) % 997 / 1_000]
    assert (recorder.written, recorder.failed, recorder.lost) == (8, "", 0)


def test_a_restart_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    """Closes that come again are passed over: the first record stands."""
    first = recorder_of(tmp_path)
    record(first, 1, 5)
    first.close()
    second = recorder_of(tmp_path)
    second.write({A: bar(T0 + 5 * MINUTE, seen=False)})
    record(second, 4, 5)
    times, columns = read_day(day_file(books_folder(tmp_path, A), T0), "1m")
    assert times.tolist() == [T0 + n * MINUTE for n in range(8)]
    assert not np.isnan(columns[:, 0]).any()


def test_a_killed_writer_leaves_whole_files(tmp_path: Path) -> None:
    """SIGKILL while it writes as fast as it can, five times over: every file reads, no bar is missing or twice."""
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from tests.signals.test_recorder import record, recorder_of
        recorder = recorder_of(Path({str(tmp_path)!r}))
        for number in range(int(sys.argv[1]), 100_000):
            record(recorder, number, 1)
            print(number, flush=True)
    """)
    root = Path(__file__).parents[2]
    last = 0
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(last + 1)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for line in child.stdout:
            last = int(line)
            if last % 40 == 39:
                time.sleep(0.003)
                break
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait(10)
        last = int(rest[-1]) if rest else last
    times = T0 + MINUTE * np.arange(last, dtype=np.int64)
    for symbol in (A, B):
        book = read_books(tmp_path, symbol, "1m", times)
        assert book is not None
        expected = [bar(int(at) + MINUTE).book for at in times]
        assert book.tobytes() == np.array(expected).tobytes()
    record(recorder_of(tmp_path), last + 1, 1)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """Files may not grow: nothing is written, nothing breaks; when they may again, nothing of the day is missing."""
    program = textwrap.dedent(f"""
        import json, resource, signal
        from pathlib import Path
        from tests.signals.test_recorder import record, recorder_of
        recorder = recorder_of(Path({str(tmp_path)!r}))
        record(recorder, 1, 3)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
        record(recorder, 4, 3)
        failed = recorder.failed
        on_disk = sum(1 for _ in Path({str(tmp_path)!r}).rglob("*.parquet"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        record(recorder, 7, 1)
        print(json.dumps([failed, on_disk, recorder.failed, recorder.lost, recorder.written]))
    """)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    failed, on_disk, after, lost, written = json.loads(done.stdout)
    assert "cannot be written" in failed
    assert (on_disk, after, lost, written) == (2, "", 0, 14)
    assert done.stderr.count("feed.record_failed") == 1, "told once, not with every bar"
    for symbol in (A, B):
        assert len(read_day(day_file(books_folder(tmp_path, symbol), T0), "1m")[0]) == 7


def test_memory_is_bounded_by_a_day(tmp_path: Path) -> None:
    """A folder that nobody may write: a day's rows are kept, then given up and counted."""
    (tmp_path / "books").write_text("a file where the folder should be")
    recorder = recorder_of(tmp_path)
    for number in range(1, 5):
        recorder.write({A: bar(T0 + number * DAY)})
    assert recorder.failed
    (tmp_path / "books").unlink()
    record(recorder, 1_441 * 5, 1)
    assert recorder.failed == ""
    folder = books_folder(tmp_path, A)
    (folder / "x").mkdir()
    blocked = day_file(folder, T0 + 9 * DAY)
    (blocked / "x").mkdir(parents=True)
    record(recorder, 9 * 1_440 + 1, 3)
    assert recorder.failed
    record(recorder, 10 * 1_440 + 1, 1)
    assert (recorder.failed, recorder.lost) == ("", 3)


def test_two_feeds_do_not_record_in_one_folder(tmp_path: Path) -> None:
    """The second one says so and goes on; it takes over when the first has ended."""
    first, second = recorder_of(tmp_path), recorder_of(tmp_path)
    record(first, 1, 1)
    record(second, 2, 1)
    assert "another feed records here" in second.failed
    first.close()
    record(second, 3, 1)
    assert second.failed == ""
    assert len(read_day(day_file(books_folder(tmp_path, A), T0), "1m")[0]) == 2


def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    """Somebody else's bytes at the day's name: recording goes on in a new file, the old one is kept."""
    path = day_file(books_folder(tmp_path, A), T0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nonsense")
    recorder = recorder_of(tmp_path)
    record(recorder, 1, 2)
    assert recorder.failed == ""
    assert len(read_day(path, "1m")[0]) == 2
    assert [file.read_bytes() for file in path.parent.glob("*.unreadable")] == [b"nonsense"]
