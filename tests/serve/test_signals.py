"""The endpoint on a real Ray Serve: versions change and replicas die under load, and nobody is told anything wrong."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import ray
from ray import serve
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import RaySettings, Settings
from huracan.errors import ConfigError, DataError
from huracan.learn.cluster import ray_session
from huracan.memory import EmbeddedServer, Registry, open_run
from huracan.policy.artefact import WEIGHTS_NAME
from huracan.signals.auth import Scope, add_token, token_file
from huracan.signals.model import MarketClose
from huracan.signals.versions import load_version
from huracan.trading import Action
from serve.cluster import free_port
from serve.names import APPLICATION, DEPLOYMENT, EXECUTION, FEED, NAMESPACE
from serve.signals import HeardFeed, app
from tests.serve.parts import Load, Reply, StandInExecution, StandInFeed, call
from tests.signals.following import fit
from tests.signals.serving import export
from tests.signals.stand_ins import CLOSE_MS, market_close

pytestmark = [pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(280)]

CHECKOUT = Path(__file__).parents[2]

Decided = Mapping[str, tuple[str, Mapping[str, float]]]
"""Action and probabilities by market."""


@dataclass
class Endpoint:
    """A running application with one version served, and what it must answer."""

    port: int
    token: str
    engine: Engine
    folder: Path
    symbols: tuple[str, ...]
    feed: Any
    execution: Any
    right: dict[str, Decided]
    names: int = 0

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Ask once."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(self.port, self.token, method, path, body, told)

    def register(self, seed: int, promote: int = 0) -> str:
        """Add a version to the registry and move it up so many stages; return its name."""
        self.names += 1
        name, folder = f"v{self.names}", self.folder / f"v{self.names}"
        artefact = export(folder, seed)
        registry = Registry(self.engine)
        run_id = open_run(self.engine, "train", Settings(), "ab" * 32, __version__)
        model = registry.register(run_id, name, "*", str(folder), artefact.sha256, {}, "tests")
        states = np.zeros((len(self.symbols), 80), np.float32)
        states[:, :52] = 1
        decision = load_version(model).ensemble.decide(states)
        self.right[name] = {
            symbol: (
                Action(int(decision.action[row])).name,
                {one.name: float(decision.probs[row, one]) for one in Action},
            )
            for row, symbol in enumerate(self.symbols)
        }
        for _ in range(promote):
            registry.promote(name, "tests", "a test", forced=True)
        return name

    def check(self, reply: Reply) -> str:
        """Return the version of an answer, every signal of which is exactly what that version decides."""
        signals = reply.json["signals"]
        assert [row["symbol"] for row in signals] == sorted(self.symbols)
        (version,) = {row["version"] for row in signals}
        for row in signals:
            assert (row["action"], row["probabilities"]) == self.right[version][row["symbol"]]
        return str(version)

    def served(self) -> set[str]:
        """Return the version that decides now."""
        return {row["version"] for row in self.ask("POST", "/v1/signals", {}).json["signals"]}

    def intents(self) -> list[tuple[str, int]]:
        """Return market and candle of every intent."""
        statement = "SELECT symbol, candle_at FROM intents JOIN markets USING (market_no)"
        with self.engine.connect() as connection:
            return [(row[0], round(row[1].timestamp() * 1e3)) for row in connection.execute(text(statement))]

    def close(self) -> None:
        """Close a candle and have the account carry it out."""
        close_ms = ray.get(self.feed.close.remote())
        ray.get(self.execution.stand_at.remote(close_ms))


def until(question: Callable[[], object], what: str, limit_s: float = 60.0) -> None:
    """Wait until a question is answered with yes."""
    end_s = time.monotonic() + limit_s
    while not question():
        assert time.monotonic() < end_s, what
        time.sleep(0.1)


def replicas() -> list[psutil.Process]:
    """Return the processes of the endpoint's replicas, of this test's own Ray alone."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if f"ServeReplica:{APPLICATION}:{DEPLOYMENT}" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HURACAN_HOME of this module's own."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def endpoint(home: Path, database: Engine, database_server: EmbeddedServer) -> Iterator[Endpoint]:
    """The application as `serve run serve.signals:app` deploys it, over made-up feed and execution."""
    url = database.url.render_as_string(hide_password=False)
    with pytest.MonkeyPatch.context() as patch, ray_session(RaySettings(num_cpus=4, object_store_mb=100)):
        patch.setenv("HURACAN_HOME", str(home))
        patch.setenv("HURACAN__DATABASE__URL", url)
        patch.setenv("HURACAN__SERVE__REGISTRY_INTERVAL_S", "0.2")
        patch.setenv("HURACAN__DATA__TIMEFRAME", "1m")
        patch.delenv("HURACAN_SERVE_SETTINGS", raising=False)
        symbols, sha256 = fit().context.universe, fit().sha256
        feed = StandInFeed.options(name=FEED, namespace=NAMESPACE).remote(symbols, (sha256,))  # type: ignore[attr-defined]
        close_ms = ray.get(feed.newest.remote()).close_ms
        named = StandInExecution.options(name=EXECUTION, namespace=NAMESPACE)  # type: ignore[attr-defined]
        execution = named.remote(symbols, sha256, close_ms)
        token = add_token(token_file(home), "tests", Scope.TRADE, 0)
        found = Endpoint(free_port(), token, database, home / "artefacts", symbols, feed, execution, {})
        found.register(1, promote=2)
        serve.start(http_options={"host": "127.0.0.1", "port": found.port, "request_timeout_s": 60})
        serve.run(app({}), name=APPLICATION, route_prefix="/")
        until(lambda: found.ask("GET", "/v1/health").status == 200, "it is not well")
        yield found
        serve.shutdown()


