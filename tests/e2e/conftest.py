"""One local Ray instance for all tests of this folder, and the program with sound candles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.config import RaySettings
from huracan.learn.cluster import ray_session
from huracan.market import SyntheticSpec, write_synthetic
from tests.e2e.program import BARS, Program


@pytest.fixture(scope="package")
def local_ray() -> Iterator[None]:
    """A loopback instance with four logical CPUs."""
    with ray_session(RaySettings(num_cpus=4, object_store_mb=100)):
        yield


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two sound hourly histories."""
    folder = tmp_path_factory.mktemp("candles")
    write_synthetic(folder, SyntheticSpec(timeframe="1h", bars=BARS, planted=1, null=1), seed=7)
    return folder


@pytest.fixture
def program(
    candles: Path,
    tmp_path: Path,
    database: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    """The program, its home under `tmp_path`, its database the module's."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    monkeypatch.chdir(tmp_path)
    return Program(tmp_path, candles, capsys)
