"""The schema: made once, by one of many, and refused in one line when it is not this version's."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

import huracan.memory
from huracan.errors import DatabaseError
from huracan.memory import EmbeddedServer, connect, schema

pytestmark = pytest.mark.postgres


def _fresh(server: EmbeddedServer, name: str) -> Engine:
    server.create_database(name)
    return connect(server.url(name))


def test_upgrade_makes_every_table_once(database_server: EmbeddedServer) -> None:
    """From nothing, an upgrade makes all tables; a second one changes nothing."""
    engine = _fresh(database_server, "schema_once")
    assert schema.current(engine) is None
    with engine.connect() as connection:
        assert schema.missing_tables(connection) == schema.TABLES
    assert schema.upgrade(engine) == schema.head() == schema.current(engine)
    assert schema.upgrade(engine) == schema.head()
    with engine.connect() as connection:
        assert schema.missing_tables(connection) == ()
        tables = set(connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())
    assert tables == {*schema.TABLES, "alembic_version"}
    engine.dispose()


def test_concurrent_upgrades_wait_for_each_other(database_server: EmbeddedServer) -> None:
    """Several processes that upgrade a new database at once all succeed."""
    engine = _fresh(database_server, "schema_race")
    start, results = threading.Barrier(4), []

    def upgrade() -> None:
        start.wait()
        results.append(schema.upgrade(engine))

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [schema.head()] * 4
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing(database_server: EmbeddedServer) -> None:
    """When a statement in the middle fails, no table of ours is left behind, and the next try succeeds."""
    engine = _fresh(database_server, "schema_failed")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE model_performance (in_the_way integer)"))
    with pytest.raises(Exception, match="already exists"):
        schema.upgrade(engine)
    with engine.begin() as connection:
        assert set(schema.missing_tables(connection)) == set(schema.TABLES) - {"model_performance"}
        connection.execute(text("DROP TABLE model_performance"))
    assert schema.upgrade(engine) == schema.head()
    engine.dispose()


@pytest.mark.parametrize(
    ("revision", "advice"),
    [(None, "has no huracan schema; run `huracan db upgrade`"), ("9999", "written by a newer huracan; update huracan")],
)
def test_another_version_is_refused_in_one_line(
    database_server: EmbeddedServer, revision: str | None, advice: str
) -> None:
    """No schema, or one this version does not know, is an error that says what to do and shows no password."""
    engine = _fresh(database_server, f"schema_{revision}")
    if revision is not None:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
    with pytest.raises(DatabaseError, match=advice) as caught:
        schema.check(engine)
    assert "\n" not in str(caught.value)
    assert str(engine.url.password) not in str(caught.value)
    engine.dispose()


def test_a_newer_schema_is_not_touched_by_an_upgrade(database_server: EmbeddedServer) -> None:
    """An old huracan does not change the database of a newer one."""
    engine = _fresh(database_server, "schema_newer")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    with pytest.raises(DatabaseError, match="newer"):
        schema.upgrade(engine)
    assert schema.current(engine) == "9999"
    engine.dispose()


def test_an_older_schema_is_refused_until_upgraded(
    database_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known but older revision asks for `huracan db upgrade`."""
    engine = _fresh(database_server, "schema_older")
    newest = schema.upgrade(engine)
    schema.check(engine)
    monkeypatch.setattr(schema, "head", lambda: "8888")
    with pytest.raises(DatabaseError, match=rf"has schema {newest}, this version needs 8888; run `huracan db upgrade`"):
        schema.check(engine)
    engine.dispose()


def test_every_table_is_documented() -> None:
    """docs/database.md has a section for each table."""
    document = (Path(huracan.memory.__file__).parents[2] / "docs" / "database.md").read_text(encoding="utf-8")
    for table in schema.TABLES:
        assert f"### {table}\n" in document
