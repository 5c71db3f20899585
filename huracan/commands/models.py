"""`huracan models`: the registry of policy versions and their stages."""

from typing import TYPE_CHECKING

import click

from huracan.errors import RefusedError
from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import Engine

    from huracan.memory import Registry

__all__ = ["models"]

COLUMNS = ("version", "scope", "standing", "run_id", "created_at", "sha256")
EARNED = ("policy", "account", "mode", "days", "trades", "wins", "net", "fees", "sharpe")
DIGITS = {"created_at": 19, "sha256": 19}  # what of a long value tells versions apart


@click.group()
def models() -> None:
    """The registry: versions, their stages (candidate, shadow, champion, retired) and who moved them."""


def _registry(terminal: Terminal) -> "Registry":
    from huracan.memory import Registry

    return Registry(_engine(terminal))


def _engine(terminal: Terminal) -> "Engine":
    from huracan.memory import open_database

    return open_database(terminal.settings().database)


@command(models, "ls")
@click.option("--scope", help="Only this scope: a ccxt symbol, or * for all coins.")
def ls(terminal: Terminal, scope: str | None) -> None:
    """List the versions, newest first."""
    found = _registry(terminal).models(scope)
    rows = [[str(getattr(model, name))[: DIGITS.get(name)] for name in COLUMNS] for model in found]
    terminal.show(found, lambda: terminal.table("models", COLUMNS, rows))


@command(models, "show")
@click.argument("version")
def show(terminal: Terminal, version: str) -> None:
    """Show one version: its figures, what was tried for it, what its run earned in shadow, the gate, its history."""
    from huracan.memory import Registry, count_trials, read_gates, read_performance, read_run, read_trials

    engine = _engine(terminal)
    registry = Registry(engine)
    model, history = registry.show(version), registry.history(version)
    candles = read_run(engine, model.run_id).data_fingerprint
    trials = {"of its run": len(read_trials(engine, model.run_id)), "on its candles": count_trials(engine, candles)}
    performance = read_performance(engine, model.run_id)
    gates = read_gates(engine, version)

    def text() -> None:
        shown = [name for name in model.__dataclass_fields__ if name not in ("metrics", "proven")]
        rows = [(name, model.standing if name == "stage" else getattr(model, name)) for name in shown]
        terminal.table(f"model {version}", ("what", "value"), rows)
        terminal.table("figures", ("name", "value"), sorted(model.metrics.items()))
        terminal.table("trials", ("counted", "trials"), list(trials.items()))
        totals = [row for row in performance if row.symbol is None and row.fold is None]
        earned = [[getattr(row, name) for name in EARNED] for row in totals]
        terminal.table("its run, all coins and folds, quote currency", EARNED, earned)
        if gates:
            _gate_table(terminal, gates[0].report)
            click.echo(f"asked by {gates[0].author} at {gates[0].at}, of artefact {gates[0].sha256[:12]}")
        moves = [
            (
                event.at,
                f"{event.verb} by force" if event.forced else event.verb,
                event.from_stage,
                event.to_stage,
                event.author,
                event.reason,
            )
            for event in history
        ]
        terminal.table("history", ("at", "verb", "from", "to", "author", "reason"), moves)

    counted = {name.replace(" ", "_"): number for name, number in trials.items()}
    terminal.show(
        {"model": model, "trials": counted, "performance": performance, "gate": gates[:1], "history": history}, text
    )


@command(models, "gate")
@click.argument("version")
@click.option("--author", help="Who asks; the operating system's user when not given.")
def gate(terminal: Terminal, version: str, author: str | None) -> None:
    """Judge a version by the promotion gate on all that is stored now, and keep the report; exit code 3 if refused."""
    from huracan.shadow import run_gate, to_json

    settings = terminal.settings()
    report = run_gate(_engine(terminal), version, settings.gate, _author(author))
    terminal.show(report, lambda: _gate_table(terminal, to_json(report)))
    if not report.passed:
        raise click.exceptions.Exit(RefusedError.exit_code)


@command(models, "promote")
@click.argument("version")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.option("--author", help="Who; the operating system's user when not given.")
@click.option("--force", is_flag=True, help="Without asking the gate; recorded, and the version stays UNPROVEN.")
def promote(terminal: Terminal, version: str, reason: str, author: str | None, force: bool) -> None:
    """Move a version one stage up if the promotion gate passes it: candidate to shadow, shadow to champion."""
    if force:
        model = _registry(terminal).promote(version, _author(author), reason, forced=True)
    else:
        from huracan.shadow import promote_version

        model = promote_version(_engine(terminal), version, _author(author), reason, terminal.settings().gate)
    terminal.show(model, f"{model.version} for {model.scope} is {model.standing}")


@command(models, "retire")
@click.argument("version")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.option("--author", help="Who; the operating system's user when not given.")
def retire(terminal: Terminal, version: str, reason: str, author: str | None) -> None:
    """Take a candidate or a shadow version out of use; a champion leaves by promotion of another, or by rollback."""
    model = _registry(terminal).retire(version, _author(author), reason)
    terminal.show(model, f"{model.version} for {model.scope} is {model.stage}")


@command(models, "rollback")
@click.option("--scope", default="*", show_default=True, help="A ccxt symbol, or * for all coins.")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.option("--author", help="Who; the operating system's user when not given.")
def rollback(terminal: Terminal, scope: str, reason: str, author: str | None) -> None:
    """Retire the champion of a scope and bring back the one before it."""
    model = _registry(terminal).rollback(scope, _author(author), reason)
    terminal.show(model, f"{model.version} for {model.scope} is {model.standing}")


def _gate_table(terminal: Terminal, report: "Mapping[str, Any]") -> None:
    """Print a report of the gate as it is stored."""
    verdict = "passed" if report["passed"] else "REFUSED"
    title = (
        f"promotion gate: {verdict}; {report['days']} days, {report['folds']} folds, {report['seeds']} seeds, "
        f"{report['tried']} tried on these candles"
    )
    rows = [
        (
            row["name"],
            "yes" if row["passed"] else "NO",
            "-" if row["figure"] is None else f"{row['figure']:.4g}",
            f"{row['threshold']:.4g}",
            row["asks"],
            row["note"],
        )
        for row in report["criteria"]
    ]
    terminal.table(title, ("criterion", "met", "figure", "threshold", "asks", "found"), rows)


def _author(given: str | None) -> str:
    import getpass

    return given or getpass.getuser()
