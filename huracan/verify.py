"""`huracan verify`: whether everything huracan needs is there and works; each check does the thing, and can fail.

A check is a function that returns what it found, or raises `HuracanError` saying what is wrong and what to do.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from huracan.config import RaySettings, Settings, home_folder
from huracan.errors import ArtefactError, ConfigError, DatabaseError, HuracanError, InvariantError, ServeError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from huracan.policy.card import PolicyCard

__all__ = ["Check", "Outcome", "checks", "verify"]

PYTHON_VERSIONS = ((3, 11), (3, 12))
COMPILED_WAIT_S = 120


@dataclass(frozen=True, slots=True)
class Check:
    """One named check."""

    name: str
    run: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found: `detail` says it in a line, with the remedy when it failed."""

    name: str
    passed: bool
    detail: str
    wall_s: float


def verify(all_checks: tuple[Check, ...]) -> tuple[Outcome, ...]:
    """Run every check, also after a failed one. This is their supervisor: no exception of a check ends the others."""
    outcomes = []
    for check in all_checks:
        begin = time.perf_counter()
        try:
            passed, detail = True, check.run()
        except HuracanError as error:
            passed, detail = False, str(error)
        except Exception as error:  # a broken installation raises anything: it is a finding like any other
            passed, detail = False, f"{type(error).__name__}: {error}; reinstall with `make setup`"
        outcomes.append(Outcome(check.name, passed, " ".join(detail.split()), time.perf_counter() - begin))
    return tuple(outcomes)


def checks(settings: Callable[[], Settings], constraints: Path | None = None) -> tuple[Check, ...]:
    """Return all checks, in the order in which one builds on another.

    Args:
        settings: loads the configuration; raises `ConfigError` when it is not usable.
        constraints: file of exact versions; None: `constraints.txt` of the checkout.
    """
    from huracan.health import checks as deep

    pins = Path(__file__).parents[1] / "constraints.txt" if constraints is None else constraints
    return (
        Check("python", lambda: check_python(sys.version_info[:2])),
        Check("dependencies", lambda: check_dependencies(pins)),
        Check("configuration", lambda: f"hash {settings().hash[:12]}"),
        Check("home", lambda: check_home(home_folder())),
        Check("database", lambda: check_database(settings())),
        Check("schema", lambda: _with_engine(settings(), deep.check_schema)),
        Check("artefacts", lambda: _with_engine(settings(), lambda engine: deep.check_artefacts(engine, settings()))),
        Check("disk", lambda: deep.check_disk(home_folder(), settings())),
        Check("clock", lambda: _with_engine(settings(), lambda engine: deep.check_clock(engine, settings()))),
        Check("heartbeats", lambda: _with_engine(settings(), lambda engine: deep.check_heartbeats(engine, settings()))),
        Check("notices", lambda: deep.check_notices(settings())),
        Check("policy", lambda: check_policy_round_trip(home_folder())),
        Check("ray", lambda: check_ray(settings().ray)),
        Check("served", lambda: check_served(home_folder())),
        Check("compiled code", lambda: check_compiled(Path(os.environ["NUMBA_CACHE_DIR"]))),
    )


def check_python(version: tuple[int, int]) -> str:
    """Return the version of Python, when it is one huracan runs on."""
    shown = ".".join(map(str, version))
    if version not in PYTHON_VERSIONS:
        raise ConfigError(f"Python {shown}: huracan needs 3.11 or 3.12; install one and run `make setup`")
    return shown


