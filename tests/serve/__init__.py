"""Tests of what stays up; Ray reads its authentication once, at import, and the modules here import it."""

from huracan.ray_env import prepare_ray_environment

prepare_ray_environment()
