"""`huracan models`: the registry of policy versions and their stages."""

import click

from huracan.terminal import Terminal, command

__all__ = ["models"]

COLUMNS = ("version", "scope", "standing", "run_id", "created_at", "sha256")
DIGITS = {"created_at": 19, "sha256": 19}  # what of a long value tells versions apart


@click.group()
def models() -> None:
    """The registry: versions, their stages (candidate, shadow, champion, retired) and who moved them."""


def _registry(terminal: Terminal):  # type: ignore[no-untyped-def]  # the room is imported when a command runs
    from huracan.memory import Registry, open_database

    return Registry(open_database(terminal.settings().database))


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
    """Show one version, its figures and its history."""
    registry = _registry(terminal)
    model, history = registry.show(version), registry.history(version)

    def text() -> None:
        shown = [name for name in model.__dataclass_fields__ if name not in ("metrics", "proven")]
        rows = [(name, model.standing if name == "stage" else getattr(model, name)) for name in shown]
        terminal.table(f"model {version}", ("what", "value"), rows)
        terminal.table("figures", ("name", "value"), sorted(model.metrics.items()))
        moves = [
            (event.at, event.verb, event.from_stage, event.to_stage, event.author, event.reason) for event in history
        ]
        terminal.table("history", ("at", "verb", "from", "to", "author", "reason"), moves)

    terminal.show({"model": model, "history": history}, text)


@command(models, "promote")
@click.argument("version")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.option("--author", help="Who; the operating system's user when not given.")
def promote(terminal: Terminal, version: str, reason: str, author: str | None) -> None:
    """Move a version one stage up: candidate to shadow, shadow to champion."""
    model = _registry(terminal).promote(version, _author(author), reason)
    terminal.show(model, f"{model.version} for {model.scope} is {model.standing}")


@command(models, "rollback")
@click.option("--scope", default="*", show_default=True, help="A ccxt symbol, or * for all coins.")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.option("--author", help="Who; the operating system's user when not given.")
def rollback(terminal: Terminal, scope: str, reason: str, author: str | None) -> None:
    """Retire the champion of a scope and bring back the one before it."""
    model = _registry(terminal).rollback(scope, _author(author), reason)
    terminal.show(model, f"{model.version} for {model.scope} is {model.standing}")


def _author(given: str | None) -> str:
    import getpass

    return given or getpass.getuser()
