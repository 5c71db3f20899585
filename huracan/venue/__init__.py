"""The only door to exchanges (through ccxt): public candles, orders of an account, and the shared weight budget.

Records of orders and balances are in `orders`, and whoever needs only these loads no client: `binance` is an account's
connection, `public` the candles', `history` downloads, `check` says what every venue must do.
"""
