"""One local Ray instance for all tests of this folder."""

from collections.abc import Iterator

import pytest

from huracan.config import RaySettings
from huracan.learn.cluster import ray_session
from tests.objects import ObjectServer


@pytest.fixture(scope="package")
def local_ray(object_store: ObjectServer) -> Iterator[None]:
    """A loopback instance with four logical CPUs, whose workers may read the object store."""
    with ray_session(RaySettings(num_cpus=4, object_store_mb=100)):
        yield
