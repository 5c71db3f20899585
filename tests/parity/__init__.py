"""The kernel against an order-level Decimal venue and a message-driven actor that share no code with it."""
