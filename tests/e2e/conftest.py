"""One local Ray instance for all tests of this folder."""

from collections.abc import Iterator

import pytest

from huracan.config import RaySettings
from huracan.learn.cluster import ray_session


@pytest.fixture(scope="package")
def local_ray() -> Iterator[None]:
    """A loopback instance with four logical CPUs."""
    with ray_session(RaySettings(num_cpus=4, object_store_mb=100)):
        yield
