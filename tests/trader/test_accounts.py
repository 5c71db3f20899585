"""Where an account was traded last, from the runs alone."""

import pytest
from sqlalchemy import Engine

from huracan.config import load_settings
from huracan.memory import open_run
from huracan.trader.accounts import LastRun, last_run, run_kind, stored_account
from tests.execution.samples import awaited

pytestmark = pytest.mark.postgres


def test_the_newest_run_of_the_account_counts(database: Engine) -> None:
    """Whatever its mode, and whatever others have run since."""

    def ran(mode: str, account: str, url: str | None) -> None:
        settings = load_settings(None, {"execution.account": account, "execution.url": url}, {})
        open_run(database, run_kind(mode), settings, "", "1")  # type: ignore[arg-type]

    assert last_run(database, "main") is None
    ran("paper", "main", "http://127.0.0.1:1")
    ran("paper", "other", "http://127.0.0.1:2")
    assert last_run(database, "main") == LastRun("paper", "http://127.0.0.1:1", None)
    ran("live", "main", None)
    assert last_run(database, "main") == LastRun("live", None, None)
    ran("paper", "main", "http://127.0.0.1:3")
    assert last_run(database, "main") == LastRun("paper", "http://127.0.0.1:3", None)
    assert last_run(database, "other") == LastRun("paper", "http://127.0.0.1:2", None)


def test_an_accounts_rows_are_read_without_a_lease(database: Engine) -> None:
    """An account that was never traded has none, and reading makes none."""

    @awaited
    async def ask() -> None:
        async with stored_account(database, "fresh", 5.0) as found:
            snapshot = await found.store.load()
            assert (snapshot.state, dict(snapshot.positions)) == (None, {})
            assert await found.views.load() is None

    ask()
