"""What is decided at a close, without Ray: closed bars and features in, states, decisions and HTTP answers out.

`serve/` runs these classes in actors and replicas, `huracan.trader` runs the same ones in one process: a decision does
not depend on where it was made.
"""
