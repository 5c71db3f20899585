"""Fixtures of the whole suite: one embedded Postgres per session, one database per test module."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.memory import EmbeddedServer, connect, schema
from huracan.ray_env import prepare_ray_environment
from tests.objects import ACCESS_KEY, SECRET, ObjectServer, object_server

prepare_ray_environment()  # Ray reads its environment when the first module that is collected imports it


@pytest.fixture(scope="session")
def database_home() -> Iterator[Path]:
    """An empty HURACAN_HOME whose path is short enough for a socket, removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def database_server(database_home: Path) -> Iterator[EmbeddedServer]:
    """The session's embedded Postgres, running; nothing in it is worth waiting for the disk."""
    server = EmbeddedServer(database_home)
    engine = connect(server.start())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def empty_database_url(database_server: EmbeddedServer, request: pytest.FixtureRequest) -> str:
    """The URL of a database of this module's own, without any table."""
    name = re.sub(r"\W+", "_", request.module.__name__) + "_empty"
    database_server.create_database(name)
    return database_server.url(name)


@pytest.fixture(scope="module")
def database(database_server: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a database of this module's own, at the newest schema."""
    name = re.sub(r"\W+", "_", request.module.__name__)
    database_server.create_database(name)
    engine = connect(database_server.url(name))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectServer]:
    """The session's S3-compatible server on loopback; the credentials are in the environment alone."""
    given = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch, object_server() as server:
        for name, value in given.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield server
