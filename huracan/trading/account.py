"""The account function: state entries 72-75 and 78, from an account's money, the same for one coin and a portfolio."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEALTH, S_HEAT
from huracan.trading.compiled import hot_law, law
from huracan.trading.settings import Limits

__all__ = [
    "ACCOUNT_SIZE",
    "HEALTH_SPAN_TRADES",
    "Exposure",
    "begin_account",
    "health",
    "learn_trade",
    "use_of",
    "write_account",
]

Accounts = NDArray[np.float64]

HEALTH_SPAN_TRADES: Final = 20
_HEALTH_MIN_TRADES = 5
_HEALTH_MAX = 5.0
_RATE = 2.0 / (HEALTH_SPAN_TRADES + 1.0)
_FULL = 2.0
"""A limit of zero, or an account that lost everything, counts as used twice over: no entry."""

# fields of one account, float64
VALUE: Final = 0  # wallet and result at the last decision, quote currency
PEAK: Final = 1  # highest VALUE so far
DAY: Final = 2  # UTC day of the last decision
DAY_START: Final = 3  # VALUE at the last decision of the day before
MEAN: Final = 4  # EWMA of the closed trades' results, in units of their risk
VARIANCE: Final = 5
TRADES: Final = 6
ACCOUNT_SIZE: Final = 7


class Exposure(NamedTuple):
    """What the account stands to lose, quote currency: if all stops hit, and the value of all positions."""

    heat: float
    gross: float


@hot_law
def use_of(amount: float, limit: float) -> float:
    """Return amount / limit; 2 when there is no room at all."""
    if not limit > 0.0:
        return _FULL
    return amount / limit


@law
def begin_account(accounts: Accounts, row: int, wallet: float, day: int) -> None:
    """Open an account with `wallet` quote units on UTC day `day`; no trade yet."""
    accounts[row, :] = 0.0
    accounts[row, VALUE] = wallet
    accounts[row, PEAK] = wallet
    accounts[row, DAY] = day
    accounts[row, DAY_START] = wallet


@law
def learn_trade(accounts: Accounts, row: int, result: float) -> None:
    """Take a closed trade into the health figure; `result`: net over the money at risk at the stop.

    EWMA mean and variance with span 20 trades: m += r (x - m), v = (1 - r) (v + r (x - m)^2).
    """
    gap = result - accounts[row, MEAN]
    accounts[row, MEAN] += _RATE * gap
    accounts[row, VARIANCE] = (1.0 - _RATE) * (accounts[row, VARIANCE] + _RATE * gap * gap)
    accounts[row, TRADES] += 1.0


@hot_law
def health(accounts: Accounts, row: int) -> float:
    """Return the z-score of the EWMA of results, m / sqrt(v r / (2 - r)), in [-5, 5]; 0 before five trades."""
    if accounts[row, TRADES] < _HEALTH_MIN_TRADES or not accounts[row, VARIANCE] > 0.0:
        return 0.0
    score = accounts[row, MEAN] / math.sqrt(accounts[row, VARIANCE] * _RATE / (2.0 - _RATE))
    return max(-_HEALTH_MAX, min(_HEALTH_MAX, score))


@hot_law
def write_account(
    accounts: Accounts,
    row: int,
    value: float,
    day: int,
    exposure: Exposure,
    limits: Limits,
    load: NDArray[np.float32],
    state: NDArray[np.float32],
) -> None:
    """Bring an account to a decision's close and write state entries 72-75 and 78.

    72 loss if all stops hit / (heat_frac x value); 73 fall from the peak / drawdown_frac; 74 result of the UTC day /
    daily loss limit; 75 value of positions / (exposure_frac x value); 78 `health`.

    Args:
        accounts: float64[N, ACCOUNT_SIZE], changed in place.
        row: account, and row of `load` and `state`.
        value: wallet and result at the close, quote currency.
        day: UTC day of the bar.
        exposure: of everything held or being bought.
        limits: the account's limits.
        load: float32[N, 4], added to 72-75.
        state: float32[N, 80], changed in place.
    """
    if day != accounts[row, DAY]:
        accounts[row, DAY] = day
        accounts[row, DAY_START] = accounts[row, VALUE]
    accounts[row, VALUE] = value
    accounts[row, PEAK] = max(accounts[row, PEAK], value)
    peak = accounts[row, PEAK]
    fall = (peak - value) / peak if peak > 0.0 else 1.0
    state[row, S_HEAT] = use_of(exposure.heat, limits.heat_frac * value) + load[row, 0]
    state[row, S_DRAWDOWN] = use_of(fall, limits.drawdown_frac) + load[row, 1]
    state[row, S_DAY_PNL] = _day_use(value - accounts[row, DAY_START], limits.daily_loss) + load[row, 2]
    state[row, S_GROSS] = use_of(exposure.gross, limits.exposure_frac * value) + load[row, 3]
    state[row, S_HEALTH] = health(accounts, row)


@hot_law
def _day_use(result: float, limit: float) -> float:
    """Return the day's result over the daily loss limit; without any limit's room it counts as lost twice over."""
    if not limit > 0.0:
        return -_FULL
    return result / limit
