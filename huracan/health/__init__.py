"""Does it still do what it did when it was judged? Charts whose false alarms are counted before they are drawn.

`watch` holds a version's closed trades against what its shadow claims. Parameters come from the days that may lie
between two false alarms, not from a table of thresholds; each word says since when, how sure, and how long such a
change takes to be noticed. Nothing here acts.
"""

from huracan.health.stored import VersionWatch, read_watches
from huracan.health.trading import Charts, Claim, Reading, Watch, charts_of, claim_of, watch

__all__ = ["Charts", "Claim", "Reading", "VersionWatch", "Watch", "charts_of", "claim_of", "read_watches", "watch"]
