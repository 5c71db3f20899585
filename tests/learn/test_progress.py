import io
import math
from pathlib import Path

from rich.console import Console

from huracan.learn.progress import TensorBoardLog, TerminalProgress, leaderboard
from huracan.learn.search import Trial
from huracan.learn.train import CurvePoint
from huracan.learn.validation import ValidationScore

POINT = CurvePoint(50, 2.0, 0.25, math.nan, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1e-3)


def trial(name: str, objective: float | None) -> Trial:
    """A trial with that objective, or one that has not reported."""
    score = None if objective is None else ValidationScore(objective, objective + 1, 1.0, 5, 10)
    return Trial(name, "running", {"ppo.lr": 3e-4, "trading.hold_bars": 1_440}, score, 100, 1.0, stopped_early=False)


def test_the_leaderboard_has_the_best_objective_first() -> None:
    """Trials without a report come last; figures are the trial's."""
    stream = io.StringIO()
    Console(file=stream, width=200).print(leaderboard([trial("b", -5.0), trial("c", None), trial("a", 2.5)]))
    lines = [line for line in stream.getvalue().splitlines() if "lr=0.0003 hold_bars=1440" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["a", "b", "c"]
    assert [line.split("│")[3].strip() for line in lines] == ["2.50", "-5.00", "-"]


def test_a_pipe_gets_a_line_per_quarter() -> None:
    """Ten iterations of a training are four lines, not ten and not control codes."""
    stream = io.StringIO()
    with TerminalProgress(stream) as progress:
        progress.trial_changed(trial("a", 1.0))
        for step in range(1, 11):
            point = CurvePoint(10 * step, *[getattr(POINT, name) for name in CurvePoint.__slots__[1:]])
            progress.training_changed(0, "*", 1, 100, point)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + 4
    assert "\x1b" not in stream.getvalue()
    assert "100 of 100" in lines[-1]


def test_curves_are_tensorboard_events(tmp_path: Path) -> None:
    """Each training has its folder; figures that are not known are left out."""
    log = TensorBoardLog(tmp_path)
    log.add("fold-0/all/seed-1", POINT)
    log.add("fold-0/all/seed-2", POINT)
    log.close()
    found = sorted(tmp_path.rglob("events.out.tfevents.*"))
    assert [path.parent.name for path in found] == ["seed-1", "seed-2"]
    data = found[0].read_bytes()
    assert b"reward_mean" in data
    assert b"episode_return_mean" not in data
