"""What the memory of closed trades says when it is asked: patterns with their results, and tables by what one asks for.

Numbers come with their intervals, and nothing is called good or bad that chance explains. `ask` answers a question;
`learn_patterns` finds and stores pattern libraries, `learn_owner` one of them; `find_patterns` makes one of given
trades.
"""

from huracan.insights.ask import Learnt, ask, learn_owner, learn_patterns
from huracan.insights.evidence import CLAIM_RATE, judge, shrunk_rate, wilson
from huracan.insights.library import Library, find_patterns
from huracan.insights.model import AfterExit, FindingRow, Insights, Section, Setup, Slice

__all__ = [
    "CLAIM_RATE",
    "AfterExit",
    "FindingRow",
    "Insights",
    "Learnt",
    "Library",
    "Section",
    "Setup",
    "Slice",
    "ask",
    "find_patterns",
    "judge",
    "learn_owner",
    "learn_patterns",
    "shrunk_rate",
    "wilson",
]