def check_dependencies(constraints: Path, root: str = "huracan") -> str:
    """Return how many packages are installed as pinned: all that `root` needs, directly or not, and what else is there.

    Raises:
        ConfigError: a package is missing, or another version than the pinned one is installed.
    """
    try:
        lines = constraints.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{constraints} cannot be read: {error.strerror}; run from a whole checkout") from None
    pins = dict(line.strip().split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    wrong, right = [], 0
    for name, pinned in pins.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for development or for other machines; one that is needed here is found below
        if installed.split("+")[0] != pinned.split("+")[0]:
            wrong.append(f"{name} {installed} instead of {pinned}")
        else:
            right += 1
    wrong += [f"{name} is not installed ({needing} needs it)" for name, needing in sorted(_missing(root).items())]
    if wrong:
        raise ConfigError(f"{len(wrong)} packages differ from {constraints.name}: {', '.join(wrong)}; run `make setup`")
    return f"{right} packages as pinned"


def _missing(root: str) -> dict[str, str]:
    """Return the packages that `root` needs on this machine and that are not installed, each with one that needs it."""
    todo, seen, missing = [(root, "", "the checkout")], set(), {}
    while todo:
        name, extra, needing = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            needed = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            missing[name] = needing
            continue
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                package = canonicalize_name(requirement.name)
                todo += [(package, wanted, name) for wanted in ("", *requirement.extras)]
    return missing


def check_home(home: Path) -> str:
    """Return HURACAN_HOME, when a file can be written there and read back."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"huracan")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"HURACAN_HOME {home} cannot be written: {error.strerror}; set it to a folder of yours"
        ) from None
    return str(home)


def check_database(settings: Settings) -> str:
    """Return where the database is, when it answers, has all our tables at this version, and computes with vectors."""
    from sqlalchemy import text

    from huracan.memory import open_database, schema

    engine = open_database(settings.database)
    with engine.connect() as connection:
        if missing := schema.missing_tables(connection):
            raise DatabaseError(
                f"the database says schema {schema.head()} but lacks {', '.join(missing)}; restore a backup, "
                "or drop the database and run `huracan db upgrade`"
            )
        distance = connection.execute(text("SELECT '[3,0,0]'::vector <-> '[0,4,0]'::vector")).scalar_one()
        version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    engine.dispose()
    if distance != 5.0:
        raise DatabaseError(f"pgvector computes a distance of {distance} where it is 5; reinstall the extension")
    kind = "embedded" if settings.database.url is None else "configured"
    return f"PostgreSQL {version} ({kind}), schema {schema.head()}, {len(schema.TABLES)} tables, pgvector"


def _with_engine(settings: Settings, check: "Callable[[Engine], str]") -> str:
    """Run a check with the database."""
    from huracan.memory import open_database

    engine = open_database(settings.database)
    try:
        return check(engine)
    finally:
        engine.dispose()


def check_policy_round_trip(folder: Path) -> str:
    """Return what was proven: an exported policy decides as before, bit for bit, and a flipped byte is refused."""
    import numpy as np

    from huracan.policy import NetworkSpec, Normaliser, PolicyNet, decide
    from huracan.policy.artefact import WEIGHTS_NAME, export_artefact, load_artefact
    from huracan.policy.check import specimen_states

    net = PolicyNet(NetworkSpec((32, 32), "tanh"), Normaliser.identity(), seed=1)
    states = specimen_states(64, seed=1)
    with tempfile.TemporaryDirectory(dir=folder, prefix="verify-") as scratch:
        exported = export_artefact(Path(scratch) / "policy", [net], _specimen_card())
        loaded = load_artefact(Path(scratch) / "policy")
        before, after = decide([net], states), decide(list(loaded.ensemble.nets), states)
        if not np.array_equal(before.log_prob, after.log_prob) or not np.array_equal(before.action, after.action):
            raise InvariantError("a policy decides otherwise after export and load; do not serve any, report this")
        weights = Path(scratch) / "policy" / WEIGHTS_NAME
        damaged = bytearray(weights.read_bytes())
        damaged[-1] ^= 1
        weights.write_bytes(damaged)
        try:
            load_artefact(Path(scratch) / "policy")
        except ArtefactError:
            return f"artefact {exported.sha256[:12]} decides as before export, and is refused when damaged"
    raise InvariantError("a policy with a flipped byte was loaded; do not serve any, report this")


def check_ray(settings: RaySettings) -> str:
    """Return what Ray is, when it starts (or is joined) with token authentication and runs a task."""
    from huracan.learn.cluster import ray_session
    from huracan.ray_env import given_cluster

    if os.environ.get("RAY_AUTH_MODE") != "token" and settings.address is None and given_cluster() is None:
        raise ConfigError("a local Ray instance would run without token authentication; unset RAY_AUTH_MODE")
    with ray_session(settings):
        import ray

        answer = ray.get(ray.remote(_worker_pid).options(num_cpus=1).remote(), timeout=60)
        if answer == os.getpid():
            raise InvariantError("a Ray task ran in the driver's own process")
        return f"Ray {ray.__version__}, {ray.cluster_resources().get('CPU', 0):g} CPUs, a task ran in process {answer}"


def check_served(home: Path) -> str:
    """Return what is up of `huracan serve up`, when all of it works; nothing has to be.

    Raises:
        ServeError: a part is there and does not work.
    """
    from serve.up import glance

    parts = glance(home)
    if parts is None:
        return "no cluster of `huracan serve up` runs"
    if not parts:
        raise ServeError("the cluster of `huracan serve up` runs and does not answer; run `huracan serve down`")
    if broken := [f"{part.name} is {part.state} {part.detail}".strip() for part in parts if part.there and not part.ok]:
        raise ServeError(f"{'; '.join(broken)}; look with `huracan serve status`, mend with `huracan serve up`")
    return ", ".join(f"{part.name} {part.state.lower()}" for part in parts)


def check_compiled(cache: Path) -> str:
    """Return the size of numba's cache, when a new process takes all code of the warm-up from it and compiles nothing.

    Raises:
        ConfigError: the first function that it lacks, or what a damaged file in it does to the process.
    """
    remedy = f"remove {cache} and run `python -m huracan.env.warm`"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "huracan.env.warm", "--check"],
            env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
            check=False,
            timeout=COMPILED_WAIT_S,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"the compiled code in {cache} does not end within {COMPILED_WAIT_S} s; {remedy}") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ConfigError(f"the compiled code in {cache} cannot be used ({said[-1]}); {remedy}")
    if missing := done.stdout.strip():
        raise ConfigError(f"{cache} lacks compiled code, first of {missing}; run `python -m huracan.env.warm`")
    return f"{sum(1 for _ in cache.rglob('*.nbi'))} compiled functions in {cache}, nothing to compile"


def _specimen_card() -> "PolicyCard":
    """Return the card of an untrained network of one seed, for the round trip only."""
    from huracan.policy.card import ACTION_NAMES, PolicyCard, catalogue_identity, library_versions

    size = len(catalogue_identity("1m"))
    return PolicyCard(
        name="verify",
        hidden=(32, 32),
        activation="tanh",
        actions=ACTION_NAMES,
        features=catalogue_identity("1m"),
        center=(0.0,) * size,
        scale=(1.0,) * size,
        clip=(None,) * size,
        available=(True,) * size,
        fit={},
        universe=("BTC/USDT",),
        leader=None,
        timeframe="1m",
        trading={},
        ppo={},
        data_fingerprint="0" * 64,
        train_start_ms=0,
        train_end_ms=0,
        seeds=(1,),
        env_steps=0,
        libraries=library_versions(),
    )


def _worker_pid() -> int:
    return os.getpid()
