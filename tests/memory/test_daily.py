"""Daily results: kept as they are, replaced as a whole by the next shadow trading, trials beside them."""

import itertools

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.memory import DailyResult, open_run, read_daily, record_shadow_days, record_trial_days

pytestmark = pytest.mark.postgres
_numbers = itertools.count()


@pytest.fixture
def run_id(database: Engine) -> int:
    """A run of this test's own."""
    return open_run(database, "train", Settings(), f"f{next(_numbers)}", "0.1.0")


POLICY = DailyResult("policy", "ensemble", "A/USDT", 0, 20_000, (1.5, -2.25, 1e-17))
SEED = DailyResult("seed", "seed-1", "A/USDT", 0, 20_000, (0.0, 0.5, 3.0))


def test_what_is_written_is_read_to_the_last_bit(database: Engine, run_id: int) -> None:
    """All kinds, in order; or the kinds asked for; another run has none."""
    record_shadow_days(database, run_id, [SEED, POLICY])
    assert read_daily(database, run_id) == (POLICY, SEED)
    assert read_daily(database, run_id, "seed") == (SEED,)
    assert read_daily(database, run_id + 1) == ()


def test_the_next_shadow_trading_replaces_all_but_the_trials(database: Engine, run_id: int) -> None:
    """Nothing of the former remains that the latter does not have."""
    record_trial_days(database, run_id, "t1", 19_900, [1.0, 2.0])
    record_shadow_days(database, run_id, [POLICY, SEED])
    record_shadow_days(database, run_id, [POLICY])
    assert [row.kind for row in read_daily(database, run_id)] == ["policy", "trial"]
    record_shadow_days(database, run_id, [])
    assert [row.kind for row in read_daily(database, run_id)] == ["trial"]


def test_a_trial_that_reports_again_is_brought_up_to_date(database: Engine, run_id: int) -> None:
    """One row for each trial, the last report's days."""
    record_trial_days(database, run_id, "t1", 19_900, [1.0, 2.0])
    record_trial_days(database, run_id, "t1", 19_901, [3.0])
    assert read_daily(database, run_id, "trial") == (DailyResult("trial", "t1", "*", -1, 19_901, (3.0,)),)


def test_an_unknown_run_keeps_nothing(database: Engine) -> None:
    """The database refuses."""
    with pytest.raises(DatabaseError):
        record_shadow_days(database, 10_000_000, [POLICY])
