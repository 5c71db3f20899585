"""The door to Postgres: every wrong address is one line that says what to do and shows no password."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from huracan.config import DatabaseSettings
from huracan.errors import ConfigError, DatabaseError, HuracanError
from huracan.memory import (
    EmbeddedServer,
    connect,
    database_status,
    database_url,
    open_database,
    schema,
    upgrade_database,
)
from huracan.memory.database import normalise_url, translated

pytestmark = pytest.mark.postgres


def _settings(url: str) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(url), connect_timeout_s=2)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_way_to_say_postgres_means_one_driver(scheme: str) -> None:
    """The URL forms of other tools are accepted and end at the driver that is installed."""
    found = normalise_url(f"{scheme}://u:p%40ss@h:5433/d?sslmode=require")
    assert found.drivername == "postgresql+psycopg2"
    assert (found.password, found.port, found.query["sslmode"]) == ("p@ss", 5433, "require")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:hunter2@h/d", "postgresql://u:hunter2@h", "postgresql://u:hunter2@h:x/d"]
)
def test_an_address_that_is_none_is_a_configuration_error(url: str) -> None:
    """What is not a Postgres URL with a database is refused as bad input, the password unseen."""
    with pytest.raises(ConfigError, match=r"database\.url") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _refused(url: str) -> str:
    with pytest.raises(DatabaseError) as caught:
        open_database(_settings(url))
    message = str(caught.value)
    assert "\n" not in message
    password = make_url(url).password
    assert password is None or str(password) not in message
    return message


def test_an_unreachable_server_is_named(deaf_port: int) -> None:
    """No server, an unknown host, and a server that never answers are said to be unreachable, with their address."""
    assert "127.0.0.1:1/d is unreachable" in _refused("postgresql://u:hunter2@127.0.0.1:1/d")
    assert "no-such-host.invalid/d is unreachable" in _refused("postgresql://u:hunter2@no-such-host.invalid/d")
    assert f"127.0.0.1:{deaf_port}/d is unreachable" in _refused(f"postgresql://u:hunter2@127.0.0.1:{deaf_port}/d")


def test_a_wrong_password_and_a_missing_database_are_told_apart(database_server: EmbeddedServer) -> None:
    """The user is told whether to correct the password or to create the database."""
    url = make_url(database_server.url())
    wrong = url.set(password="hunter2").render_as_string(hide_password=False)
    assert "refuses user huracan: wrong or missing password" in _refused(wrong)
    assert "does not exist; create it" in _refused(database_server.url("never_made"))


def test_a_configured_database_is_never_changed_unasked(empty_database_url: str) -> None:
    """Opening a configured database without our schema is refused and leaves it empty; upgrading it makes it usable."""
    assert "run `huracan db upgrade`" in _refused(empty_database_url)
    engine = connect(empty_database_url)
    assert schema.current(engine) is None
    assert upgrade_database(_settings(empty_database_url)) == schema.head()
    open_database(_settings(empty_database_url)).dispose()
    engine.dispose()


def test_the_embedded_database_comes_up_ready(database_home: Path, database_server: EmbeddedServer) -> None:
    """Without a URL the server under the home is used, at this version's schema."""
    settings = DatabaseSettings()
    assert database_url(settings, database_home).get_secret_value() == database_server.url()
    engine = open_database(settings, database_home)
    assert schema.current(engine) == schema.head()
    engine.dispose()


def test_the_status_is_told_without_starting_anything(database_home: Path, tmp_path: Path) -> None:
    """Not set up, running, and not answering are states; asking starts nothing and shows no password."""
    missing = database_status(DatabaseSettings(), tmp_path)
    assert (missing.embedded, missing.running, missing.schema) == (True, False, None)
    assert list(tmp_path.iterdir()) == []
    running = database_status(DatabaseSettings(), database_home)
    assert (running.running, running.pid is None, running.schema_needed) == (True, False, schema.head())
    dead = database_status(_settings("postgresql://u:hunter2@127.0.0.1:1/d"))
    assert (dead.embedded, dead.running) == (False, False)
    assert "hunter2" not in repr(dead)


def test_errors_of_the_driver_are_translated_too(database_server: EmbeddedServer) -> None:
    """A statement that fails, through SQLAlchemy or on the bare driver, is one line that names the database."""
    engine = connect(database_server.url())
    with (
        pytest.raises(HuracanError, match=r"lacks a table.*huracan db upgrade"),
        translated(engine),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM nowhere"))
    with pytest.raises(DatabaseError, match="division by zero"), translated(engine):
        raise psycopg2.DataError("division by zero\nLINE 1")
    engine.dispose()
