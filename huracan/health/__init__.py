"""Does it still do what it did when it was judged? Charts whose false alarms are counted before they are drawn.

`trading.watch` holds a version's closed trades against what its shadow claims; `monitor` looks at everything, turn by
turn. Parameters come from the days that may lie between two false alarms, not from a table of thresholds; each word
says since when, how sure, and how long such a change takes to be noticed.
"""
