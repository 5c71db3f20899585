"""Alembic's migrations: one module a schema version, applied in order under an advisory lock."""
