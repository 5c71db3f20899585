"""Reading beside whoever trades: a transaction that nothing is kept of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine

from huracan.errors import DatabaseError
from huracan.memory import translated

__all__ = ["read_only"]


@contextmanager
def read_only(engine: Engine) -> Iterator[Any]:
    """Give a psycopg2 cursor of a transaction that is not kept.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            raise DatabaseError("the database gave no connection")
        with raw.cursor() as cursor:
            yield cursor
