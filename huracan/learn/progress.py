"""Progress of a campaign for a person at the terminal, and for TensorBoard."""

import dataclasses
import math
import sys
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from tensorboardX import SummaryWriter

from huracan.learn.search import Trial
from huracan.learn.train import CurvePoint

__all__ = ["TensorBoardLog", "TerminalProgress", "leaderboard"]

LEADERBOARD_ROWS = 10
LINE_EVERY_FRAC = 0.25


def leaderboard(trials: list[Trial]) -> Table:
    """Return the trials as a table, best objective first."""
    table = Table(title="search: net result per day on the validation window, quote currency", title_justify="left")
    for column in ("trial", "status", "objective", "daily mean", "± s.e.", "trades", "env steps", "parameters"):
        table.add_column(column, overflow="fold")
    ranked = sorted(trials, key=lambda trial: -trial.score.objective if trial.score else math.inf)
    for trial in ranked[:LEADERBOARD_ROWS]:
        score = trial.score
        figures = (
            ["-"] * 4
            if score is None
            else [
                f"{score.objective:,.2f}",
                f"{score.daily_mean_quote:,.2f}",
                f"{score.daily_error_quote:,.2f}",
                f"{score.trades:,}",
            ]
        )
        params = " ".join(f"{name.rpartition('.')[2]}={value:.4g}" for name, value in trial.params.items())
        table.add_row(trial.name[-12:], trial.status, *figures, f"{trial.env_steps:,}", params)
    return table


class TerminalProgress:
    """Leaderboard and running trainings on stderr: redrawn in place on a terminal, a line per quarter elsewhere.

    Use as a context manager; satisfies `huracan.learn.campaign.Observer`.

    Args:
        stream: where to draw; None: stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, markup=False)
        self._live = Live(console=self._console, refresh_per_second=4, transient=False, auto_refresh=False)
        self._interactive = self._console.is_terminal
        self._trials: dict[str, Trial] = {}
        self._trainings: dict[str, tuple[int, CurvePoint]] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._interactive:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._interactive:
            self._live.stop()

    def trial_changed(self, trial: Trial) -> None:
        """Show a trial that started, reported or ended."""
        self._trials[trial.name] = trial
        if self._interactive:
            self._redraw()
        elif trial.score is not None:
            self._console.print(
                f"trial {trial.name} {trial.status}: {trial.env_steps:,} steps, objective {trial.score.objective:,.2f}"
            )

    def training_changed(self, fold: int, scope: str, seed: int, total_env_steps: int, point: CurvePoint) -> None:
        """Show an iteration of a training."""
        name = f"fold {fold} {scope} seed {seed}"
        self._trainings[name] = (total_env_steps, point)
        done = min(1.0, point.env_steps / total_env_steps)
        if self._interactive:
            self._redraw()
        elif done - self._told.get(name, 0.0) >= LINE_EVERY_FRAC or done == 1:
            self._told[name] = done
            speed = point.env_steps / max(point.wall_s, 1e-9)
            self._console.print(
                f"{name}: {point.env_steps:,} of {total_env_steps:,} steps, reward {point.reward_mean:+.4f}, "
                f"{speed:,.0f} steps/s"
            )

    def _redraw(self) -> None:
        parts = [leaderboard(list(self._trials.values()))] if self._trials else []
        if self._trainings:
            table = Table(title="training", title_justify="left")
            for column in ("policy", "done", "env steps", "reward / step", "entropy", "explained", "steps/s"):
                table.add_column(column, justify="left" if column == "policy" else "right")
            for name, (total, point) in self._trainings.items():
                table.add_row(
                    name,
                    f"{min(1.0, point.env_steps / total):.0%}",
                    f"{point.env_steps:,}",
                    f"{point.reward_mean:+.4f}",
                    f"{point.entropy:.3f}",
                    f"{point.vf_explained_var:.2f}",
                    f"{point.env_steps / max(point.wall_s, 1e-9):,.0f}",
                )
            parts.append(table)
        self._live.update(Group(*parts), refresh=True)


class TensorBoardLog:
    """Learning curves as TensorBoard events, one folder per training.

    Args:
        folder: parent of the folders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def add(self, name: str, point: CurvePoint) -> None:
        """Write one iteration of the training called `name`, a relative path."""
        if name not in self._writers:
            self._writers[name] = SummaryWriter(str(self._folder / name))
        for key, value in dataclasses.asdict(point).items():
            if key != "env_steps" and not math.isnan(value):
                self._writers[name].add_scalar(key, value, point.env_steps)

    def close(self) -> None:
        """Flush and close every file."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
