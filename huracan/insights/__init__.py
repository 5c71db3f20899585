"""What the memory of closed trades says when it is asked: patterns with their results, and tables by what one asks for.

Numbers come with their intervals, and nothing is called good or bad that chance explains. `find_patterns` makes a run's
library (`huracan.memory.patterns` stores it).
"""

from huracan.insights.evidence import CLAIM_RATE, judge, shrunk_rate, wilson
from huracan.insights.library import Library, find_patterns

__all__ = ["CLAIM_RATE", "Library", "find_patterns", "judge", "shrunk_rate", "wilson"]
