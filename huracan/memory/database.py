"""The door to Postgres: one URL, one engine, and one line for everything that can be wrong with either."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from pydantic import SecretStr
from sqlalchemy import URL, Engine, create_engine, event, exc, make_url, text

from huracan.config import DatabaseSettings, home_folder
from huracan.errors import ConfigError, DatabaseError
from huracan.logs import redact_text
from huracan.memory import schema
from huracan.memory.server import EmbeddedServer

__all__ = [
    "DatabaseStatus",
    "connect",
    "database_status",
    "database_url",
    "lazy_engine",
    "normalise_url",
    "open_database",
    "translated",
    "upgrade_database",
]

DRIVER = "postgresql+psycopg2"
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's, s and ms: a connection is used every 30 s at least, and given up 60 s after the other end fell silent."""
SERVER_KEEPALIVES = """
    SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '30' WHEN 'tcp_keepalives_interval' THEN '10'
        WHEN 'tcp_keepalives_count' THEN '3' ELSE '60000' END, false)
    FROM pg_settings WHERE source <> 'client' AND name IN
        ('tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'tcp_user_timeout')"""
"""The server's, which lets go of a session, and of its locks, when the client is lost.

Set by a query, since poolers between refuse such options at the start; what the URL's options say stays.
Without effect on a Unix socket."""
UNREACHABLE = re.compile("connection|connect to server|translate host name|timeout expired|invalid port")


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What is known of the database without starting it.

    Args:
        embedded: it is the server under HURACAN_HOME.
        running: it answers.
        url: its address without password; empty for an embedded server never set up.
        pid: process of the embedded server.
        schema: the revision it has, None when there is none or it does not run.
        schema_needed: the revision this version needs.
    """

    embedded: bool
    running: bool
    url: str
    pid: int | None
    schema: str | None
    schema_needed: str


def normalise_url(url: str) -> URL:
    """Return `url` with the driver named: SQLAlchemy 2.1 reads a bare `postgresql://` as another driver.

    Raises:
        ConfigError: not a URL, not Postgres, or without a database name.
    """
    try:
        parsed = make_url(url.strip())
    except (exc.ArgumentError, ValueError):
        raise ConfigError(
            "database.url is not a URL; write postgresql://USER@HOST:5432/DATABASE, the password after USER and a colon"
        ) from None
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise ConfigError(f"database.url is of {parsed.drivername}, huracan needs postgresql")
    if not parsed.database:
        raise ConfigError(f"database.url {_shown(parsed)} names no database; append /huracan")
    return parsed.set(drivername=DRIVER)


def database_url(settings: DatabaseSettings, home: Path | None = None) -> SecretStr:
    """Return the URL in force: the configured one, otherwise that of the embedded server, which is started.

    Args:
        settings: the `database` section.
        home: HURACAN_HOME of the embedded server; None: `home_folder()`.

    Raises:
        ConfigError: the configured URL is not usable.
        DatabaseError: the embedded server cannot be started.
    """
    if settings.url is not None:
        return SecretStr(normalise_url(settings.url.get_secret_value()).render_as_string(hide_password=False))
    return SecretStr(EmbeddedServer(home_folder() if home is None else home).start())


def connect(url: SecretStr | str, connect_timeout_s: int = 5) -> Engine:
    """Return an engine that has reached the database once; its schema is not looked at.

    Raises:
        ConfigError: the URL is not usable.
        DatabaseError: no server answers there, or it refuses the user.
    """
    engine = lazy_engine(url, connect_timeout_s)
    with translated(engine), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return engine


def lazy_engine(url: SecretStr | str, connect_timeout_s: int = 5) -> Engine:
    """Return an engine that connects when it is first used, for what must start though the database is away.

    Raises:
        ConfigError: the URL is not usable.
    """
    found = normalise_url(url.get_secret_value() if isinstance(url, SecretStr) else url)
    keepalives = {name: value for name, value in KEEPALIVES.items() if name not in found.query}
    engine = create_engine(
        found,
        pool_pre_ping=True,
        pool_size=4,
        connect_args={"connect_timeout": connect_timeout_s, "application_name": "huracan", **keepalives},
    )
    event.listen(engine, "connect", _keep_alive)
    return engine


def open_database(settings: DatabaseSettings, home: Path | None = None) -> Engine:
    """Return an engine on a database of this version's schema.

    The embedded database belongs to this installation and is brought up to date; a configured one is shared, and only
    `huracan db upgrade` changes its schema.

    Raises:
        ConfigError: the configured URL is not usable.
        DatabaseError: unreachable, refused, or a schema of another version.
    """
    engine = connect(database_url(settings, home), settings.connect_timeout_s)
    with translated(engine):
        if settings.url is None:
            schema.upgrade(engine)
        else:
            schema.check(engine)
    return engine


def upgrade_database(settings: DatabaseSettings, home: Path | None = None) -> str:
    """Bring the schema to this version's and return its revision; the embedded server is started for it.

    Raises:
        ConfigError: the configured URL is not usable.
        DatabaseError: unreachable, refused, or written by a newer version.
    """
    engine = connect(database_url(settings, home), settings.connect_timeout_s)
    with translated(engine):
        return schema.upgrade(engine)


def database_status(settings: DatabaseSettings, home: Path | None = None) -> DatabaseStatus:
    """Return the database's state; starts nothing, and a server that does not answer is a state, not an error.

    Raises:
        ConfigError: the configured URL is not usable.
    """
    pid = None
    if settings.url is None:
        server = EmbeddedServer(home_folder() if home is None else home)
        pid = server.status().pid
        if pid is None:
            return DatabaseStatus(True, False, "", None, None, schema.head())
        url = normalise_url(server.url())
    else:
        url = normalise_url(settings.url.get_secret_value())
    try:
        engine = connect(url.render_as_string(hide_password=False), settings.connect_timeout_s)
    except DatabaseError:
        return DatabaseStatus(settings.url is None, False, _shown(url), pid, None, schema.head())
    with translated(engine):
        found = schema.current(engine)
    return DatabaseStatus(settings.url is None, True, _shown(url), pid, found, schema.head())


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into one line that names the server and shows no secret.

    Raises:
        DatabaseError: in place of any SQLAlchemy error from the block.
    """
    try:
        yield
    except (exc.SQLAlchemyError, psycopg2.Error) as error:
        raise DatabaseError(_explain(error, engine.url)) from error


