"""What the exchange is told."""

from decimal import Decimal

from huracan.paper import PaperAccount, PaperSettings, RateLimits


def test_a_secret_is_not_printed() -> None:
    """Logs and tracebacks show the account without it."""
    account = PaperAccount("anna", "key", "hunter2", {"USDT": Decimal(1)})
    assert "hunter2" not in repr(account)


def test_defaults_are_the_kernels_and_binances() -> None:
    """A tenth of the volume, a tenth of the range; 6,000 weight a minute, 100 orders in 10 seconds."""
    settings = PaperSettings(start_ms=0)
    assert (settings.share_num, settings.share_den, settings.stop_slip_range_frac) == (1, 10, 0.1)
    assert (settings.limits.weight_1m, settings.limits.orders_10s) == (6_000, 100)
    assert RateLimits().ban_s == 120
    assert not settings.lockstep
