"""What runs for months beside a trader, and what a person waits for, load no library that neither of them uses."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.health.traded import TABLES, write_account

pytestmark = pytest.mark.postgres

HEAVY = ("arch", "ccxt", "lightgbm", "pandas", "ray", "scipy.stats", "statsmodels", "torch")
MODULES_MAX = 2_000
"""A heavy library that is not named above is hundreds of modules. Memory itself is measured by `make bench`, room
`watch`: what counts as resident of the same process differs by half from one machine to another."""

MONITOR = """
    from pathlib import Path
    from pydantic import SecretStr
    import huracan.commands.monitor
    from huracan.clock import WallClock
    from huracan.config import load_settings
    from huracan.health.gauges import GAUGES, Gauges
    from huracan.health.wiring import open_monitor
    from huracan.trader.prometheus import PrometheusMeter
    home = Path({home!r})
    settings = load_settings(None, {{"database.url": SecretStr({url!r})}}, {{}})
    monitor = open_monitor(settings, home, WallClock(), show=Gauges(PrometheusMeter(GAUGES)).show)
    for _ in range(3):
        turn = monitor.turn()
        assert (turn.blind, turn.deaf, turn.database) == ({{}}, {{}}, ""), turn
    monitor.close()
"""
ACTOR = """
    import serve.monitor
"""
STATUS = """
    from huracan.cli import cli
    cli(["status"], standalone_mode=False)
"""


def loaded(program: str, home: Path, url: str) -> tuple[set[str], float]:
    """Run a program in a fresh process; returns its modules, and its memory in MB."""
    tail = """
    import json, psutil, sys
    print(json.dumps([sorted(sys.modules), psutil.Process().memory_info().rss / 1e6]))
    """
    source = textwrap.dedent(program).format(home=str(home), url=url) + textwrap.dedent(tail)
    environ = os.environ | {"HURACAN_HOME": str(home), "HURACAN__DATABASE__URL": url}
    done = subprocess.run(
        [sys.executable, "-c", source], env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    modules, memory_mb = json.loads(done.stdout.splitlines()[-1])
    return set(modules), memory_mb


@pytest.mark.parametrize("program", [MONITOR, STATUS], ids=["monitor", "status"])
def test_neither_loads_what_training_and_exchanges_need(program: str, database: Engine, tmp_path: Path) -> None:
    """Turns of a monitor of an account that trades, and the screen of that account, each in a process of its own."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}, health_signals, anomalies, errors, heartbeats, notices CASCADE"))
    write_account(database, "main")
    modules, memory_mb = loaded(program, tmp_path, database.url.render_as_string(hide_password=False))
    print(f"{memory_mb:.0f} MB resident, {len(modules)} modules")
    assert not modules & set(HEAVY)
    assert "huracan.health.overview" in modules or "huracan.health.detectors.every" in modules, "it did its work"
    assert len(modules) < MODULES_MAX


def test_the_actor_loads_ray_beside_it_and_nothing_more(tmp_path: Path) -> None:
    """What the feed and the endpoint answer with is unpacked without what they need to do it."""
    modules, memory_mb = loaded(ACTOR, tmp_path, "")
    print(f"{memory_mb:.0f} MB resident, {len(modules)} modules")
    assert modules & set(HEAVY) == {"ray"}
    assert "huracan.signals.feed_status" in modules
    assert not {"serve.feed", "serve.signals", "serve.execution"} & modules
