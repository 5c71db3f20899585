"""Bad input, as a stranger gives it: one line that says what, where and what to do; the right code; nothing left over.

The table runs the real program in this process. Ctrl-C is sent to real processes in `test_interrupts.py`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from tests.e2e.program import BARS, QUICK, Program

HOUR_MS = 3_600_000
NAME = "BTC-USDT.parquet"
Edit = Callable[[pa.Table], pa.Table]
Fill = Callable[[Path, Path], object]

pytestmark = pytest.mark.postgres


# -- candles -----------------------------------------------------------------------------------------------------------


def edited(edit: Edit) -> Fill:
    """Return what writes a sound file with an edit of its table."""

    def fill(folder: Path, sound: Path) -> None:
        pq.write_table(edit(pq.read_table(sound / NAME)), folder / NAME)

    return fill


def raw(edit: Callable[[bytes], bytes]) -> Fill:
    """Return what writes a sound file with an edit of its bytes."""
    return lambda folder, sound: (folder / NAME).write_bytes(edit((sound / NAME).read_bytes()))


def with_value(column: str, row: int, value: float) -> Edit:
    """Return the edit that puts one value in one cell."""

    def edit(table: pa.Table) -> pa.Table:
        values = table.column(column).to_numpy().copy()
        values[row] = value
        return replaced(table, column, pa.array(values))

    return edit


def replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    """Return a table with one column replaced."""
    return table.set_column(table.schema.get_field_index(column), column, values)


def milliseconds(table: pa.Table) -> np.ndarray:
    """Return the open times, int64[T], ms."""
    return pc.cast(table.column("timestamp"), pa.int64()).to_numpy()


def scaled(factor: float) -> Edit:
    """Return the edit that multiplies all prices."""

    def edit(table: pa.Table) -> pa.Table:
        for name in ("open", "high", "low", "close"):
            table = replaced(table, name, pa.array(table.column(name).to_numpy() * factor))
        return table

    return edit


def rows(*which: slice) -> Edit:
    """Return the edit that keeps these rows, in this order."""
    return lambda table: pa.concat_tables([table.slice(part.start, part.stop - part.start) for part in which])


def mixed(folder: Path, sound: Path) -> None:
    """Write an hourly and a daily history side by side."""
    table = pq.read_table(sound / NAME)
    pq.write_table(table, folder / NAME)
    pq.write_table(table.take(list(range(0, BARS, 24))), folder / "ETH-USDT.parquet")


def badly_named(folder: Path, sound: Path) -> None:
    """Write a sound file under a name that is no symbol."""
    (folder / "rubbish.parquet").write_bytes((sound / NAME).read_bytes())


FOLDERS: dict[str, tuple[Fill, int, tuple[str, ...]]] = {
    "empty folder": (lambda folder, sound: None, 2, ("holds no .parquet file",)),
    "folder for a file": (lambda folder, sound: (folder / NAME).mkdir(), 2, (NAME, "no such file")),
    "dangling link": (lambda folder, sound: (folder / NAME).symlink_to("/nowhere"), 2, (NAME, "no such file")),
    "empty file": (raw(lambda data: b""), 2, (NAME, "cannot be read as Parquet", "download it again")),
    "text": (raw(lambda data: b"open,high\n1,2\n"), 2, (NAME, "cannot be read as Parquet")),
    "truncated": (raw(lambda data: data[:5_000]), 2, (NAME, "cannot be read as Parquet")),
    "damaged": (
        raw(lambda data: data[:15_000] + bytes(20_000) + data[35_000:]), 2, (NAME, "cannot be read as Parquet"),
    ),
    "no rows": (edited(rows(slice(0, 0))), 2, (NAME, "no rows")),
    "missing column": (edited(lambda table: table.drop_columns("close")), 2, (NAME, "close", "missing")),
    "column of text": (
        edited(lambda table: replaced(table, "close", pa.array(["x"] * len(table)))), 2, (NAME, "close", "string"),
    ),
    "column twice": (
        edited(lambda table: table.append_column("close", table.column("close"))), 2, (NAME, "close", "more than once"),
    ),
    "no timestamp": (edited(lambda table: table.drop_columns("timestamp")), 2, (NAME, "timestamp is missing")),
    "timestamp twice": (
        edited(lambda table: table.append_column("timestamp", table.column("timestamp"))),
        2,
        (NAME, "timestamp", "more than once"),
    ),
    "times in seconds": (
        edited(lambda table: replaced(table, "timestamp", pa.array(milliseconds(table) // 1_000))),
        2,
        (NAME, "row 0", "milliseconds"),
    ),
    "times of text": (
        edited(lambda table: replaced(table, "timestamp", pc.cast(table.column("timestamp"), pa.string()))),
        2,
        (NAME, "timestamp", "string"),
    ),
    "times in the future": (
        edited(lambda table: replaced(table, "timestamp", pa.array(milliseconds(table) + 10 * 365 * 24 * HOUR_MS))),
        2,
        (NAME, "no sound closed bar"),
    ),
    "not a number": (edited(with_value("close", 7, np.nan)), 3, ("BTC/USDT", "NaN", "row 7")),
    "infinite": (edited(with_value("high", 7, np.inf)), 3, ("BTC/USDT", "infinite", "row 7")),
    "negative": (edited(with_value("low", 7, -1.0)), 3, ("BTC/USDT", "row 7")),
    "row twice": (edited(rows(slice(0, 500), slice(499, BARS))), 3, ("BTC/USDT", "twice", "row 500")),
    "unsorted": (
        edited(rows(slice(0, 100), slice(101, 102), slice(100, 101), slice(102, BARS))), 3, ("BTC/USDT", "row 101"),
    ),
    "off the grid": (
        edited(lambda table: replaced(table, "timestamp", pa.array(milliseconds(table) + (np.arange(BARS) == 7)))),
        3,
        ("BTC/USDT", "row 7"),
    ),
    "gap": (edited(rows(slice(0, 300), slice(800, BARS))), 3, ("BTC/USDT", "quality.coverage_min_frac")),
    "no trade at all": (
        edited(lambda table: replaced(table, "volume", pa.array(np.zeros(BARS)))), 3, ("quality.zero_volume_max_frac",),
    ),
    "one bar": (edited(rows(slice(0, 1))), 2, (NAME, "too short")),
    "a hundred bars": (edited(rows(slice(0, 100))), 3, ("100 bars", "quality.history_min_bars 400")),
    "no bar past the warm-up": (edited(rows(slice(0, 410))), 2, ("BTC/USDT", "410 bars", "warm-up", "longer history")),
    "prices too small for a tick": (edited(scaled(1e-300)), 2, ("BTC/USDT", "no tick")),
    "prices too large for a tick": (edited(scaled(1e300)), 2, ("BTC/USDT", "no tick")),
    "a name that is no symbol": (badly_named, 2, ("rubbish.parquet", "BTC-USDT.parquet")),
    "two timeframes": (mixed, 2, ("mixes timeframes", "1h (BTC/USDT)", "1d (ETH/USDT)")),
}  # fmt: skip


@pytest.mark.parametrize(("fill", "code", "words"), FOLDERS.values(), ids=FOLDERS.keys())
def test_unusable_candles_stop_a_training_before_it_starts(
    fill: Fill, code: int, words: tuple[str, ...], program: Program
) -> None:
    """Each fault of a folder names folder or file, what is wrong and where, and opens no run."""
    folder = program.folder / "candles"
    folder.mkdir()
    fill(folder, program.candles)
    line = program.complaint(code, "train", "--data", str(folder), *QUICK)
    assert str(folder) in line
    for word in words:
        assert word in line


@pytest.mark.parametrize("command", [["train"], ["demo"], ["features", "check"], ["features", "build"]])
@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_folder_that_is_none_is_named(command: list[str], kind: str, program: Program) -> None:
    """No such folder, or a file in its place, is one line with its path, whatever the command."""
    path = program.folder / "nowhere" if kind == "missing" else program.candles / NAME
    line = program.complaint(2, *command, "--data", str(path))
    assert f"{path}: {'there is no such folder' if kind == 'missing' else 'is a file'}" in line


# -- settings ----------------------------------------------------------------------------------------------------------

ASSIGNMENTS = {
    "data.symbols=[FOO/BAR]": (2, "no candles of FOO/BAR; found BTC/USDT, REV1/USDT"),
    "data.leader_symbol=FOO/BAR": (2, "no candles of FOO/BAR"),
    "quality.allow=[FOO/BAR]": (2, "no candles of FOO/BAR"),
    "data.symbols=FOO/BAR": (2, "data.symbols: a list is needed"),
    "data.timeframe=7m": (2, "data.timeframe"),
    "data.timeframe=1m": (2, "holds 1h candles, not 1m"),
    "ppo.learning_rate=1": (2, "unknown key ppo.learning_rate"),
    "nothing.here=1": (2, "unknown key nothing"),
    "ppo=1": (2, "ppo: a section of keys is needed"),
    "ppo.lr=fast": (2, "ppo.lr"),
    "ppo.lr=": (2, "ppo.lr"),
    "ppo.lr=.nan": (2, "ppo.lr"),
    "ppo.lr=.inf": (2, "ppo.lr"),
    "trading.stake_amount=.inf": (2, "trading.stake_amount"),
    "ppo.lr": (2, "--set ppo.lr: not of the form section.key=value"),
    "ppo.lr=[": (2, "--set ppo.lr=[: the value is not YAML"),
    "walk_forward.folds=5000": (2, "walk_forward.folds"),
    "walk_forward.train_days=5000": (2, "5000 training"),
    "features.windows=/nowhere.yaml": (2, "/nowhere.yaml"),
    "quality.history_min_bars=5000": (3, "1200 bars are fewer than quality.history_min_bars 5000"),
    "trading.cap_bps=500": (2, "trading.cap_bps 500"),
    "ray.address=127.0.0.1:1": (2, "127.0.0.1:1 cannot be reached"),
}


@pytest.mark.parametrize(("assignment", "expected"), ASSIGNMENTS.items(), ids=ASSIGNMENTS.keys())
def test_an_unusable_setting_is_named(assignment: str, expected: tuple[int, str], program: Program) -> None:
    """A setting that is unknown, mistyped, out of bounds or at odds with the candles stops the command by its name."""
    code, words = expected
    line = program.complaint(code, "train", "--data", str(program.candles), *QUICK, "--set", assignment)
    assert words in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"\xff\xfe\x00abc", "utf-8"),
        (b"ppo: [1\nx: {", "not YAML"),
        (b"- ppo", "holds list"),
        (b"1: 2", "1 is no section"),
        (b"ppo: !!python/object:os.x {}", "not YAML"),
        (b"ppo: {lr: fast}", "ppo.lr"),
        (b"ppo: {speed: 1}", "unknown key ppo.speed"),
    ],
)
def test_an_unusable_configuration_file_is_named(content: bytes | None, words: str, program: Program) -> None:
    """A configuration file that is missing, no YAML, or holds what no setting takes is named with its fault."""
    path = program.folder / "settings.yaml"
    if content is not None:
        path.write_bytes(content)
    line = program.complaint(2, "--config", str(path), "train", "--data", str(program.candles))
    assert str(path) in line
    assert words in line


def test_a_variable_of_the_environment_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken variable is named, its value, which may be a secret, is not."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", "[postgresql://u:hunter2@h/d")
    line = program.complaint(2, "models", "ls")
    assert "HURACAN__DATABASE__URL" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "No such command 'trian'"),
        (["shadow"], "no training is finished"),
        (["report"], "no training is finished"),
        (["shadow", "--run-id", "x"], "'x' is not a valid integer"),
        (["data", "synth", "out", "--timeframe", "7m"], "'7m' is unknown"),
        (["data", "synth", "out", "--planted", "0", "--null", "0"], "no market"),
        (["data", "synth", "out", "--bars", "1"], "--bars"),
        (["data", "synth", "out", "--seed", "-1"], "--seed"),
        (["data", "download", "BTC", "--folder", "out"], "'BTC' is not in ccxt's form"),
        (["data", "download", "BTC/USDT", "--folder", "out", "--timeframe", "7m"], "'7m' is unknown"),
        (["data", "download", "BTC/USDT", "--folder", "out", "--start", "yesterday"], "'yesterday' is no date"),
        (["data", "download", "BTC/USDT", "--folder", "out", "--set", "data.exchange=nope"], "data.exchange 'nope'"),
        (["train"], "data.folder"),
        (["models", "show", "nope"], "there is no model nope"),
        (["models", "promote", "nope", "--reason", "x"], "there is no model nope"),
    ],
    ids=" ".join,
)
def test_unusable_words_are_named(words: list[str], expected: str, program: Program) -> None:
    """A command, option or name that does not exist is answered by one line that names it."""
    assert expected in program.complaint(2, *words)


# -- database ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/d", 1, "127.0.0.1:1/d is unreachable"),
        ("postgresql://u:hunter2@127.0.0.1:99999/d", 1, "is unreachable"),
        ("postgresql://u:hunter2@127.0.0.1", 2, "names no database"),
        ("mysql://u:hunter2@127.0.0.1/d", 2, "huracan needs postgresql"),
        ("hunter2", 2, "database.url is not a URL"),
    ],
)
def test_an_unusable_database_is_named(
    url: str, code: int, words: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is not there, or an address that is none, is named without its password, before any work."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", url)
    for command in (["models", "ls"], ["train", "--data", str(program.candles)]):
        line = program.complaint(code, *command)
        assert words in line
        assert "hunter2" not in line


def test_a_refused_password_and_a_missing_schema_are_named(
    program: Program, database: Engine, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a database that does not exist and one without tables each say what to do."""
    changes = {
        "wrong or missing password": database.url.set(password="hunter2"),
        "does not exist; create it": database.url.set(database="nope"),
        "no huracan schema; run `huracan db upgrade`": empty_database_url,
    }
    for words, url in changes.items():
        shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        monkeypatch.setenv("HURACAN__DATABASE__URL", shown)
        line = program.complaint(1, "models", "ls")
        assert words in line
        assert "hunter2" not in line


