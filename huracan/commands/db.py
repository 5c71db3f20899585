"""`huracan db`: the database's address, state, schema and end."""

import click

from huracan.terminal import Terminal, command

__all__ = ["db"]


@click.group()
def db() -> None:
    """The database: the embedded server under HURACAN_HOME, or the one of HURACAN__DATABASE__URL."""


@command(db, "url")
@click.option("--show-password", is_flag=True, help="Print the password too, e.g. to hand the URL to a Ray job.")
def url(terminal: Terminal, show_password: bool) -> None:
    """Print the URL in force; the embedded server is started for it."""
    from huracan.logs import redact_text
    from huracan.memory import database_url

    found = database_url(terminal.settings().database).get_secret_value()
    shown = found if show_password else redact_text(found)
    terminal.show({"url": shown}, shown)


@command(db, "upgrade")
def upgrade(terminal: Terminal) -> None:
    """Bring the schema to this version; creates and starts the embedded database when there is none."""
    from huracan.memory import upgrade_database

    revision = upgrade_database(terminal.settings().database)
    terminal.show({"revision": revision}, f"schema {revision}")


@command(db, "status")
def status(terminal: Terminal) -> None:
    """Say whether the database runs and which schema it has; starts nothing."""
    from huracan.memory import database_status

    found = database_status(terminal.settings().database)
    rows = [(name.replace("_", " "), getattr(found, name)) for name in found.__dataclass_fields__]
    terminal.show(found, lambda: terminal.table("database", ("what", "value"), rows))


@command(db, "stop")
def stop(terminal: Terminal) -> None:
    """Stop the embedded server; open transactions roll back."""
    from huracan.config import home_folder
    from huracan.memory import EmbeddedServer

    stopped = EmbeddedServer(home_folder()).stop()
    terminal.show({"stopped": stopped}, "stopped" if stopped else "was not running")
