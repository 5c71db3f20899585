"""The catalogue describes the state that is computed, its hashes follow the code, and the docs show it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.features import CATALOGUE, LAYOUT, FeatureFit, apply_fit, catalogue_markdown, compute_raw, windows_for
from huracan.features import catalogue as module
from tests.features.markets import LEADER, SMALL, START_MS, K, books, universe

DOCS = Path(__file__).parents[2] / "docs" / "features.md"


def test_eighty_entries_in_the_order_of_the_layout() -> None:
    """Index, name and block of each entry are the layout's."""
    assert [(s.index, s.name) for s in CATALOGUE] == list(enumerate(LAYOUT))
    blocks = [s.block for s in CATALOGUE]
    assert blocks == ["market"] * 52 + ["memory"] * 10 + ["position"] * 10 + ["risk"] * 8


def test_entries_a_mask_reads_are_never_scaled_or_cut() -> None:
    """62, 63, 70-75 and 79 reach the network as the mask reads them."""
    for i in (62, 63, *range(70, 76), 79):
        assert CATALOGUE[i].scaling == "identity"
        assert CATALOGUE[i].clip is None


def test_docs_show_the_catalogue() -> None:
    """docs/features.md holds exactly the table that the catalogue writes."""
    text = DOCS.read_text(encoding="utf-8")
    start = text.index("| # | name |")
    assert text[start : start + len(catalogue_markdown())] == catalogue_markdown()


def test_bounds_hold_on_every_row() -> None:
    """No finished entry leaves the bounds its catalogue entry states."""
    candles = universe()
    raw = compute_raw(candles, SMALL, K, LEADER, books(candles))
    fit = FeatureFit.fit(raw, START_MS, START_MS + 500 * 60_000, seed=1)
    rows = np.concatenate([apply_fit(fit, r) for r in raw.values()])
    stated = 0
    for spec in CATALOGUE[:52]:
        if not spec.bounds:
            continue
        low, high = spec.bounds.strip("[]()").split(", ")
        assert rows[:, spec.index].min() >= float(low), spec.name
        assert rows[:, spec.index].max() <= float(high), spec.name
        stated += 1
    assert stated > 35


def test_hashes_are_distinct_and_follow_formula_and_windows() -> None:
    """Two entries never share a hash; another formula or window length gives another one."""
    w = windows_for("1m")
    hashes = [module.formula_hash(spec, w) for spec in CATALOGUE]
    assert len(set(hashes)) == 80
    spec = CATALOGUE[16]
    assert module.formula_hash(replace(spec, formula=spec.formula + " "), w) != hashes[16]
    assert module.formula_hash(spec, replace(w, er_short=61)) != hashes[16]
    assert module.formula_hash(spec, replace(w, beta=2881)) == hashes[16]


def test_hashes_follow_the_code_and_not_its_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed number in a machine, or in what it imports, changes its entries' hashes; a comment does not."""
    copy = tmp_path / "features"
    for source in module.ROOM.rglob("*.py"):
        target = copy / source.relative_to(module.ROOM)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(module, "ROOM", copy)

    def hashes(path: str, old: str, new: str) -> set[int]:
        w = windows_for("1m")
        module._code.cache_clear(), module._sources.cache_clear()
        before = [module.formula_hash(s, w) for s in CATALOGUE]
        text = (copy / path).read_text()
        assert old in text
        (copy / path).write_text(text.replace(old, new))
        module._code.cache_clear(), module._sources.cache_clear()
        after = [module.formula_hash(s, w) for s in CATALOGUE]
        (copy / path).write_text(text)
        return {i for i in range(80) if before[i] != after[i]}

    try:
        edge = {s.index for s in CATALOGUE if s.machine == "machines/clocks.py"}
        assert hashes("edge.py", "-4.0 / po", "-4.5 / po") == edge
        assert hashes("machines/volatility.py", "CUSUM_SLACK = 0.5", "CUSUM_SLACK = 0.6") >= {8, 9, 11, 14, 27}
        assert hashes("machines/primitives.py", "SIGMA_MIN = 1e-6", "SIGMA_MIN = 2e-6") >= set(range(6))
        assert hashes("edge.py", "import math", "import math  # a remark") == set()
    finally:
        module._code.cache_clear(), module._sources.cache_clear()


def test_the_neighbours_hashes_follow_the_code_of_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed constant of the statistics changes entries 52 to 60, and neither the market's nor the tree model's."""
    w, copy = windows_for("1m"), tmp_path / "patterns"
    before = [module.formula_hash(spec, w) for spec in CATALOGUE]
    shutil.copytree(module.PATTERNS, copy)
    text = (copy / "statistics.py").read_text()
    assert "PRIOR_TRADES: Final = 10.0" in text
    (copy / "statistics.py").write_text(text.replace("PRIOR_TRADES: Final = 10.0", "PRIOR_TRADES: Final = 11.0"))
    monkeypatch.setattr(module, "PATTERNS", copy)
    module._neighbours_code.cache_clear()
    try:
        after = [module.formula_hash(spec, w) for spec in CATALOGUE]
    finally:
        module._neighbours_code.cache_clear()
    assert [i for i in range(80) if before[i] != after[i]] == list(range(52, 61))
