"""What is read beside whoever trades is read in a transaction of which nothing is kept."""

import pytest
from sqlalchemy import Engine

from huracan.errors import DatabaseError
from huracan.health.reading import read_only

pytestmark = pytest.mark.postgres


def test_nothing_that_is_done_in_it_is_kept(database: Engine) -> None:
    """A row that is written in it is gone afterwards; what the server refuses is an error of ours."""
    with read_only(database) as cursor:
        cursor.execute("INSERT INTO accounts (name) VALUES ('main')")
    with read_only(database) as cursor:
        cursor.execute("SELECT count(*) FROM accounts")
        assert cursor.fetchone() == (0,)
    with pytest.raises(DatabaseError), read_only(database) as cursor:
        cursor.execute("SELECT nothing")
