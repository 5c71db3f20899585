"""The retraining job killed at every step, and finished by starting it again: nothing doubled, nothing lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.learn.cycle import STEPS
from huracan.memory import EmbeddedServer, connect, find_cycle, read_cycle, schema
from tests.jobs.cycles import candles, job, left
from tests.venue.loopback import LoopbackExchange

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_700)]
WAIT_S = 400


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[LoopbackExchange]:
    """An exchange with three coins."""
    histories = candles(tmp_path / "histories")
    with LoopbackExchange(histories, int(histories[0].timestamp[-1]) + 300_000) as found:
        yield found


def engine_of(server: EmbeddedServer, name: str) -> Engine:
    """Return an engine on an empty database of the newest schema."""
    server.create_database(name)
    engine = connect(server.url(name))
    schema.upgrade(engine)
    return engine


def test_killed_at_every_step_it_ends_as_if_it_had_not_been(
    database_server: EmbeddedServer, exchange: LoopbackExchange, tmp_path: Path
) -> None:
    """Twice at each of the twelve steps, before and after its work, SIGKILL; the rows are those of a quiet run."""
    rows = {}
    for name in ("quiet", "killed"):
        engine = engine_of(database_server, f"retrain_{name}")
        url = engine.url.render_as_string(hide_password=False)
        place = (tmp_path / name, tmp_path / name / "candles", url, exchange.url)
        place[0].mkdir()
        if name == "killed":
            for step in STEPS:
                for moment in ("begun", "undone"):
                    process = job(*place, step, moment)
                    _, err = process.communicate(timeout=WAIT_S)
                    assert process.returncode == -9, f"{step} {moment}: {err[-2_000:]}"
        process = job(*place)
        out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err[-2_000:]
        report = json.loads(out)
        assert (report["state"], report["before"]) == ("done", False)
        assert [row["step"] for row in report["steps"]] == list(STEPS)
        cycle = read_cycle(engine, report["cycle_id"])
        starts = {step.step: step.starts for step in cycle.steps}
        assert starts == dict.fromkeys(STEPS, 1 if name == "quiet" else 3)
        assert {path.name for path in (place[0] / "cycles" / "1").iterdir()} == {"report.html", "report.json", "run"}
        rows[name] = left(engine)
        engine.dispose()
    for name, quiet in rows["quiet"].items():
        assert rows["killed"][name] == quiet, name
    assert rows["quiet"]["trades"]
    assert rows["quiet"]["gates"]
    assert cycle == find_cycle(connect(url), "*", cycle.day)
