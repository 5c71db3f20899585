"""The process that trades one account: candles in, decisions, risk, and the engine that carries them out.

`huracan.trader.wiring` builds a `Trader` from the configuration, `status` reads an account from the database alone,
and `kill_switch` cancels everything at the venue and proves it, whether or not a trader runs.
"""
