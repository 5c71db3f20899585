"""Execution: what is ordered, what came of it, and the money: one lease holder, one ledger, one protocol."""
