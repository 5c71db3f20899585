"""Features computed by workers are those of this process, wherever the candles lie; workers see no disk of ours."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from huracan.clock import MarketClock
from huracan.config import FeatureSettings, Settings, load_settings
from huracan.env import Dataset
from huracan.errors import DataError
from huracan.features import RawFeatures
from huracan.learn.blocks import compute_in_blocks, load_dataset
from huracan.market import CandleSet, CandleStore, SyntheticSpec, load_candles, write_synthetic
from huracan.storage import Location
from tests.features.test_blocks import NAMES
from tests.learn.worlds import NOW_MS
from tests.objects import ObjectServer

SPEC = SyntheticSpec(timeframe="5m", bars=4_000, planted=2, null=2)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four coins on this machine's disk."""
    folder = tmp_path_factory.mktemp("blocks") / "candles"
    write_synthetic(folder, SPEC, seed=5)
    return folder


def settings_of(folder: Location) -> Settings:
    """Return settings with two coins a block."""
    return load_settings(None, {"data.folder": folder, "shadow.coins_per_block": 2}, environ={})


def same(found: Mapping[str, RawFeatures], wanted: Mapping[str, RawFeatures]) -> None:
    """Compare every array to the last bit."""
    assert sorted(found) == sorted(wanted)
    for symbol, raw in wanted.items():
        assert found[symbol].context == raw.context
        for name in NAMES:
            assert getattr(found[symbol], name).tobytes() == getattr(raw, name).tobytes(), (symbol, name)


@pytest.mark.ray
def test_workers_compute_what_this_process_computes(local_ray: None, here: Path, tmp_path: Path) -> None:
    """The candles' files are gone before the first task starts: tasks take them from the object store."""
    folder = tmp_path / "candles"
    shutil.copytree(here, folder)

    def compute(found: CandleSet, settings: FeatureSettings, interval: int) -> Mapping[str, RawFeatures]:
        shutil.rmtree(folder)
        return compute_in_blocks(found, settings, interval, 2)

    found = Dataset.load(settings_of(folder), MarketClock(NOW_MS), compute)
    wanted = Dataset.load(settings_of(here), MarketClock(NOW_MS))
    same(found.raw, wanted.raw)
    assert found.summary.fingerprint == wanted.summary.fingerprint
    tapes = [dataset.fold_tapes(dataset.fit(0, NOW_MS, 1)) for dataset in (found, wanted)]
    for one, other in zip(*tapes, strict=True):
        assert one.features.tobytes() == other.features.tobytes()


@pytest.mark.ray
def test_candles_in_an_object_store_give_the_same(local_ray: None, here: Path, object_store: ObjectServer) -> None:
    """Workers read them by their URL; fingerprint, tapes and features are those of the files on disk."""
    there = object_store.bucket("blocks-same") / "candles"
    write_synthetic(there, SPEC, seed=5)
    found = load_dataset(settings_of(there), MarketClock(NOW_MS))
    wanted = Dataset.load(settings_of(here), MarketClock(NOW_MS))
    same(found.raw, wanted.raw)
    assert found.summary.fingerprint == wanted.summary.fingerprint
    assert found.summary.source == str(there)


@pytest.mark.ray
def test_candles_that_change_on_the_way_are_refused(local_ray: None, object_store: ObjectServer) -> None:
    """A download that replaces a file between the gate and the tasks is said in one line; nothing is mixed."""
    there = object_store.bucket("blocks-changed") / "candles"
    write_synthetic(there, SPEC, seed=5)
    settings = settings_of(there)
    found = load_candles(there, settings.data, settings.quality, NOW_MS)
    symbol = found.symbols[-1]
    path = CandleStore(there).path(symbol, "5m")
    flat = next(file for file in there.iterdir() if file.name == path.name)
    other = next(file for file in there.iterdir() if file.suffix == ".parquet" and file.name != path.name)
    flat.write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=f"{flat.stem}.*was changed while it was read; run again"):
        compute_in_blocks(found, settings.features, 3, 2)
