"""The whole way with an object store in the place of the disk: download, judge, train, shadow, serve; and its failures.

Nothing of a run but its learning curves lies on this machine then, and what comes out is what the disk gives, bit for
bit.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from huracan.errors import ArtefactError, HuracanError, RefusedError
from huracan.learn.campaign import Campaign, read_campaign
from huracan.learn.train import CHECKPOINT_NAME
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import EmbeddedServer, Model, Registry, connect, schema
from huracan.policy.artefact import JSON_NAME, WEIGHTS_NAME
from huracan.shadow.promotion import check_artefact
from huracan.signals.versions import load_version
from huracan.storage import Location, ObjectPath, locate
from tests.e2e.program import BARS
from tests.objects import ACCESS_KEY, SECRET, ObjectServer
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SEED = 7
SPEC = SyntheticSpec(timeframe="1h", bars=BARS, planted=1, null=1)
TINY = {
    "env.num_envs": 16,
    "policy.hidden": [16],
    "ppo.train_batch_size": 512,
    "ppo.minibatch_size": 256,
    "ppo.env_steps": 1024,
    "search.num_samples": 0,
    "search.seeds_per_trial": 1,
    "search.env_steps": 512,
    "search.grace_env_steps": 512,
    "walk_forward.folds": 1,
    "shadow.seeds": [1],
    "shadow.random_policies": 5,
    "ray.num_cpus": 2,
    "ray.object_store_mb": 100,
}


@dataclass
class Desk:
    """A user with a home, a database, and places for candles and runs."""

    home: Path
    engine: Engine
    candles: Location
    runs: Location

    def ask(self, *words: str, code: int = 0, **settings: Any) -> str:
        """Run `huracan` as a process of its own; return what it printed, on an error its one line."""
        done = subprocess.run(**self.command(*words, **settings), check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        for secret in (ACCESS_KEY, SECRET):
            assert secret not in done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def command(self, *words: str, **settings: Any) -> dict[str, Any]:
        """Return how that process is started."""
        given = TINY | {"data.folder": str(self.candles), "storage.runs": str(self.runs)} | settings
        assignments = [word for key, value in given.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN_"))}
        environment |= {"HURACAN_HOME": str(self.home), "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]}
        environment["HURACAN__DATABASE__URL"] = self.engine.url.render_as_string(hide_password=False)
        program = str(Path(sys.executable).with_name("huracan"))
        return {
            "args": [program, *assignments, *words, "--json"],
            "cwd": ROOT,
            "env": environment,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def run(self, **settings: Any) -> None:
        """Train and shadow-trade run 1."""
        self.ask("train", **settings)
        self.ask("shadow", "--run-id", "1", **settings)

    @property
    def campaign(self) -> Campaign:
        """Return what run 1 has trained."""
        return read_campaign(self.runs / "1")

    @property
    def report(self) -> list[str]:
        """Return what shadow trading said of run 1, value by value, but for how fast this machine was."""
        lines = json.dumps(json.loads((self.runs / "1" / "shadow.json").read_bytes()), indent=1).splitlines()
        return [line for line in lines if "decisions_per_s" not in line]

    @property
    def model(self) -> Model:
        """Return the version that run 1 registered."""
        (found,) = Registry(self.engine).models()
        return found


@pytest.fixture(scope="module")
def desks(
    database_server: EmbeddedServer, object_store: ObjectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Desk]]:
    """Make desks with the same candles on this machine's disk (`disk`) or in a bucket (`bucket`)."""
    engines = []

    def make(name: str, kind: str) -> Desk:
        folder = tmp_path_factory.mktemp(name)
        database = f"storage_{name}".replace("-", "_")
        database_server.create_database(database)
        engine = connect(database_server.url(database))
        schema.upgrade(engine)
        engines.append(engine)
        root: Location = folder if kind == "disk" else object_store.bucket(f"desk-{name}") / "deep"
        write_synthetic(root / "candles", SPEC, seed=SEED)
        return Desk(folder / "home", engine, root / "candles", root / "runs")

    yield lambda name: make(name, name.partition("-")[0])
    for engine in engines:
        engine.dispose()


@pytest.fixture(scope="module")
def pair(desks: Callable[[str], Desk]) -> tuple[Desk, Desk]:
    """One desk of each kind, both with run 1 trained and shadow-traded."""
    both = desks("disk"), desks("bucket")
    for desk in both:
        desk.run()
    return both


def _equal(disk: Desk, bucket: Desk) -> None:
    """Hold that two desks' runs are the same to the last bit."""
    for one, other in zip(disk.campaign.versions, bucket.campaign.versions, strict=True):
        assert one.sha256 == other.sha256
        for name in (WEIGHTS_NAME, JSON_NAME):
            assert (one.artefact / name).read_bytes() == (other.artefact / name).read_bytes()
    assert disk.report == bucket.report
    assert disk.model.sha256 == bucket.model.sha256


def test_a_run_in_a_bucket_is_the_run_on_disk(pair: tuple[Desk, Desk]) -> None:
    """Policies, cards and the report of shadow trading are equal bit for bit; on the disk lie learning curves alone."""
    disk, bucket = pair
    print(f"market seed {SEED}")
    _equal(disk, bucket)
    left = [path for path in bucket.home.rglob("*") if path.is_file() and "runs" in path.parts]
    assert left
    assert all("tensorboard" in path.parts for path in left)
    assert {path.name for path in (bucket.runs / "1").iterdir()} >= {"campaign.json", "shadow.json", "fold-0"}


