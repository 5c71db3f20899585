"""The memory block of the state: what became of the past trades most like this moment, as of this moment.

Closed trades come in as columns, entries 52 to 61 of the state come out; batch and live run the same code. Only
`recall` knows a database.
"""

from huracan.patterns.identity import EMBEDDED, state_layout
from huracan.patterns.memory import MEMORY_SIZE, PatternMemory, WindowRows
from huracan.patterns.outcomes import Outcomes
from huracan.patterns.recall import Recalled, outcomes_of_rows, recall

__all__ = [
    "EMBEDDED",
    "MEMORY_SIZE",
    "Outcomes",
    "PatternMemory",
    "Recalled",
    "WindowRows",
    "outcomes_of_rows",
    "recall",
    "state_layout",
]
