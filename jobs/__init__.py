"""What `ray job submit` runs: finite, idempotent jobs."""

from huracan.ray_env import prepare_ray_environment

prepare_ray_environment()  # Ray reads its authentication mode when it is imported, and jobs import it
