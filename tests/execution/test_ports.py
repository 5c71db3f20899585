"""The engine's settings: defaults that hold together."""

from huracan.execution.ports import EngineSettings


def test_defaults_hold_together() -> None:
    """A lease outlives several turns of the watch; orders are asked for more often than anything else."""
    plain = EngineSettings()
    assert plain.lease_ttl_s > 3 * plain.watch_s
    assert plain.watch_s <= plain.orders_s <= plain.trades_s
    resolver = plain.resolver
    assert plain.start_s * 1_000 > 2 * (resolver.recv_window_ms + resolver.settle_ms)
