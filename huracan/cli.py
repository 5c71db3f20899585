"""The `huracan` program: nouns and verbs wired to rooms and jobs, no logic of its own.

A noun's module is imported when it is asked for, so that `huracan --help` answers at once.
"""

import importlib
import sys

import click

from huracan.terminal import common_options, run

__all__ = ["cli", "main"]

# name -> (module of the command, its attribute, the line `--help` shows)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "analyse": ("jobs.analyse", "program", "Why closed trades won or lost, and what came after."),
    "bench": ("huracan.commands.bench", "bench", "Speed, side by side with peers in one run."),
    "data": ("huracan.commands.data", "data", "Candles: download, quality, ls, synth."),
    "db": ("huracan.commands.db", "db", "The database: url, status, upgrade, stop."),
    "demo": ("jobs.demo", "program", "The whole way: candles, training, shadow trading, report."),
    "features": ("huracan.commands.features", "features", "The 80-dimensional state: build, check."),
    "halt": ("huracan.commands.halt", "halt", "The kill switch: cancel everything, and prove it."),
    "health": ("huracan.commands.health", "health", "Is each version still what its shadow trading claims?"),
    "insights": ("huracan.commands.insights", "insights", "What the memory of closed trades says, and at what odds."),
    "models": ("huracan.commands.models", "models", "The registry of policies: ls, show, promote, rollback."),
    "monitor": ("huracan.commands.monitor", "monitor", "Who watches: run, status, stop, errors."),
    "notices": ("huracan.commands.notices", "notices", "Who is told what goes wrong: test, ls."),
    "paper-exchange": ("huracan.commands.paper", "paper_exchange", "A Binance-like exchange over candles."),
    "patterns": ("huracan.commands.patterns", "patterns", "Setups that come again: find, like."),
    "plan": ("huracan.commands.plan", "plan", "What a run of a given size takes: time, memory, money."),
    "remedies": (
        "huracan.commands.remedies",
        "remedies",
        "What was done about anomalies by itself: ls, undo, dry-run.",
    ),
    "report": ("jobs.report", "program", "The report of a run that was shadow-traded."),
    "resume": ("huracan.commands.halt", "resume", "Trade again after a halt."),
    "retrain": ("jobs.retrain", "program", "The daily cycle: download, train, judge, promote or not, report."),
    "serve": ("huracan.commands.serve", "serve", "Live signals over HTTP: up, down, status, token."),
    "shadow": ("jobs.shadow", "program", "Shadow-trade a run's policies on data they have not seen."),
    "status": ("huracan.commands.status", "status", "One screen: trading, money, versions, what is wrong, what to do."),
    "trade": ("huracan.commands.trade", "trade", "Trading: start, stop, status, lock, unlock, replay."),
    "train": ("jobs.train", "program", "Search, train every fold and seed, export artefacts."),
    "verify": ("huracan.commands.verify", "verify", "Check that everything huracan needs is there and works."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is run or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table above, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="huracan", prog_name="huracan")
@common_options
def cli(**_before: object) -> None:
    """Trains, judges, serves and runs reinforcement-learning trading policies.

    Exit codes: 0 done, 2 bad input or configuration, 3 refused by a gate or a risk rule, 130 interrupted, 143
    terminated, 1 any other failure.
    """


def main() -> None:
    """Run the program on the process's arguments and leave with its exit code."""
    sys.exit(run(cli))
