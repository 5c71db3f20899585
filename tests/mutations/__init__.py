"""Defences of execution taken out one at a time: the test that notices, and the invariant that breaks without it.

`python -m tests.mutations` takes out each of them in a throw-away copy of the code; `--docs` rewrites docs/faults.md.
"""