def test_the_endpoint_answers_with_what_its_version_decides(endpoint: Endpoint) -> None:
    """Bit for bit what the artefact decides here, as a champion that has proven nothing."""
    reply = endpoint.ask("POST", "/v1/signals", {})
    assert endpoint.check(reply) == "v1"
    assert {row["standing"] for row in reply.json["signals"]} == {"champion, promoted by hand: UNPROVEN"}


def test_no_secret_is_given_to_ray(endpoint: Endpoint, home: Path) -> None:
    """The database's address is in a file of its owner alone, and in no environment that Ray shows."""
    path = home / "serve" / "settings.json"
    assert path.stat().st_mode & 0o777 == 0o600
    secret = endpoint.engine.url.password
    assert secret
    assert str(secret) in path.read_text()
    for process in replicas():
        assert str(secret) not in " ".join(process.cmdline())
        assert "HURACAN__DATABASE__URL" not in process.environ() or os.environ.get("HURACAN__DATABASE__URL")


def test_serves_own_port_lets_nobody_in_without_rays_token(endpoint: Endpoint) -> None:
    """Each replica listens on every interface, by Ray's choice, and unpickles what it is sent: the token guards it."""
    (replica,) = replicas()
    ports = [one.laddr.port for one in replica.net_connections("tcp") if one.laddr.ip in ("::", "0.0.0.0")]  # noqa: S104
    ports = [port for port in ports if port]
    assert ports
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text().strip()
    for told, refused in (((), True), ((("authorization", f"Bearer {token}"),), False)):
        with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
            call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=10, metadata=told)
        assert (caught.value.code() is grpc.StatusCode.UNAUTHENTICATED) is refused


def test_reads_come_from_the_database(endpoint: Endpoint) -> None:
    """An account that nobody has traded, and the registry as it is."""
    assert endpoint.ask("GET", "/v1/status").json["state"] == "ACTIVE"
    assert endpoint.ask("GET", "/v1/positions").json["positions"] == []
    assert endpoint.ask("GET", "/v1/orders").json["orders"] == []
    assert endpoint.ask("GET", "/v1/trades").json == {"account": "main", "trades": [], "more": False}
    models = {row["version"]: row for row in endpoint.ask("GET", "/v1/models").json["models"]}
    assert models["v1"]["served"] is True


def test_the_trading_loop_decides_by_handle(endpoint: Endpoint) -> None:
    """Without HTTP, the same decisions, with arrays as they are."""
    states = np.zeros((len(endpoint.symbols), 80), np.float32)
    states[:, :52] = 1
    handle = serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
    found = handle.decide.remote(0, endpoint.symbols, states).result(timeout_s=30)
    for row, symbol in enumerate(endpoint.symbols):
        action, probs = endpoint.right[found.version[row]][symbol]
        assert Action(int(found.action[row])).name == action
        assert {one.name: float(found.probs[row, one]) for one in Action} == probs


