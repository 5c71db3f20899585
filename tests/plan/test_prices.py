"""Prices: the packaged file says when and from where, and a file of the user's own is checked line by line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from huracan.errors import ConfigError
from huracan.plan.prices import Prices, packaged_prices, read_prices

ROW = {"provider": "own", "type": "box", "vcpus": 4, "memory_gib": 16, "on_demand": 1.0, "spot": 0.5}
FILE = {"version": 1, "currency": "EUR", "date": "2026-01-02", "source": "an offer", "machines": [ROW]}


def written(folder: Path, **changed: Any) -> Path:
    """Return a file of prices with some parts changed."""
    document = {name: value for name, value in {**FILE, **changed}.items() if value is not None}
    path = folder / "prices.yaml"
    path.write_text(yaml.safe_dump(document).replace("'2026-01-02'", "2026-01-02"), encoding="utf-8")
    return path


def test_the_packaged_prices_have_a_date_a_source_and_three_clouds() -> None:
    """Spot is never dearer than on demand; every price is of a region; the types of cluster/ray-up are among them."""
    found: Prices = packaged_prices()
    assert found.currency == "USD"
    assert len(found.source) > 40
    assert {machine.provider for machine in found.machines} == {"aws", "gcp", "azure"}
    for machine in found.machines:
        assert machine.spot is not None
        assert 0 < machine.spot < machine.on_demand
        assert machine.region
    types = {machine.type for machine in found.machines}
    assert {
        "m7i.xlarge",
        "c7i.4xlarge",
        "n2-standard-4",
        "n2-highcpu-16",
        "Standard_D4s_v5",
        "Standard_F16s_v2",
    } <= types


def test_ones_own_prices_are_read(tmp_path: Path) -> None:
    """Any provider, any currency; spot may be left out."""
    bare = {name: value for name, value in ROW.items() if name != "spot"} | {"type": "bare"}
    found = read_prices(written(tmp_path, machines=[ROW, bare]))
    assert (found.currency, str(found.date)) == ("EUR", "2026-01-02")
    assert [machine.spot for machine in found.machines] == [0.5, None]
    assert [machine.region for machine in found.machines] == ["", ""]
    placed = read_prices(written(tmp_path, regions={"own": "cellar"}))
    assert [machine.region for machine in placed.machines] == ["cellar"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 1"),
        ({"currency": " "}, "a currency"),
        ({"date": "soon"}, "a date"),
        ({"source": None}, "exactly"),
        ({"machines": []}, "at least one machine"),
        ({"regions": ["cellar"]}, "region of each provider"),
        ({"regions": {"own": 7}}, "region of each provider"),
        ({"regions": {"other": "cellar"}}, "no machine of it"),
        ({"machines": [ROW, ROW]}, "twice"),
        ({"machines": [ROW | {"vcpus": 0}]}, "machine 1 has vcpus 0"),
        ({"machines": [ROW | {"vcpus": 2.5}]}, "whole number"),
        ({"machines": [ROW | {"on_demand": -1}]}, "machine 1 has on_demand -1"),
        ({"machines": [ROW | {"on_demand": float("nan")}]}, "machine 1 has on_demand nan"),
        ({"machines": [ROW | {"memory_gib": "64G"}]}, "machine 1 has memory_gib '64G'"),
        ({"machines": [ROW | {"gpu": 1}]}, "machine 1 needs"),
        ({"machines": ["box"]}, "machine 1 needs"),
        ({"machines": [ROW | {"provider": 7}]}, "the names of its provider"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """One line that names the machine and the entry."""
    with pytest.raises(ConfigError, match=words):
        read_prices(written(tmp_path, **change))


def test_no_file_and_no_yaml_are_refused(tmp_path: Path) -> None:
    """With the option's name."""
    with pytest.raises(ConfigError, match="--prices"):
        read_prices(tmp_path / "nowhere.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="no YAML"):
        read_prices(path)
