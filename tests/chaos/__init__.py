"""Chaos: real processes, real Postgres, real HTTP; killed, stopped, cut off, and brought back."""
