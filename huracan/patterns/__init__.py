"""The memory block of the state: what became of the past trades most like this moment, as of this moment.

Pure: closed trades come in as columns, entries 52 to 61 of the state come out; batch and live run the same code.
"""

from huracan.patterns.identity import EMBEDDED, state_layout
from huracan.patterns.memory import MEMORY_SIZE, Ground, PatternMemory
from huracan.patterns.outcomes import Outcomes

__all__ = ["EMBEDDED", "MEMORY_SIZE", "Ground", "Outcomes", "PatternMemory", "state_layout"]
