"""What stays up on a Ray cluster: feed, signals over HTTP, execution; shells over `huracan.signals` and `trader`."""

import sys

from huracan.ray_env import prepare_ray_environment

if "ray" not in sys.modules:  # it reads its environment once, when it is imported; whoever did so first has decided
    prepare_ray_environment()