def test_a_version_change_under_load_fails_no_request(endpoint: Endpoint) -> None:
    """16 connections, three changes: every answer is wholly of one version, right for it, and none is refused."""
    before = endpoint.served()
    load = Load(endpoint.port, endpoint.token)
    with load.running():
        for seed in (2, 3, 4):
            name = endpoint.register(seed, promote=2)
            until(lambda name=name: endpoint.served() == {name}, f"{name} is not served")  # type: ignore[misc]
            time.sleep(0.3)
    failed = [(key, reply.status, reply.body[:200]) for key, reply in load.replies if reply.status != 200]
    assert failed == []
    assert len(load.replies) > 100
    seen = {endpoint.check(reply) for _, reply in load.replies}
    assert seen == before | {"v2", "v3", "v4"}


def test_a_tampered_artefact_changes_nothing_but_health(endpoint: Endpoint) -> None:
    """The version before goes on; health says which file is wrong; the next sound version takes over."""
    before = endpoint.served()
    registry, name = Registry(endpoint.engine), endpoint.register(5)
    weights = endpoint.folder / name / WEIGHTS_NAME
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for _ in range(2):
        registry.promote(name, "tests", "it looks well", forced=True)
    until(lambda: endpoint.ask("GET", "/v1/health").status == 503, "nobody noticed")
    health = endpoint.ask("GET", "/v1/health")
    assert health.json["code"] == "MODEL_STALE"
    assert WEIGHTS_NAME in health.json["message"]
    assert health.headers["retry-after"] == "1"
    assert endpoint.served() == before
    mended = endpoint.register(6, promote=2)
    until(lambda: endpoint.ask("GET", "/v1/health").status == 200, "it is not well again")
    assert endpoint.served() == {mended}


def test_execute_writes_open_intents_and_keys_outlive_the_candle(endpoint: Endpoint) -> None:
    """In Postgres, once; the same key has the same ids after the next close."""
    first = endpoint.ask("POST", "/v1/signals", {"execute": True}, Idempotency_Key="order-7")
    rows = endpoint.intents()
    endpoint.close()
    again = endpoint.ask("POST", "/v1/signals", {"execute": True}, Idempotency_Key="order-7")
    assert (first.status, again.json) == (200, first.json)
    assert endpoint.intents() == rows
    other = endpoint.ask("POST", "/v1/signals", {"execute": False}, Idempotency_Key="order-7")
    assert (other.status, other.json["code"]) == (409, "KEY_REUSED")


def test_a_killed_replica_tells_nothing_wrong_and_doubles_no_intent(endpoint: Endpoint) -> None:
    """SIGKILL under 16 connections that execute, candles closing meanwhile; what failed is repeated by its key."""
    version = endpoint.served()
    load = Load(endpoint.port, endpoint.token, execute=True)
    known = set(endpoint.intents())
    with load.running():
        time.sleep(1.0)
        (victim,) = replicas()
        victim.kill()
        endpoint.close()
        until(lambda: [one for one in replicas() if one.pid != victim.pid], "no replica comes back")
        until(lambda: endpoint.ask("GET", "/v1/health").status == 200, "it is not well again", 90)
        endpoint.close()
        time.sleep(1.0)
    good = [(key, reply) for key, reply in load.replies if reply.status == 200]
    assert load.broken > 0, "the death was not noticed: nothing was shown"
    assert {reply.status for _, reply in load.replies} <= {0, 200, 500, 503}
    assert {endpoint.check(reply) for _, reply in good} == version
    answers: dict[str, Any] = {}
    for key, reply in good:
        assert answers.setdefault(key, reply.json) == reply.json
    rows = endpoint.intents()
    assert len(rows) == len(set(rows)), "an intent stands there twice"
    acting = [row for answer in answers.values() for row in answer["signals"] if row["intent_id"] is not None]
    assert {(row["symbol"], row["as_of"]["open_ms"]) for row in acting} >= set(rows) - known
    assert set(rows) >= {(row["symbol"], row["as_of"]["open_ms"]) for row in acting}


