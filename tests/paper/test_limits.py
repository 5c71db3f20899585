"""Request weight, bans and order counts."""

import pytest

from huracan.paper.errors import Refusal
from huracan.paper.limits import charge, count_order, forgive_order, impose, order_headers, used_weight
from huracan.paper.settings import RateLimits
from huracan.paper.state import AccountState, Limiter

LIMITS = RateLimits(weight_1m=10, orders_10s=3, orders_1d=5, ban_after=2, ban_s=120)
MINUTE = 60_000


def refusal(limiter: Limiter, at_ms: int) -> Refusal:
    """Return how a request of weight 1 is refused."""
    with pytest.raises(Refusal) as caught:
        charge(limiter, 1, at_ms, LIMITS)
    return caught.value


def test_weight_is_counted_by_the_minute() -> None:
    """What was used in one minute does not count in the next."""
    limiter = Limiter()
    charge(limiter, 10, 5_000, LIMITS)
    assert used_weight(limiter, 59_999) == 10
    assert used_weight(limiter, MINUTE) == 0
    charge(limiter, 10, MINUTE, LIMITS)


def test_over_the_limit_is_429_until_the_minute_ends() -> None:
    """Retry-After counts to the end of the minute, rounded up."""
    limiter = Limiter()
    charge(limiter, 10, 500, LIMITS)
    first = refusal(limiter, 20_500)
    assert (first.status, first.code, first.retry_after_s) == (429, -1003, 40)
    charge(limiter, 1, MINUTE, LIMITS)


def test_who_does_not_listen_is_banned_and_bans_grow() -> None:
    """After `ban_after` requests in spite of the 429: 418 for two minutes, then three times as long."""
    limiter = Limiter()
    charge(limiter, 10, 0, LIMITS)
    assert [refusal(limiter, n).status for n in (1, 2, 3)] == [429, 429, 418]
    still = refusal(limiter, 60_003)
    assert (still.status, still.retry_after_s) == (418, 60)
    later = 3 * MINUTE
    charge(limiter, 10, later, LIMITS)
    assert [refusal(limiter, later + n).status for n in (1, 2, 3)] == [429, 429, 418]
    assert limiter.banned_until_ms - later - 3 == 360_000


def test_a_ban_is_never_longer_than_three_days() -> None:
    """BN:rest-api.md: from two minutes to three days."""
    limiter = Limiter(bans=9, limited_until_ms=100, ignored=1)
    assert refusal(limiter, 50).status == 418
    assert limiter.banned_until_ms - 50 == 3 * 86_400_000


@pytest.mark.parametrize(("banned", "status"), [(False, 429), (True, 418)])
def test_an_imposed_limit_lasts_its_seconds(banned: bool, status: int) -> None:
    """A fault's limit is as real as a deserved one."""
    limiter = Limiter()
    assert impose(limiter, banned, 7, 0, LIMITS).retry_after_s == 7
    assert refusal(limiter, 6_999).status == status
    charge(limiter, 1, 7_000, LIMITS)


def test_orders_are_counted_in_both_windows() -> None:
    """-1015 with the window's words, and nothing is counted by the refused one."""
    state = AccountState("anna", {})
    count_order(state, 3, 0, LIMITS)
    with pytest.raises(Refusal, match="current limit is 3 orders per 10 SECOND") as caught:
        count_order(state, 1, 1, LIMITS)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, -1015, None)
    count_order(state, 2, 10_000, LIMITS)
    with pytest.raises(Refusal, match="5 orders per 1 DAY"):
        count_order(state, 1, 20_000, LIMITS)
    assert order_headers(state, 10_000) == {"X-MBX-ORDER-COUNT-10S": "2", "X-MBX-ORDER-COUNT-1D": "5"}


def test_a_first_fill_gives_its_order_back() -> None:
    """Only unfilled orders count, and never below zero."""
    state = AccountState("anna", {})
    count_order(state, 3, 0, LIMITS)
    forgive_order(state, 1)
    count_order(state, 1, 2, LIMITS)
    for _ in range(5):
        forgive_order(state, 3)
    assert order_headers(state, 3) == {"X-MBX-ORDER-COUNT-10S": "0", "X-MBX-ORDER-COUNT-1D": "0"}
