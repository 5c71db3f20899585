"""A signal over HTTP: Serve's default proxy and its fast mode beside a bare uvicorn, one and sixteen connections.

Every server is a process of its own with the same routes, token check, limits, policy and answer; the bare one has
feed and execution in its process, Serve's ask them as actors. The request names one market; its decision is an entry,
so that risk's word is asked for each. The caller has a process of its own too, and speaks HTTP by hand, or it would be
what is measured. Two cores carry all of it.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.bench import closes
from tests.bench.harness import Measurement, repeat

MODES: Final = ("bare", "default", "fast")
FAST: Final = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
CONNECTIONS: Final = (1, 16)
REPEATS, WARM_S, RUN_S = 3, 2.0, 4.0
_START_S = 180.0
_NEVER_STALE_S = 100_000.0


def measure() -> list[Measurement]:
    """Measure each server, one after the other, then the way from a candle to its orders."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    ports: dict[str, str] = {}
    for mode in MODES:
        with _server(mode) as told:
            ports[mode] = told["listens"]
            for connections in CONNECTIONS:
                _drive(told, connections, WARM_S)
                found[mode, connections] = [_drive(told, connections, RUN_S) for _ in range(REPEATS)]
    rows = []
    for (mode, connections), runs in found.items():
        for name, unit in (("p50", "ms"), ("p99", "ms"), ("rps", "requests/s")):
            ratios: dict[str, float | None] = {}
            if mode != "bare" and name == "rps":
                bare = float(np.median([run[name] for run in found["bare", connections]]))
                ratios = {"bare-uvicorn": float(np.median([run[name] for run in runs])) / bare}
            values = iter([run[name] for run in runs])
            value, spread, repeats = repeat(lambda values=values: next(values), len(runs))  # type: ignore[misc]
            note = f"POST /v1/signals, one market, {connections} connections; listens on {ports[mode]}"
            figure = f"serving_{mode}_{name}_{connections}"
            rows.append(Measurement(figure, value, unit, repeats, spread, 2, ratios, note))
    return [*rows, *closes.measure()]


# ---- the caller ---------------------------------------------------------------------------------------------------