def test_the_guides_commands_work_as_written(endpoint: Endpoint, home: Path) -> None:
    """docs/http.md from a shell, with this endpoint's port: every command succeeds, and says what the guide says."""
    blocks = re.findall(
        r"^```bash\n(.*?)^```", (CHECKOUT / "docs" / "http.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert len(blocks) == 6
    (home / "build").mkdir(exist_ok=True)
    until(lambda: endpoint.ask("POST", "/v1/signals").status == 200, "no signals after the replica that was killed")
    script = "".join(blocks).replace("127.0.0.1:8000", f"127.0.0.1:{endpoint.port}")
    lines = [line if line.startswith("TOKEN=") else f"{line}; echo" for line in script.splitlines()]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "set -e\n" + "\n".join(lines)],
        env={"PATH": path, "HURACAN_HOME": str(home)}, cwd=home,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-1_000:]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    executed = [answer for answer in answers if any(row["intent_id"] for row in answer.get("signals", ()))]
    assert len(executed) == 2
    assert executed[0] == executed[1]
    assert [answer["state"] for answer in answers if "proven" in answer] == ["HALTED", "ACTIVE"]
    assert "huracan_signals_total" in done.stdout
    assert answers[-1]["state"] == "ACTIVE"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [(EXECUTION, "EXECUTION_DOWN"), (FEED, "FEED_DOWN")])
def test_an_actor_that_is_away_is_a_503_until_it_is_back(endpoint: Endpoint, name: str, code: str) -> None:
    """Found again by its name; the replica is not restarted for it."""
    before = [one.pid for one in replicas()]
    close_ms = ray.get(endpoint.feed.newest.remote()).close_ms
    ray.kill(ray.get_actor(name, NAMESPACE))
    until(lambda: endpoint.ask("GET", "/v1/health").json["code"] == code, "health does not say it")
    answer = endpoint.ask("POST", "/v1/signals", {"execute": True})
    assert (answer.status, answer.json["code"]) == (503, code)
    if name == EXECUTION:
        halted = endpoint.ask("POST", "/v1/halt", {"reason": "nobody there"})
        assert (halted.status, halted.json["code"]) == (503, "EXECUTION_DOWN")
        status = endpoint.ask("GET", "/v1/status").json
        assert (status["state"], status["state_author"]) == ("HALTED", "http:tests")
    time.sleep(12)  # two of Serve's health checks
    symbols, sha256 = endpoint.symbols, fit().sha256
    if name == EXECUTION:
        again = StandInExecution.options(name=name, namespace=NAMESPACE)  # type: ignore[attr-defined]
        endpoint.execution = again.remote(symbols, sha256, close_ms)
    else:
        again = StandInFeed.options(name=name, namespace=NAMESPACE)  # type: ignore[attr-defined]
        endpoint.feed = again.remote(symbols, (sha256,), close_ms)
    until(lambda: endpoint.ask("GET", "/v1/health").status == 200, "it is not well again")
    assert endpoint.ask("POST", "/v1/signals", {}).status == 200
    assert [one.pid for one in replicas()] == before


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("HURACAN_HOME", "HURACAN_HOME is not set"),
        ("RAY_AUTH_MODE", "token authentication is off"),
        ("HURACAN__DATABASE__URL", "no database is named"),
    ],
)
def test_it_refuses_to_be_deployed_without_a_place(
    missing: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line that says what to set."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__DATABASE__URL", "postgresql://huracan@db/huracan")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.delenv("HURACAN_SERVE_SETTINGS", raising=False)
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigError, match=words):
        app({})


def test_arguments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings have one way in."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(ConfigError, match="takes no arguments"):
        app({"port": "1"})


class ForgetfulFeed:
    """A feed that keeps the newest close alone, and then one that stands in another time."""

    def __init__(self, *newest: MarketClose) -> None:
        self._newest = [*newest]

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """Answer as the feed actor does."""
        if method == "closes":
            raise DataError("closes after it are not kept any more: restart from history")
        return self._newest.pop(0)


def test_a_feed_that_forgets_is_asked_for_its_newest_close() -> None:
    """Also an earlier one than before: a replay that began anew is followed."""
    heard = HeardFeed()
    later, earlier = market_close(CLOSE_MS + 60_000), market_close(CLOSE_MS)
    heard.actor = ForgetfulFeed(later, earlier)  # type: ignore[assignment]

    async def run() -> list[int]:
        found = []
        for _ in range(2):
            heard.newest = await heard.ask()
            assert heard.newest is not None
            found.append(heard.newest.close_ms)
        return found

    assert asyncio.run(run()) == [later.close_ms, earlier.close_ms]
