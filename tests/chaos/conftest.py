"""The world of each chaos module: an exchange process behind a relay, and a database of its own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from tests.chaos.world import Chaos, chaotic
from tests.trader.processes import write_candles


@pytest.fixture(scope="module")
def world(
    database: Engine,
    database_server: EmbeddedServer,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chaos]:
    """An exchange with the accounts that the module's ACCOUNTS names."""
    name = database.url.database
    assert name is not None
    folder = write_candles(tmp_path_factory.mktemp("candles"))
    home = tmp_path_factory.mktemp("home")
    with chaotic(home, database_server.url(name), folder, request.module.ACCOUNTS) as found:
        yield found
