"""`huracan serve`: what stays up (Ray, feed, signals over HTTP), and the tokens of those who may ask."""

from typing import TYPE_CHECKING

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from serve.up import Served

__all__ = ["serve"]


@click.group()
def serve() -> None:
    """Live signals over HTTP: what stays up, and who may ask."""


@command(serve, "up")
@click.option("--url", help="REST address of the paper exchange to follow; default: execution.url.")
@click.option("--symbol", "symbols", multiple=True, help="A market to follow; default: data.symbols; repeatable.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the HTTP endpoint; default: serve.port.")
@click.option("--version", "versions", multiple=True, help="A version to serve; default: serve.versions; repeatable.")
def up(
    terminal: Terminal, url: str | None, symbols: tuple[str, ...], port: int | None, versions: tuple[str, ...]
) -> None:
    """Start database, Ray, feed and endpoint as daemons, as far as they do not run, and wait until they work."""
    from huracan.config import home_folder
    from serve.up import bring_up

    settings = terminal.settings(
        execution__url=url,
        data__symbols=symbols or None,
        serve__port=port,
        serve__versions=versions or None,
    )
    found = bring_up(settings, home_folder())
    terminal.show(found, lambda: _print(terminal, found, "up" if found.started else "was up already"))


@command(serve, "down")
def down(terminal: Terminal) -> None:
    """Stop trading (entries are taken back, brackets stay), endpoint, feed, and Ray if it was started here."""
    from huracan.config import home_folder
    from serve.up import take_down

    stopped = take_down(terminal.settings(), home_folder())
    terminal.show({"stopped": list(stopped)}, f"stopped {', '.join(stopped)}" if stopped else "nothing was up")


@command(serve, "status")
def status(terminal: Terminal) -> None:
    """Show what is up; starts nothing."""
    from huracan.config import home_folder
    from serve.up import look

    found = look(terminal.settings(), home_folder())
    terminal.show(found, lambda: _print(terminal, found, "up" if found.up else "not up"))


def _print(terminal: Terminal, found: "Served", state: str) -> None:
    hint = "" if found.token_count else "; none yet: huracan serve token new NAME"
    facts = [
        ("state", state),
        ("endpoint", found.url if found.up else None),
        ("tokens", f"{found.token_count} in {found.tokens}{hint}"),
        ("Ray", found.address),
        ("dashboard", found.dashboard),
    ]
    terminal.table("", ("what", "value"), facts)
    if found.parts:
        terminal.table("parts", ("name", "state", "why"), [(row.name, row.state, row.detail) for row in found.parts])
    if found.versions is None:
        return
    rows = [(row.version, row.scope, row.standing) for row in found.versions]
    terminal.table("decides", ("version", "scope", "standing"), rows)
    if not rows:
        click.echo("no version is registered: the endpoint answers NO_VERSION until one is", err=True)


@serve.group()
def token() -> None:
    """Bearer tokens of the HTTP endpoint; a running endpoint sees a change within a second."""


@command(token, "new")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "trade"]),
    default="read",
    show_default=True,
    help="trade: also signals that execute, halt and resume.",
)
def new(terminal: Terminal, name: str, scope: str) -> None:
    """Create a token for NAME and print it: it is stored as a hash and cannot be shown again."""
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.signals.auth import Scope, add_token, token_file

    secret = add_token(token_file(home_folder()), name, Scope(scope), WallClock().now_ms())
    terminal.show({"name": name, "scope": scope, "token": secret}, secret)


@command(token, "ls")
def ls(terminal: Terminal) -> None:
    """List names and scopes."""
    from huracan.config import home_folder
    from huracan.market import format_ms
    from huracan.signals.auth import read_tokens, token_file

    found = read_tokens(token_file(home_folder()))
    rows = [(row.name, row.scope, format_ms(row.created_ms)) for row in found]
    public = [{"name": row.name, "scope": row.scope, "created_ms": row.created_ms} for row in found]
    terminal.show(public, lambda: terminal.table("tokens", ("name", "scope", "created"), rows))


@command(token, "revoke")
@click.argument("name")
def revoke(terminal: Terminal, name: str) -> None:
    """Take NAME's token away."""
    from huracan.config import home_folder
    from huracan.signals.auth import remove_token, token_file

    remove_token(token_file(home_folder()), name)
    terminal.show({"name": name, "revoked": True}, f"revoked {name}")
