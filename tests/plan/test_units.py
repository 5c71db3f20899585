"""Unit costs: the packaged file is whole, every figure says unit, machine and day, and a damaged file is refused."""

from pathlib import Path

import pytest
import yaml

from huracan.errors import ConfigError
from huracan.plan.units import UNITS, dump_units, packaged_units, read_units
from tests.plan.costs import costs


def test_every_packaged_figure_says_its_unit_its_machine_and_its_day() -> None:
    """Nothing in the file is without a measurement behind it."""
    found = packaged_units()
    assert set(found.costs) == set(UNITS)
    for name, cost in found.costs.items():
        assert cost.value > 0, name
        assert cost.machine.strip(), name
        assert cost.note.strip(), name
        assert cost.date.year >= 2025, name
    assert "cores" in found.measured


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Four digits of every figure survive."""
    path = tmp_path / "units.yaml"
    path.write_text(dump_units(costs(load_bar=1.23456e-7).costs), encoding="utf-8")
    found = read_units(path)
    assert found["load_bar"] == 1.235e-7
    assert found.source == str(path)
    assert found.measured == "abacus, 2026-01-02"


def test_a_figure_left_out_is_not_written() -> None:
    """A measurement that failed leaves no file that looks whole."""
    known = dict(costs().costs)
    del known["forward"]
    with pytest.raises(ConfigError, match=r"missing \['forward'\]"):
        dump_units(known)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), 1e7, "fast", True, None])
def test_a_figure_that_cannot_be_is_refused(tmp_path: Path, value: object) -> None:
    """No plan is made of a cost of nothing, of an infinite one, or of a word."""
    _refused(tmp_path, "load_bar", {"value": value}, "load_bar is")


@pytest.mark.parametrize("change", [{"unit": "min"}, {"machine": "  "}, {"date": "yesterday"}, {"extra": 1}])
def test_a_figure_that_does_not_say_what_it_is_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Another unit, no machine, no day."""
    _refused(tmp_path, "load_bar", change, "load_bar")


def test_other_files_are_refused(tmp_path: Path) -> None:
    """One line each: no file, no YAML, another version, unknown names."""
    path = tmp_path / "units.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_units(path)
    for text, words in (("a: [", "no YAML"), ("version: 2\nunits: {}", "version 1"), ("[]", "version 1")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            read_units(path)
    document = yaml.safe_load(dump_units(costs().costs))
    document["units"]["luck"] = document["units"]["forward"]
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"unknown \['luck'\]"):
        read_units(path)


def test_the_page_lists_every_unit_cost() -> None:
    """The table of docs/plan.md is that of the code."""
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")
    for name, unit in UNITS.items():
        assert f"| `{name}` | {unit.unit} | {unit.what} |" in page


def _refused(folder: Path, name: str, change: dict[str, object], words: str) -> None:
    document = yaml.safe_load(dump_units(costs().costs))
    document["units"][name] |= change
    path = folder / "units.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_units(path)
