"""The guide's commands for jobs, run as written on the cluster that serves: training, shadow and download beside it."""

import os
import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.learn.campaign import read_campaign
from huracan.market import CandleStore, SyntheticSpec, write_synthetic
from huracan.memory import EmbeddedServer, Run, list_runs, select_trades
from tests.jobs.shell import CHECKOUT, run_line
from tests.serve.brought import ACCOUNT, Up, replayed
from tests.trader.processes import candles, until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

GUIDE = (CHECKOUT / "docs" / "serving.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```bash\n(.*?)^```", GUIDE.partition("## Jobs while it serves")[2], re.M | re.S)
SPEED = "20x"
ENV_STEPS = 262_144
SHORT = (
    f"--set search.num_samples=0 --set ppo.env_steps={ENV_STEPS} --set walk_forward.folds=1 --set shadow.seeds=[1] "
    "--set ppo.train_batch_size=2048"
)
"""Appended to the guide's trainings: long enough to be stopped on a busy machine, short enough for a test."""
LONG_S = 400.0
DAY_MS = 86_400_000


@dataclass
class Shell:
    """A person's shell: exports stay, places are the test's own."""

    environment: dict[str, str]
    swaps: dict[str, str]

    def run(self, line: str, check: bool = True) -> str:
        """Run one line of the guide and return what it prints."""
        for old, new in self.swaps.items():
            line = line.replace(old, new)
        line = f"{line} {SHORT}" if "jobs.train" in line else line
        out, self.environment = run_line(line, self.environment, check)
        return out


@dataclass
class Caller:
    """Asks for signals all the time, and notes what it was told.

    Attributes:
        statuses: of every answer; 0: the connection broke.
        refused: what was not 200.
        waits_s: of every answer.
    """

    world: Up
    token: str
    statuses: Counter[int] = field(default_factory=Counter)
    refused: list[object] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator["Caller"]:
        """Ask during the block."""
        over = threading.Event()

        def ask() -> None:
            while not over.wait(0.1):
                begun = time.perf_counter()
                try:
                    status, answer = self.world.http(self.token, "POST", "/v1/signals", {})
                except OSError as error:
                    status, answer = 0, repr(error)
                self.waits_s.append(time.perf_counter() - begun)
                self.statuses[status] += 1
                if status != 200 or len(answer["signals"]) != 2:
                    self.refused.append((status, answer))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join(120)


@pytest.fixture(scope="module")
def up(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything up and trading, the market at twenty times its pace."""
    name = database.url.database
    assert name is not None
    home, stored = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("candles")
    with replayed(home, database_server.url(name), stored, speed=SPEED) as world:
        yield world


@pytest.fixture
def shell(up: Up, tmp_path: Path) -> Shell:
    """A shell in the checkout that knows this home, and candles to train on."""
    write_synthetic(tmp_path / "candles", SyntheticSpec(bars=40_000, planted=2, null=1), 1)
    kept = {name: value for name, value in up.environment.items() if name not in up.told}
    swaps = {
        "$PWD/build/candles": str(tmp_path / "candles"),
        "$PWD/build/more": str(tmp_path / "more"),
        "http://127.0.0.1:18710": up.exchange_url,
    }
    return Shell(kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, swaps)


def trained(engine: Engine) -> Run:
    """Return the newest training."""
    return max(list_runs(engine, "train"), key=lambda run: run.run_id)


def test_training_shadow_and_download_run_beside_it_and_no_signal_is_missed(
    up: Up, shell: Shell, database: Engine, tmp_path: Path
) -> None:
    """A training is stopped and resumed, judged, and candles are fetched; every request meanwhile is answered."""
    (block,) = COMMANDS
    lines = block.splitlines()
    caller = Caller(up, up.command("serve", "token", "new", "beside")["token"])
    time.sleep(1.5)
    until("signals", lambda: up.http(caller.token, "POST", "/v1/signals", {})[0] == 200)
    decided = up.status(ACCOUNT).market_ms
    assert decided is not None
    runs = up.home / "runs"
    with caller.asking():
        for line in lines:
            if line.startswith("ray job stop"):
                until("a checkpoint", lambda: list(runs.glob("*/fold-0/all/seed-1/checkpoint.safetensors")), LONG_S)
                until("progress in the log", lambda: "seed 1" in shell.run("ray job logs training"), LONG_S)
            told = shell.run(line)
            if line.startswith("ray job stop"):
                stopped = trained(database)
                assert stopped.status == "interrupted"
            if "--resume" in line:
                assert "Traceback" not in told
                resumed = told
    median_s, longest_s = statistics.median(caller.waits_s), max(caller.waits_s)
    print(f"{dict(caller.statuses)}; answers after {median_s:.3f} s (median), {longest_s:.3f} s (longest)")
    done = trained(database)
    assert (done.run_id, done.status) == (stopped.run_id, "done")
    (version,) = read_campaign(runs / str(done.run_id)).versions
    assert version.seeds[0].env_steps >= ENV_STEPS
    steps = [int(found.replace(",", "")) for found in re.findall(r"seed 1: ([\d,]+) of", resumed)]
    assert min(steps) > 4_096, "the second job began anew"
    assert (runs / str(done.run_id) / "shadow.json").exists()
    with database.connect() as connection:
        judged = select_trades(
            connection.connection.cursor(), "WHERE run_id = %(run)s AND mode = 'shadow'", {"run": done.run_id}
        )
    assert len(judged) > 0
    fetched, known = CandleStore(tmp_path / "more").read("BTC/USDT", "1m"), candles("BTC/USDT")
    first_ms = int(known.timestamp[0])
    assert fetched.close.tolist() == known.between(first_ms, first_ms + DAY_MS).close.tolist()
    assert caller.refused == []
    assert caller.statuses.total() > 200
    after = up.status(ACCOUNT)
    assert (after.state, after.market_ms is not None and after.market_ms > decided) == ("ACTIVE", True)
