"""Everything up on a home of a test's own, as `huracan serve up` and `trade start` bring it up; gone at the end."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from huracan.memory import connect
from serve.cluster import Head, find_head, free_port, processes, stop_head
from tests.chaos.world import SPEED, Chaos, exchange_words
from tests.serve.served import WINDOWS, register
from tests.trader.processes import PROGRAM, SYMBOLS, candles, until, write_candles

__all__ = ["ACCOUNT", "PARTS", "UP_S", "Up", "brought_up", "quick_settings", "replayed"]

ACCOUNT = "served"
UP_S = 240.0
PARTS = {"feed": "ray::Feed", "signals": "ray::ServeReplica:signals:Signals", "execution": "ray::Execution"}
"""How the processes of each part are called."""


@dataclass
class Up(Chaos):
    """A home on which `huracan serve up` was run and an account is traded."""

    told: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: no cluster but its own."""
        kept = {name: value for name, value in super().environment.items() if not name.startswith("RAY")}
        return kept | self.told

    @property
    def head(self) -> Head:
        """Return the cluster."""
        found = find_head(self.home)
        assert found is not None
        return found

    def run(self, *words: str, told: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as long as a cluster takes on a small machine."""
        return subprocess.run(
            [PROGRAM, *words],
            env=self.environment | environment,
            input=told or "",
            capture_output=True,
            text=True,
            timeout=UP_S,
        )

    def command(self, *words: str) -> Any:
        """Run a command that must succeed, and return its JSON."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def http(self, token: str, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """Ask the endpoint, under an `Idempotency-Key` if one is given."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        url = f"http://127.0.0.1:{self.told['HURACAN__SERVE__PORT']}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def slots(self) -> dict[str, bytes]:
        """Return the bytes of each market's slot as the database has them."""
        engine = connect(self.database_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(
                    text("SELECT symbol, data FROM slots JOIN accounts USING (account_no) WHERE name = :name"),
                    {"name": ACCOUNT},
                )
                return {row[0]: bytes(row[1]) for row in rows}
        finally:
            engine.dispose()

    def pid(self) -> int:
        """Return the process that has the account's lease."""
        holder = self.status(ACCOUNT).holder
        return int(holder.rpartition(":")[2]) if holder else 0

    def process_of(self, part: str) -> psutil.Process | None:
        """Return the process of a part, None while it has none."""
        for one in processes(self.head):
            try:
                if " ".join(one.cmdline()).startswith(PARTS[part]):
                    return one
            except psutil.Error:
                continue
        return None

    def kill(self, part: str) -> None:
        """Kill a part's process with SIGKILL and wait until another one has taken its place."""
        died = until(f"a process of {part}", lambda: self.process_of(part), UP_S)
        died.send_signal(signal.SIGKILL)

        def successor() -> bool:
            found = self.process_of(part)
            return found is not None and found.pid != died.pid

        until(f"a successor of {part}", successor, UP_S)
        print(f"killed {part}, process {died.pid}")


def quick_settings(folder: Path, url: str) -> dict[str, str]:
    """Return the environment of a small cluster that trades two markets by short rules of waiting."""
    return {
        "HURACAN__RAY__NUM_CPUS": "2",
        "HURACAN__RAY__OBJECT_STORE_MB": "80",
        "HURACAN__SERVE__PORT": str(free_port()),
        "HURACAN__SERVE__DASHBOARD_PORT": "0",
        "HURACAN__FEATURES__WINDOWS": str(WINDOWS),
        "HURACAN__DATA__FOLDER": str(folder),
        "HURACAN__DATA__SYMBOLS": json.dumps(list(SYMBOLS)),
        "HURACAN__EXECUTION__ACCOUNT": ACCOUNT,
        "HURACAN__EXECUTION__URL": url,
        "HURACAN__EXECUTION__LEASE_TTL_S": "5",
        "HURACAN__EXECUTION__RECV_WINDOW_MS": "1000",
        "HURACAN__EXECUTION__TIMEOUT_MS": "2000",
    }


@contextmanager
def brought_up(world: Up, trade: bool = True) -> Iterator[Up]:
    """Bring everything up for the block; nothing of it stays, whatever fails."""
    try:
        brought = world.command("serve", "up")
        assert brought["up"]
        assert brought["started"]
        if trade:
            started = world.command("trade", "start", "--paper")
            assert started["symbols"] == list(world.symbols)
        yield world
    finally:
        head = find_head(world.home)
        try:
            world.run("serve", "down")
        finally:
            if head is not None:
                stop_head(head, world.home)


@contextmanager
def replayed(home: Path, url: str, stored: Path, *words: str, speed: str = SPEED, **told: str) -> Iterator[Up]:
    """Run an exchange behind a relay that replays two made-up markets, and everything up on it, a version served.

    Args:
        home: HURACAN_HOME.
        url: of the database.
        stored: folder for the candles.
        words: further ones of the exchange.
        speed: of the exchange.
        told: environment that differs from `quick_settings`.
    """
    folder, world = write_candles(stored), Up(home, url)
    print(f"market seeds {tuple(range(len(SYMBOLS)))}, exchange seed 7, {speed}")
    engine = connect(url)
    register(engine, home / "models", {symbol: candles(symbol) for symbol in SYMBOLS})
    engine.dispose()
    with world.exchange(folder, *exchange_words((ACCOUNT,)), "--speed", speed, *words) as process:
        world.exchange_url, world.process = world.url, process
        with world.relayed():
            world.told = quick_settings(folder, world.url) | told
            with brought_up(world):
                yield world