def test_a_home_that_cannot_be_one_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """HURACAN_HOME at a file, or relative, is named before a server is started."""
    monkeypatch.delenv("HURACAN__DATABASE__URL")
    (program.folder / "taken").write_text("")
    monkeypatch.setenv("HURACAN_HOME", str(program.folder / "taken"))
    assert "set HURACAN_HOME to a folder of yours" in program.complaint(1, "models", "ls")
    monkeypatch.setenv("HURACAN_HOME", "taken")
    assert "HURACAN_HOME taken is relative" in program.complaint(2, "models", "ls")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train"], "no candles are configured"),
        (["train", "--data", "nope"], "nope: there is no such folder"),
        (["demo", "--data", "nope"], "nope: there is no such folder"),
        (["train", "--data", "{candles}", "--set", "data.symbols=[NO/USDT]"], "no candles of NO/USDT"),
        (["train", "--data", "{candles}", "--set", "trading.cap_bps=500"], "trading.cap_bps 500"),
        (["train", "--data", "{candles}", "--set", "features.windows=/nowhere.yaml"], "/nowhere.yaml"),
        (["shadow", "--data", "nope"], "no training is finished"),
        (["report", "--run-id", "1"], "no training is finished"),
    ],
    ids=" ".join,
)
def test_a_new_home_gets_no_database_for_what_fails_at_once(
    words: list[str], expected: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no database to be refused is refused in one line before one is made: the home stays empty."""
    monkeypatch.delenv("HURACAN__DATABASE__URL")
    home = program.folder / "home"
    try:
        assert expected in program.complaint(2, *(word.format(candles=program.candles) for word in words))
        assert not home.exists()
    finally:
        EmbeddedServer(home).stop()
