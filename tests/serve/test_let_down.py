"""Everything up, and the world lets it down: exchange, database, clock and processes go in the middle of trading.

Each time the endpoint says what is wrong, nothing is sent twice, nothing is lost (I1 to I13 over the exchange's own
word), and trading goes on by itself.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlalchemy import Engine, text

from huracan.execution.invariants import Sent
from huracan.execution.model import Status
from huracan.memory import EmbeddedServer, Registry, connect
from huracan.policy.artefact import WEIGHTS_NAME
from huracan.venue.orders import Side
from tests.memory.own_server import own_server
from tests.serve.brought import ACCOUNT, UP_S, Up, replayed
from tests.serve.served import register
from tests.trader.processes import SYMBOLS, candles, until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(900)]

STALE_S = 5.0
"""Seconds beyond a bar after which data is stale: the shortest wait that still means something."""
SEED = 20_250_105
KILLS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that only this module's processes use, so that it may be killed."""
    with own_server() as found:
        yield found


@pytest.fixture(scope="module")
def up(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything up on it, trading."""
    home, stored = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("candles")
    stale = {"HURACAN__RISK__FEED_AGE_MAX_S": str(STALE_S), "HURACAN__SERVE__REGISTRY_INTERVAL_S": "1"}
    with replayed(home, server.url(), stored, **stale) as world:
        yield world


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    """A token that may do everything."""
    return str(up.command("serve", "token", "new", "tests", "--scope", "trade")["token"])


@pytest.fixture(autouse=True)
def well(up: Up, token: str) -> None:
    """Begin only when what the test before has done is over."""
    _well(up, token)


def _well(up: Up, token: str) -> None:
    until("health", lambda: up.http(token, "GET", "/v1/health")[0] == 200, UP_S)
    until("signals", lambda: up.http(token, "POST", "/v1/signals", {})[0] == 200, UP_S)
    _trades_on(up)


def _trades_on(up: Up) -> None:
    """Wait until another order leaves."""
    posted = len(up.posts(ACCOUNT))
    until("another order", lambda: len(up.posts(ACCOUNT)) > posted, UP_S)


def _buys(up: Up) -> list[Sent]:
    """Return every buy that left."""
    return [one for one in up.sent(ACCOUNT) if one.post and one.side is Side.BUY]


def _code(up: Up, token: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Return status and code of an answer; "" without one."""
    status, answer = up.http(token, method, path, body)
    return status, str(answer.get("code") or "")


def _is(up: Up, token: str, wanted: tuple[int, str], method: str, path: str, body: Any = None) -> Callable[[], bool]:
    return lambda: _code(up, token, method, path, body) == wanted


def test_the_exchange_cannot_be_reached_until_the_data_is_stale(up: Up, token: str) -> None:
    """Every connection is reset and refused: no order leaves, signals and health say STALE_DATA, then all is well."""
    relay = up.relays[0]
    relay.shut()
    try:
        posted = len(up.posts(ACCOUNT))
        until("stale", _is(up, token, (503, "STALE_DATA"), "POST", "/v1/signals", {}), 60 + STALE_S + 60)
        assert _code(up, token, "POST", "/v1/signals", {"execute": True}) == (503, "STALE_DATA")
        status, health = up.http(token, "GET", "/v1/health")
        assert status == 503
        assert "STALE_DATA" in {part["code"] for part in health["parts"]}
        assert up.http(token, "GET", "/v1/status")[0] == 200, "what the database knows is told all the same"
        assert len(up.posts(ACCOUNT)) == posted
    finally:
        relay.open()
    _well(up, token)
    up.converge(ACCOUNT, 2, UP_S)


def test_the_exchange_falls_asleep_and_wakes(up: Up, token: str) -> None:
    """SIGSTOP: connections stand and nothing answers, longer than a request may take."""
    assert up.process is not None
    up.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(10)
    finally:
        up.process.send_signal(signal.SIGCONT)
    _well(up, token)
    up.converge(ACCOUNT, 2, UP_S)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_database_is_gone_for_a_while(up: Up, token: str, server: EmbeddedServer, how: str) -> None:
    """Signals alone go on; what needs the database is a 503 that says so; no order leaves without its row."""
    if how == "stopped":
        server.stop()
    else:
        pid = server.status().pid
        assert pid is not None
        master = psutil.Process(pid)
        for one in (master, *master.children(recursive=True)):
            one.kill()
    gone_ms = time.time_ns() // 1_000_000
    known = set(up.posts(ACCOUNT))
    down = (503, "DATABASE_DOWN")
    for method, path, body in (
        ("GET", "/v1/health", None),
        ("GET", "/v1/status", None),
        ("GET", "/v1/positions", None),
        ("GET", "/v1/trades", None),
        ("GET", "/v1/models", None),
    ):
        until(path, _is(up, token, down, method, path, body), 60)
    answers = Counter(_code(up, token, "POST", "/v1/signals", {}) for _ in range(20))
    print(f"signals while the database is {how}: {dict(answers)}")
    assert {status for status, _ in answers} <= {200, 503}
    assert answers[200, ""] > 0
    refused, answer = up.http(token, "POST", "/v1/signals", {"execute": True}, f"while-{how}")
    assert (refused, answer["code"]) == down
    begun = up.market_ms()
    until("eight bars", lambda: up.market_ms() >= begun + 8 * 60_000)
    late = set(up.posts(ACCOUNT)) - known
    server.start()
    rows = {order.cid: order for order in up.orders(ACCOUNT)}
    for cid in late:
        marked = rows[cid].sent_ms
        assert marked is not None
        assert marked <= gone_ms
    _well(up, token)
    again, _ = up.http(token, "POST", "/v1/signals", {"execute": True}, f"while-{how}")
    assert again == 200, "the key of a request that was refused stands for nothing"
    up.converge(ACCOUNT, 2, UP_S)


def test_a_halt_that_was_proven_without_the_database_outlives_its_absence(
    up: Up, token: str, server: EmbeddedServer
) -> None:
    """The kill switch needs no database; the lease runs out meanwhile, and whoever trades next is halted all the same.

    A halt that comes too late for that is refused in so many words, and nothing trades then either.
    """
    server.stop()
    status, answer = up.http(token, "POST", "/v1/halt", {"reason": "no database"})
    print(f"halt without a database: {status} {answer}")
    buys, begun = _buys(up), up.market_ms()
    until("twenty bars", lambda: up.market_ms() >= begun + 20 * 60_000)
    server.start()
    until("a trader", lambda: up.http(token, "GET", "/v1/health")[0] == 200, UP_S)
    if status == 200:
        assert answer["proven"] is True
        time.sleep(3)
        assert up.status(ACCOUNT).state == "HALTED"
        assert _buys(up) == buys
        assert up.http(token, "POST", "/v1/resume", {"reason": "it is back"})[0] == 200
    else:
        assert answer["code"] in ("EXECUTION_DOWN", "HALT_NOT_PROVEN")
        assert "NOT" in answer["message"]
    _well(up, token)
    up.converge(ACCOUNT, 2, UP_S)


def test_the_clock_jumps_and_jumps_back(up: Up, token: str) -> None:
    """The venue is two seconds ahead: once that is known nothing is bought, and when it is over trading goes on."""
    up.admin("POST", "faults", {"clock_skew_ms": 2_000})
    try:
        until("no buys", lambda: "CLOCK_SKEW" in _denials(up, token), 90)
        buys = _buys(up)
        time.sleep(5)
        assert _buys(up) == buys
    finally:
        up.admin("POST", "faults", {"clock_skew_ms": 0})
    _well(up, token)
    up.converge(ACCOUNT, 2, UP_S)


def _denials(up: Up, token: str) -> set[str]:
    """Return the codes with which risk denies what the policies want now."""
    status, answer = up.http(token, "POST", "/v1/signals", {})
    if status != 200:
        return set()
    return {row["risk"]["code"] for row in answer["signals"] if row["risk"]["verdict"] == "denied"}


def test_the_actor_is_killed_with_an_order_under_way(up: Up, token: str) -> None:
    """SIGKILL in the middle of a close, between an order and its answer: its successor finds what became of it."""
    relay = up.relays[0]
    relay.hold()
    try:
        until("a reply on its way", lambda: relay.held, UP_S)
        before = set(up.posts(ACCOUNT))
        open_rows = {order.cid for order in up.orders(ACCOUNT) if order.status is Status.SUBMITTED}
        assert open_rows & before, "nothing was under way"
        up.kill("execution")
    finally:
        relay.let_go()
    _well(up, token)
    log = up.converge(ACCOUNT, 2, UP_S)
    fates = {order.cid: order.status for order in log.orders if order.cid in open_rows & before}
    print(f"killed with {fates} under way")
    assert all(status not in (Status.SUBMITTED, Status.UNKNOWN) for status in fates.values())


def test_the_actor_is_killed_at_any_moment(up: Up, token: str) -> None:
    """Moments are drawn, the seed is printed; each time it comes back, and at the end everything adds up."""
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for _ in range(KILLS):
        _trades_on(up)
        time.sleep(rng.random())
        up.kill("execution")
    _well(up, token)
    log = up.converge(ACCOUNT, 2, UP_S)
    assert len({(fill.symbol, fill.trade_id) for fill in log.fills}) == len(log.fills)


def test_a_promoted_artefact_that_was_tampered_with_is_refused_and_the_old_version_goes_on(up: Up, token: str) -> None:
    """Health names it with MODEL_STALE; signals, feed and trader stay with the version before; then it is mended."""
    engine = connect(up.database_url)
    try:
        registry, before = Registry(engine), _versions(up, token)
        name = register(engine, up.home / "models", {one: candles(one) for one in SYMBOLS}, name="tampered")
        (model,) = [one for one in registry.models() if one.version == name]
        weights = Path(model.artefact) / WEIGHTS_NAME
        sound = weights.read_bytes()
        weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        for _ in range(2):
            registry.promote(name, "tests", "it looks well", forced=True)
        until("MODEL_STALE", _is(up, token, (503, "MODEL_STALE"), "GET", "/v1/health"), 60)
        assert WEIGHTS_NAME in up.http(token, "GET", "/v1/health")[1]["message"]
        assert _versions(up, token) == before
        _trades_on(up)
        assert _decider(engine) in before
        weights.write_bytes(sound)
        until("the new version", lambda: _versions(up, token) == {name}, 60)
        until("its decisions", lambda: _decider(engine) == name, 60)
    finally:
        engine.dispose()


def _versions(up: Up, token: str) -> set[str]:
    """Return the versions that decide by the endpoint."""
    return {row["version"] for row in up.http(token, "POST", "/v1/signals", {})[1].get("signals", ())}


def _decider(engine: Engine) -> str:
    """Return the version that the trader's newest decision is of."""
    query = "SELECT versions FROM decisions JOIN accounts USING (account_no) WHERE name = :name ORDER BY close_at DESC"
    with engine.connect() as connection:
        (version,) = connection.execute(text(f"{query} LIMIT 1"), {"name": ACCOUNT}).scalar_one()
    return str(version)


ASK_FEED = """
import json, sys
from serve.cluster import joined
from serve.names import FEED, NAMESPACE
with joined(sys.argv[1]):
    import ray
    feed = ray.get_actor(FEED, NAMESPACE)
    newest_ms = ray.get(feed.newest.remote()).close_ms
    after_ms = max(int(sys.argv[2]), newest_ms - 100 * 60_000)
    closes = ray.get(feed.closes.remote(after_ms))
    rows = [[one.close_ms, {symbol: str(bar.close) for symbol, bar in one.bars.items()}] for one in closes]
    status = ray.get(feed.status.remote()).status
    counts = {name: getattr(status, name) for name in ("gaps", "left_out", "caught_up")}
    print(json.dumps({"rows": rows, "after_ms": after_ms} | counts))
"""
"""Asks the feed actor for its newest closes and for what it counts."""


def _ask_feed(up: Up, after_ms: int = 0) -> dict[str, Any]:
    words = [sys.executable, "-c", ASK_FEED, up.head.address, str(after_ms)]
    done = subprocess.run(words, env=up.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-1_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_feed_is_killed_and_no_bar_is_lost_or_doubled(up: Up, token: str) -> None:
    """It goes on from its snapshot; each close since is there once, with the exchange's candles."""
    before_ms = _ask_feed(up)["rows"][-1][0]
    up.kill("feed")
    until("signals", lambda: up.http(token, "POST", "/v1/signals", {})[0] == 200, UP_S)
    found = _ask_feed(up, before_ms)
    times = [row[0] for row in found["rows"]]
    print(f"{len(times)} closes since the kill; {found['caught_up']} were caught up from the snapshot")
    assert times[0] == found["after_ms"] + 60_000
    assert set(np.diff(times)) == {60_000}
    assert (found["gaps"], found["left_out"]) == (0, 0)
    for symbol in SYMBOLS:
        rows = candles(symbol)
        at = np.searchsorted(rows.timestamp, np.array(times) - 60_000)
        told = [float(bars[symbol]) for _, bars in found["rows"]]
        assert told == pytest.approx(rows.close[at].tolist(), rel=1e-12)
    _well(up, token)
    up.converge(ACCOUNT, 2, UP_S)
