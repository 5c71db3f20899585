"""Bad input, as a stranger gives it: one line that says what, where and what to do; the right code; nothing left over.

The table runs the real program in this process. Ctrl-C is sent to real processes in `test_interrupts.py`.
"""

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

import huracan
from huracan.cli import cli
from huracan.config import Settings, load_settings
from huracan.env import Dataset
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import EmbeddedServer, open_run
from huracan.terminal import run

HOUR_MS = 3_600_000
BARS = 1_200
NAME = "BTC-USDT.parquet"
QUICK = ["--set", "search.num_samples=0", "--set", "walk_forward.folds=1"]
Edit = Callable[[pa.Table], pa.Table]
Fill = Callable[[Path, Path], object]

pytestmark = pytest.mark.postgres


class Program:
    """The program in this process, with a home, a database and sound candles of its own."""

    def __init__(self, folder: Path, candles: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.candles = candles
        self._capsys = capsys

    def complaint(self, code: int, *words: str) -> str:
        """Run the words, hold the code and the form of the complaint, and return its one line."""
        before = tree(self.folder)
        found = run(cli, list(words))
        shown = self._capsys.readouterr()
        assert found == code, shown.err
        assert shown.err.count("\n") == 1, shown.err
        assert shown.err.startswith("error: ")
        assert "Traceback" not in shown.err
        assert "defect" not in shown.err
        assert tree(self.folder) == before
        return shown.err


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder with its content, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two sound hourly histories."""
    folder = tmp_path_factory.mktemp("candles")
    write_synthetic(folder, SyntheticSpec(timeframe="1h", bars=BARS, planted=1, null=1), seed=7)
    return folder


@pytest.fixture
def program(
    candles: Path,
    tmp_path: Path,
    database: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    """The program, its home under `tmp_path`, its database the module's."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    monkeypatch.chdir(tmp_path)
    return Program(tmp_path, candles, capsys)


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


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(candles: Path) -> Settings:
    """The settings of the runs below."""
    return load_settings(None, {"data.folder": str(candles), "search.num_samples": 0, "walk_forward.folds": 1}, {})


@pytest.fixture(scope="module")
def fingerprint(settings: Settings) -> str:
    """What identifies the sound candles."""
    return Dataset.load(settings).summary.fingerprint


@pytest.fixture
def run_id(program: Program, database: Engine, settings: Settings, fingerprint: str) -> int:
    """A run of the sound candles that has left nothing so far."""
    return open_run(database, "train", settings, fingerprint, huracan.__version__)


def folder_of(program: Program, run_id: int) -> Path:
    """Return the folder of a run, made."""
    folder = program.folder / "home" / "runs" / str(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def written(folder: Path, *versions: object) -> None:
    """Write a finished campaign of these versions."""
    (folder / "campaign.json").write_text(json.dumps({"ppo": {}, "trading": {}, "trials": [], "versions": versions}))


VERSION = {"fold": 0, "scope": "*", "symbols": ["BTC/USDT"], "artefact": "ensemble", "sha256": "0" * 64, "seeds": []}


@pytest.mark.parametrize("command", ["train", "shadow", "report"])
@pytest.mark.parametrize("number", ["999", "-1", "99999999999999999999"])
def test_a_run_that_does_not_exist_is_named(command: str, number: str, program: Program) -> None:
    """A number that no run has is named."""
    assert f"there is no run {number} in" in program.complaint(
        2, command, "--run-id", number, "--data", str(program.candles), *QUICK
    )


def test_nothing_to_resume_is_said(program: Program) -> None:
    """`--resume` without an unfinished run of the configuration says how to start one."""
    line = program.complaint(2, "train", "--resume", "--data", str(program.candles), "--set", "ppo.lr=0.01")
    assert "no unfinished training run has this configuration" in line


@pytest.mark.parametrize("command", ["shadow", "report"])
def test_an_unfinished_training_is_not_judged(command: str, program: Program, run_id: int) -> None:
    """Shadow trading and report of a run that was not trained to its end say so and name the file that lacks."""
    line = program.complaint(2, command, "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert "campaign.json is missing: the training is not finished" in line


LR_BELOW_ZERO = '{"ppo": {"lr": -1}, "trading": {}, "trials": [], "versions": []}'


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "1", LR_BELOW_ZERO, '{"ppo": {}, "trials": []}', "\x00"],
)
@pytest.mark.parametrize("command", ["shadow", "report"])
def test_a_damaged_campaign_is_named(command: str, content: str, program: Program, run_id: int) -> None:
    """Whatever stands in campaign.json instead of a campaign, the file is named."""
    path = folder_of(program, run_id) / "campaign.json"
    path.write_text(content)
    line = program.complaint(1, command, "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{path} is damaged" in line


@pytest.mark.parametrize("content", ["", "1", '"x"', "{}", '{"curve": 1}', '{"curve": [1], "artefact": "x"}'])
def test_a_damaged_seed_is_named(content: str, program: Program, run_id: int) -> None:
    """Whatever stands in a seed's result.json instead of a result, the file is named."""
    folder = folder_of(program, run_id)
    written(folder, VERSION | {"seeds": ["seed-1"]})
    (folder / "seed-1").mkdir()
    (folder / "seed-1" / "result.json").write_text(content)
    line = program.complaint(1, "shadow", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{folder / 'seed-1' / 'result.json'} is damaged" in line


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_a_damaged_artefact_is_named_before_anything_starts(content: str | None, program: Program, run_id: int) -> None:
    """An artefact that is not there or is none stops shadow trading at once, with its path."""
    folder = folder_of(program, run_id)
    written(folder, VERSION)
    if content is not None:
        (folder / "ensemble").mkdir()
        (folder / "ensemble" / "policy.json").write_text(content)
    line = program.complaint(2, "shadow", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert str(folder / "ensemble" / "policy.json") in line


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "missing"), ("", "damaged"), ("{", "damaged"), ("[]", "damaged")]
)
def test_a_report_needs_shadow_trading(content: str | None, fault: str, program: Program, run_id: int) -> None:
    """A report without, or with a damaged, shadow.json names the file and the command that makes it."""
    folder = folder_of(program, run_id)
    written(folder)
    if content is not None:
        (folder / "shadow.json").write_text(content)
    line = program.complaint(2, "report", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{folder / 'shadow.json'} is {fault}" in line
    assert f"huracan shadow --run-id {run_id}" in line


@pytest.mark.parametrize("command", ["train", "shadow", "report"])
def test_other_candles_are_refused(command: str, program: Program, run_id: int) -> None:
    """A run goes on with the candles it began with, and with no others."""
    folder = folder_of(program, run_id)
    written(folder)
    others = ["--data", str(program.candles), *QUICK, "--set", "data.symbols=[BTC/USDT]"]
    line = program.complaint(2, command, "--run-id", str(run_id), *others)
    assert f"run {run_id}" in line


# -- disk --------------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk(largest_bytes: int) -> Iterator[None]:
    """Let no file of this process grow past a size: what a full disk does to a write, without root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "words",
    [
        ["data", "synth", "out", "--timeframe", "1h", "--bars", "500", "--planted", "1", "--null", "1"],
        ["features", "build", "--out", "out"],
    ],
    ids=["data synth", "features build"],
)
def test_a_disk_that_fills_leaves_nothing_half_written(words: list[str], program: Program) -> None:
    """The file is named, no part of it stays, and the same command works when there is room."""
    given = words if words[0] == "data" else [*words, "--data", str(program.candles)]
    with full_disk(2_000):
        line = program.complaint(2, *given)
    assert "out/" in line
    assert "cannot be written: File too large; nothing was changed, free space" in line
    assert run(cli, given) == 0
    assert not [path for path in (program.folder / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "words",
    [["data", "synth", "out", "--bars", "500"], ["features", "build", "--out", "out"]],
    ids=["data synth", "features build"],
)
def test_a_file_in_the_place_of_a_folder_is_named(words: list[str], program: Program) -> None:
    """An output folder that is a file is named, and the file is left alone."""
    (program.folder / "out").write_text("mine")
    given = words if words[0] == "data" else [*words, "--data", str(program.candles)]
    assert "cannot be written" in program.complaint(2, *given)


def test_a_run_folder_that_cannot_be_made_stops_before_ray(program: Program, database: Engine) -> None:
    """A training whose folder cannot be made ends by naming it; the run is kept as failed, to be resumed."""
    (program.folder / "home").mkdir()
    (program.folder / "home" / "runs").write_text("")
    line = program.complaint(1, "train", "--data", str(program.candles), *QUICK)
    assert str(program.folder / "home" / "runs") in line