def test_the_report_is_made_from_the_bucket(pair: tuple[Desk, Desk], tmp_path: Path) -> None:
    """`huracan report` finds run, candles and what was planted in them."""
    pair[1].ask("report", "--run-id", "1", "--out", str(tmp_path))
    assert (tmp_path / "report.html").stat().st_size > 0


def test_what_the_bucket_holds_is_served_and_judged_by_its_hash(pair: tuple[Desk, Desk]) -> None:
    """A flipped byte, half of a policy, and none: each is refused by one line, by Serve and by promotion."""
    model = pair[1].model
    folder = locate(model.artefact)
    assert isinstance(folder, ObjectPath)
    assert load_version(model).served.sha256 == model.sha256
    check_artefact(model)
    weights, card = (folder / name for name in (WEIGHTS_NAME, JSON_NAME))
    sound, written = weights.read_bytes(), card.read_bytes()
    flipped = bytearray(sound)
    flipped[-1] ^= 1
    harm: dict[str, Callable[[], None]] = {
        r"policy\.safetensors\S* was changed after export": lambda: weights.write_bytes(bytes(flipped)),
        r"\d+ bytes of \d+ \(truncated\)": lambda: weights.write_bytes(sound[: len(sound) // 2]),
        r"policy\.json\S* was changed after export": lambda: card.write_bytes(written.replace(b'"seeds"', b'"sEeds"')),
        r"policy\.json\S* cannot be read: there is no such object": card.unlink,
    }
    try:
        for complaint, do in harm.items():
            do()
            _refused(complaint, ArtefactError, lambda: load_version(model))
            _refused(complaint, RefusedError, lambda: check_artefact(model))
            weights.write_bytes(sound)
            card.write_bytes(written)
    finally:
        weights.write_bytes(sound)
        card.write_bytes(written)
    assert load_version(model).served.sha256 == model.sha256


def _refused(complaint: str, kind: type[HuracanError], do: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        do()
    assert re.search(complaint, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_candles_in_a_bucket_are_listed_and_judged_like_those_on_disk(pair: tuple[Desk, Desk]) -> None:
    """`data ls` and `data quality` print the same of both."""
    for words in (("data", "ls"), ("data", "quality")):
        disk, bucket = (json.loads(desk.ask(*words)) for desk in pair)
        assert disk == bucket


@pytest.mark.parametrize(
    ("places", "complaint"),
    [
        ({"data.folder": "nobody-made-this/x"}, "the bucket nobody-made-this does not exist"),
        ({"storage.runs": "nobody-made-this/x"}, "the bucket nobody-made-this does not exist"),
        ({"data.folder": "desk-bucket/elsewhere"}, "there is no such folder"),
    ],
)
def test_a_place_that_is_not_there_is_one_line(
    pair: tuple[Desk, Desk], object_store: ObjectServer, places: dict[str, str], complaint: str
) -> None:
    """Before anything is trained, and with the place's name in it."""
    given = {key: object_store.url(place) for key, place in places.items()}
    said = pair[1].ask("train", code=2 if "folder" in complaint else 1, **given)
    assert complaint in said
    assert said.count("\n") == 1, said


def test_a_training_goes_on_on_another_machine(desks: Callable[[str], Desk], tmp_path: Path) -> None:
    """Told to go, it leaves its checkpoint in the bucket; elsewhere, with an empty home, it goes on from there."""
    desk = desks("bucket-moves")
    longer = {"ppo.env_steps": 120_000}
    process = subprocess.Popen(**desk.command("train", **longer))
    checkpoint = desk.runs / "1" / "fold-0" / "all" / "seed-1" / CHECKPOINT_NAME
    until("a checkpoint in the bucket", lambda: checkpoint.exists() or process.poll() is not None, 300.0)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    kept = _kept_steps(checkpoint.read_bytes())
    assert kept >= 8 * 512
    elsewhere = replace(desk, home=tmp_path / "home")
    done = subprocess.run(**elsewhere.command("train", "--resume", **longer), check=False)
    assert done.returncode == 0, done.stderr
    (version,) = elsewhere.campaign.versions
    (seed,) = version.seeds
    steps = [point.env_steps for point in seed.curve]
    print(f"left at {kept:,} steps, ended at {steps[-1]:,}")
    assert steps == sorted(set(steps))
    assert not checkpoint.exists()
    first = [int(found.replace(",", "")) for found in re.findall(r"seed 1: ([\d,]+) of", done.stderr)]
    assert min(first) > kept


def _kept_steps(data: bytes) -> int:
    """Return the environment steps that a checkpoint has behind it, as its header says."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return int(json.loads(header["__metadata__"]["huracan"])["env_steps"])


def test_a_search_in_a_bucket_is_the_search_on_disk(desks: Callable[[str], Desk]) -> None:
    """Tune keeps its trials in the bucket as well, and the chosen candidate's policies are the same."""
    both = desks("disk-search"), desks("bucket-search")
    for desk in both:
        desk.run(**{"search.num_samples": 2})
    _equal(*both)
    assert (both[1].runs / "1" / "search.json").is_file()
