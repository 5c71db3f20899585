"""What `ray job submit` runs: finite, idempotent jobs."""