def _keep_alive(connection: psycopg2.extensions.connection, record: object) -> None:
    """Have the server notice when this end is lost."""
    connection.autocommit = True  # else the end of a transaction could take it back
    with connection.cursor() as cursor:
        cursor.execute(SERVER_KEEPALIVES)
    connection.autocommit = False


def _explain(error: exc.SQLAlchemyError | psycopg2.Error, url: URL) -> str:
    cause = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
    reason = redact_text(" ".join(cause.split()))
    if url.password and len(str(url.password)) > 3:
        reason = reason.replace(str(url.password), "***")
    where = f"database {_shown(url)}"
    if "password authentication failed" in reason or "no password supplied" in reason:
        return f"{where} refuses user {url.username}: wrong or missing password; correct HURACAN__DATABASE__URL"
    if re.search(r"database \"[^\"]*\" does not exist", reason):
        return f"{where} does not exist; create it, then run `huracan db upgrade`"
    if isinstance(error, exc.OperationalError | psycopg2.OperationalError) and UNREACHABLE.search(reason):
        return f"{where} is unreachable: {reason}; is the server up, and HURACAN__DATABASE__URL right?"
    if 'extension "vector" is not available' in reason:
        return f"{where} has no pgvector; install the extension on the server, then run `huracan db upgrade`"
    if "does not exist" in reason and "relation" in reason:
        return f"{where} lacks a table: {reason}; run `huracan db upgrade`"
    return f"{where}: {reason}"


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
