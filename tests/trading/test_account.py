"""The account function: entries 72-75 and 78."""

import math

import numpy as np
import pytest

from huracan.trading.account import ACCOUNT_SIZE, Exposure, begin_account, health, learn_trade, use_of, write_account
from huracan.trading.settings import Limits

LIMITS = Limits(wallet=10_000.0, heat_frac=0.1, drawdown_frac=0.2, daily_loss=500.0, exposure_frac=0.5)
NOTHING = Exposure(0.0, 0.0)


def new_account(day: int = 3) -> np.ndarray:
    """Return one account opened with the wallet on a day."""
    accounts = np.full((1, ACCOUNT_SIZE), 9.0)
    begin_account(accounts, 0, LIMITS.wallet, day)
    return accounts


def entries(
    accounts: np.ndarray, value: float, day: int, exposure: Exposure = NOTHING, load: float = 0.0
) -> list[float]:
    """Return state entries 72 to 75 after one decision."""
    state = np.zeros((1, 80), np.float32)
    write_account(accounts, 0, value, day, exposure, LIMITS, np.full((1, 4), load, np.float32), state)
    return state[0, 72:76].tolist()


def test_a_fresh_account_uses_nothing() -> None:
    """All four entries are zero."""
    assert entries(new_account(), 10_000.0, 3) == [0, 0, 0, 0]


def test_heat_and_exposure_are_shares_of_the_account() -> None:
    """500 at stake of a limit of 10 % of 10,000; positions of 2,500 of a limit of one half."""
    assert entries(new_account(), 10_000.0, 3, Exposure(500.0, 2_500.0)) == [0.5, 0, 0, 0.5]


def test_drawdown_is_measured_from_the_peak() -> None:
    """Up to 12,500, down to 11,250: 10 % of a limit of 20 %."""
    accounts = new_account()
    entries(accounts, 12_500.0, 3)
    assert entries(accounts, 11_250.0, 3)[1] == np.float32(0.5)


def test_the_days_result_starts_from_the_last_decision_of_the_day_before() -> None:
    """Minus 200 yesterday does not count today."""
    accounts = new_account()
    assert entries(accounts, 9_800.0, 3)[2] == np.float32(-0.4)
    assert entries(accounts, 9_700.0, 4)[2] == np.float32(-0.2)
    assert entries(accounts, 9_950.0, 4)[2] == np.float32(0.3)


def test_the_rest_of_the_portfolio_is_added() -> None:
    """Load 0.25 on all four."""
    assert entries(new_account(), 10_000.0, 3, Exposure(500.0, 2_500.0), 0.25) == [0.75, 0.25, 0.25, 0.75]


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_no_room_counts_as_used_up(limit: float) -> None:
    """A limit of zero, a lost account and NaN forbid entries."""
    assert use_of(0.0, limit) == 2.0


def test_health_is_the_z_score_of_the_ewma_of_results() -> None:
    """Written out for six results; silent before five; bounded by 5."""
    accounts, mean, variance, rate = new_account(), 0.0, 0.0, 2 / 21
    for count, result in enumerate([1.0, -0.5, 2.0, 0.3, -1.0, 0.7]):
        assert health(accounts, 0) == 0 or count >= 5
        learn_trade(accounts, 0, result)
        gap = result - mean
        mean, variance = mean + rate * gap, (1 - rate) * (variance + rate * gap * gap)
    assert health(accounts, 0) == pytest.approx(mean / math.sqrt(variance * rate / (2 - rate)), rel=1e-12)
    for _ in range(200):
        learn_trade(accounts, 0, -1.0)
    assert health(accounts, 0) == -5.0
