"""What the monitor does about anomalies by itself: safe, reversible, limited, written down.

The monitor makes one `Remedies(engine, settings, hands)` and calls `turn(looked, now_ms)` at every turn; what comes
back is what is new, for notices. Nothing here ever allows more than a person had set: see docs/remedies.md.
"""

from huracan.health.remedies.acting import Remedies
from huracan.health.remedies.model import AUTHOR, Hands

__all__ = ["AUTHOR", "Hands", "Remedies"]
