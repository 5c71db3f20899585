"""Names by which the parts that stay up find each other on a Ray cluster."""

from typing import Final

__all__ = ["APPLICATION", "DEPLOYMENT", "EXECUTION", "FEED", "MONITOR", "NAMESPACE"]

NAMESPACE: Final = "huracan"
"""Without one every driver would be alone with its own anonymous one."""
FEED: Final = "huracan-feed"
EXECUTION: Final = "huracan-execution"
MONITOR: Final = "huracan-monitor"
APPLICATION: Final = "signals"
DEPLOYMENT: Final = "Signals"
