"""Accounts: all that are traded are looked at, each by detectors and remedies of its own."""

from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings, load_settings
from huracan.errors import DatabaseError
from huracan.health.accounts import Accounts
from huracan.health.detector import Detector, Looked
from huracan.memory.health import Anomaly
from tests.health.traded import TABLES, write_account

pytestmark = pytest.mark.postgres

T = 1_760_000_040_000


@pytest.fixture
def settings(database: Engine) -> Settings:
    """The configuration of a database on which two accounts are traded, and one was long ago."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}, remediations CASCADE"))
    write_account(database, "main")
    write_account(database, "second")
    write_account(database, "old", close_age_s=30 * 86_400.0)
    return load_settings(None, {"execution.account": "main"}, {})


@dataclass
class Named:
    """A detector of one account."""

    account: str
    names: frozenset[str] = frozenset({"silent"})

    def look(self, now_ms: int) -> tuple[Anomaly, ...]:
        """See `Detector`."""
        return (Anomaly("silent", self.account, "", "info", "w", "m", None, now_ms),)


def test_every_traded_account_has_detectors_of_its_own_made_once(database: Engine, settings: Settings) -> None:
    """The configured one first, whether or not it was ever traded; one that is not traded any more is left alone."""

    def make(engine: Engine, account: str, given: Settings) -> tuple[Detector, ...]:
        return (Named(account),)

    accounts = Accounts(database, settings, detectors=make)
    assert accounts.names() == ("main", "second")
    first, again = accounts.detectors(), accounts.detectors()
    assert [one.look(T)[0].account for one in first] == ["main", "second"]
    assert all(one is other for one, other in zip(first, again, strict=True))
    other = Accounts(database, load_settings(None, {"execution.account": "new"}, {}), detectors=make)
    assert other.names() == ("new", "main", "second")


def test_remedies_act_on_the_account_that_is_wrong(database: Engine, settings: Settings) -> None:
    """A silent feed of the second account leaves the first one as it is; a full disk concerns both."""
    accounts = Accounts(database, settings)
    silent = Anomaly("feed_silent", "second", "", "critical", "no close", "m", T - 600_000, T - 600_000)
    rows = accounts.act(Looked((silent,), frozenset({"feed_silent"}), ()), T)
    assert {row.account for row in rows if row.kind == "reducing"} == {"second"}
    full = Anomaly("disk_full", "", "node", "critical", "1 MB are free", "m", T, T)
    rows = accounts.act(Looked((full,), frozenset({"disk_full"}), ()), T + 1)
    assert "main" in {row.account for row in rows if row.kind == "reducing"}


def test_what_fails_for_one_account_keeps_no_other_from_being_acted_on(database: Engine, settings: Settings) -> None:
    """The first account's trading state cannot be written; the second one is reduced all the same, and it is told."""
    with database.begin() as connection:
        connection.execute(
            text(
                """CREATE FUNCTION break_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.account_no = (SELECT account_no FROM accounts WHERE name = 'main') THEN
                RAISE 'it is broken'; END IF; RETURN NEW; END $$"""
            )
        )
        connection.execute(
            text("CREATE TRIGGER break_it BEFORE INSERT ON trading_state FOR EACH ROW EXECUTE FUNCTION break_it()")
        )
    full = Anomaly("disk_full", "", "node", "critical", "1 MB are free", "m", T, T)
    try:
        with pytest.raises(DatabaseError, match="it is broken"):
            Accounts(database, settings).act(Looked((full,), frozenset({"disk_full"}), ()), T)
    finally:
        with database.begin() as connection:
            connection.execute(text("DROP TRIGGER break_it ON trading_state"))
            connection.execute(text("DROP FUNCTION break_it"))
    with database.connect() as connection:
        found = connection.execute(text("SELECT account, kind, state FROM remediations WHERE kind = 'reducing'"))
        assert [tuple(row) for row in found] == [("second", "reducing", "applied")]
