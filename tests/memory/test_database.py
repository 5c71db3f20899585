"""The door to Postgres: every wrong address is one line that says what to do and shows no password."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from huracan.config import DatabaseSettings
from huracan.errors import ConfigError, DatabaseError, HuracanError
from huracan.memory import (
    EmbeddedServer,
    connect,
    database_status,
    database_url,
    open_database,
    schema,
    server,
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


@pytest.fixture(scope="module")
def tcp_url() -> Iterator[str]:
    """The URL of a server of its own that listens on loopback."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    embedded = EmbeddedServer(home)
    url = make_url(embedded.start())
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET listen_addresses = '127.0.0.1'"))
    engine.dispose()
    embedded.stop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "PORT", port)
        embedded.start()
    try:
        yield url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        embedded.stop()
        shutil.rmtree(home)


SHOWN = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")


def _shown(url: str) -> list[str]:
    """Return what the server says of its end of a connection."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return [str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in SHOWN]
    finally:
        engine.dispose()


def test_both_ends_notice_that_the_other_is_lost(tcp_url: str) -> None:
    """Within about a minute, not the system's two hours; also after a transaction was rolled back."""
    assert _shown(tcp_url) == ["30", "10", "3", "60000"]
    engine = connect(tcp_url)
    with engine.connect() as connection:
        connection.rollback()
        assert connection.execute(text("SHOW tcp_keepalives_idle")).scalar_one() == "30"
        driver = connection.connection.dbapi_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as mine:  # type: ignore[attr-defined]
            assert mine.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            found = [
                mine.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"))
                for name in ("KEEPIDLE", "KEEPINTVL", "KEEPCNT", "USER_TIMEOUT")
            ]
    assert found == [30, 10, 3, 60_000]
    engine.dispose()


def test_what_a_url_says_of_its_connection_stays(tcp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options and its own keepalives are kept, and those of the environment, whatever huracan adds."""
    options = "?options=-c%20tcp_keepalives_idle%3D77%20-c%20search_path%3Delsewhere&keepalives_idle=66"
    assert _shown(tcp_url + options) == ["77", "10", "3", "60000"]
    engine = connect(tcp_url + options)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW search_path")).scalar_one() == "elsewhere"
        driver = connection.connection.dbapi_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as mine:  # type: ignore[attr-defined]
            assert mine.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 66
    engine.dispose()
    monkeypatch.setenv("PGOPTIONS", "-c search_path=here")
    engine = connect(tcp_url)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW search_path")).scalar_one() == "here"
    engine.dispose()


def test_a_unix_socket_needs_no_keepalives(database_server: EmbeddedServer) -> None:
    """It connects as ever; there is nothing to keep alive."""
    assert _shown(database_server.url()) == ["0", "0", "0", "0"]


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