def _drive(told: dict[str, Any], connections: int, seconds: float) -> dict[str, float]:
    """Ask for some seconds from a process of its own; return p50 and p99 in ms, and answers a second."""
    words = [sys.executable, "-m", "tests.bench.serving", "ask", str(told["port"]), told["token"], told["market"]]
    done = subprocess.run(
        [*words, str(connections), str(seconds)], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"an answer was not one: {done.stderr[-300:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _ask(port: int, token: str, market: str, connections: int, seconds: float) -> dict[str, float]:
    body = json.dumps({"symbols": [market]})
    request = (
        f"POST /v1/signals HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    waits: list[float] = []
    begun_s = time.perf_counter()
    end_s = begun_s + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent_s := time.perf_counter()) < end_s:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
            waits.append(time.perf_counter() - sent_s)
            if b" 200 " not in head.split(b"\r\n")[0] or b'"approved"' not in answer:
                raise RuntimeError(f"{head!r} {answer!r}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    took_s = time.perf_counter() - begun_s
    p50, p99 = np.percentile(waits, (50, 99)) * 1e3
    return {"p50": float(p50), "p99": float(p99), "rps": len(waits) / took_s}


# ---- the servers --------------------------------------------------------------------------------------------------


@contextmanager
def _server(mode: str) -> Iterator[dict[str, Any]]:
    """Run a server until the block ends; yield what it tells when it is up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN"))}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.serving", "serve", mode],
            env=kept | (FAST if mode == "fast" else {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            told = next((line for line in process.stdout if line.startswith(b'{"port"')), None)
            if told is None:
                log.seek(0)
                raise RuntimeError(f"the {mode} server did not start: {log.read()[-1_500:]}")
            yield json.loads(told)
        finally:
            process.stdin.close()
            try:
                process.wait(_START_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _serve(mode: str) -> None:
    """Be a server until standard input ends."""
    from huracan.ray_env import prepare_ray_environment

    prepare_ray_environment()
    from huracan.memory import EmbeddedServer, connect, schema

    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    os.environ["HURACAN_HOME"] = str(home)
    server = EmbeddedServer(home)
    try:
        engine = connect(server.start())
        schema.upgrade(engine)
        os.environ["HURACAN__DATABASE__URL"] = server.url()
        (_bare if mode == "bare" else _on_ray)(engine, home)
        engine.dispose()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _prepare(engine: Any, home: Path) -> tuple[str, str]:
    """Register a version and a token; return the token and a market that the version enters."""
    from huracan import __version__
    from huracan.config import Settings
    from huracan.memory import Registry, open_run
    from huracan.signals.auth import Scope, add_token, token_file
    from huracan.trading import Action
    from tests.signals.following import fit
    from tests.signals.serving import export

    states = np.zeros((1, 80), np.float32)
    states[:, :52] = 1
    seed = next(
        seed
        for seed in range(1, 50)
        if int(export(home / f"v{seed}", seed).ensemble.decide(states).action[0]) != Action.DO_NOTHING
    )
    artefact = export(home / "artefact", seed)
    run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
    Registry(engine).register(run_id, "v1", "*", str(home / "artefact"), artefact.sha256, {}, "bench")
    return add_token(token_file(home), "bench", Scope.READ, 0), fit().context.universe[0]


def _wait(port: int, token: str, market: str) -> None:
    """Tell that the server is up, and return when standard input ends."""
    end_s = time.monotonic() + _START_S
    while True:
        try:
            found = asyncio.run(_ask(port, token, market, 1, 0.2))
            break
        except (OSError, RuntimeError, IndexError, asyncio.IncompleteReadError):
            if time.monotonic() > end_s:
                raise
            time.sleep(0.2)
    assert found["rps"] > 0
    print(json.dumps({"port": port, "token": token, "market": market, "listens": _listens()}), flush=True)
    sys.stdin.read()


def _listens() -> str:
    """Return how many ports of this process and its children listen on every interface, and which."""
    import psutil

    found: set[int] = set()
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            for one in process.net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN and one.laddr.ip in ("0.0.0.0", "::"):  # noqa: S104
                    found.add(one.laddr.port)
        except psutil.Error:
            continue
    return f"all interfaces at {', '.join(map(str, sorted(found)))}" if found else "loopback alone"


def _bare(engine: Any, home: Path) -> None:
    import threading

    import uvicorn

    from huracan.clock import WallClock
    from huracan.config import ServeSettings
    from huracan.logs import configure_logging
    from huracan.memory import Registry
    from huracan.signals.api import create_app
    from huracan.signals.auth import TokenBook, token_file
    from huracan.signals.readiness import ReadyPolicies, ThreadedPolicies
    from huracan.signals.service import SignalService
    from huracan.signals.versions import Versions
    from tests.serve.parts import now_ms
    from tests.signals.following import fit
    from tests.signals.stand_ins import LIMITS, HeldMarket, MemoryLedger, OneAccount, market_close

    configure_logging(json_lines=True)
    token, market = _prepare(engine, home)
    versions = Versions(lambda: Registry(engine).models(), "paper")
    versions.refresh()
    symbols, close_ms = fit().context.universe, now_ms()
    heard = HeldMarket(market_close(close_ms, symbols, (fit().sha256,), close_ms))
    account = OneAccount(close_ms=close_ms, symbols=symbols, fit=fit().sha256)
    policies = ReadyPolicies(ThreadedPolicies(versions), heard)
    limits = replace(LIMITS, decision_timeout_s=5.0, feed_age_max_s=_NEVER_STALE_S)
    service = SignalService(heard, account, policies, MemoryLedger(), WallClock(), limits)
    app = create_app(service, TokenBook(token_file(home)), ServeSettings())
    bare = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=bare.run, daemon=True)
    thread.start()
    while not bare.started:
        time.sleep(0.01)
    _wait(bare.servers[0].sockets[0].getsockname()[1], token, market)
    bare.should_exit = True
    thread.join(10)


def _on_ray(engine: Any, home: Path) -> None:
    import ray
    from ray import serve

    from huracan.config import RaySettings
    from huracan.learn.cluster import ray_session
    from serve.cluster import free_port
    from serve.names import APPLICATION, EXECUTION, FEED, NAMESPACE
    from serve.signals import app
    from tests.serve.parts import StandInExecution, StandInFeed
    from tests.signals.following import fit

    os.environ["HURACAN__DATA__TIMEFRAME"] = "1m"
    os.environ["HURACAN__RISK__FEED_AGE_MAX_S"] = str(_NEVER_STALE_S)
    token, market = _prepare(engine, home)
    with ray_session(RaySettings(num_cpus=4, object_store_mb=100)):
        symbols, sha256 = fit().context.universe, fit().sha256
        feed = StandInFeed.options(name=FEED, namespace=NAMESPACE).remote(symbols, (sha256,))  # type: ignore[attr-defined]
        named = StandInExecution.options(name=EXECUTION, namespace=NAMESPACE)  # type: ignore[attr-defined]
        execution = named.remote(symbols, sha256, ray.get(feed.newest.remote()).close_ms)
        port = free_port()
        serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"enable_access_log": False})
        serve.run(app({}), name=APPLICATION, route_prefix="/", logging_config={"enable_access_log": False})
        _wait(port, token, market)
        serve.shutdown()
        del feed, execution


def _main() -> None:
    parser = argparse.ArgumentParser()
    words = parser.add_subparsers(dest="what", required=True)
    words.add_parser("serve").add_argument("mode", choices=MODES)
    ask = words.add_parser("ask")
    for name, kind in (("port", int), ("token", str), ("market", str), ("connections", int), ("seconds", float)):
        ask.add_argument(name, type=kind)
    given = parser.parse_args()
    if given.what == "serve":
        _serve(given.mode)
    else:
        found = asyncio.run(_ask(given.port, given.token, given.market, given.connections, given.seconds))
        print(json.dumps(found))


if __name__ == "__main__":
    _main()
