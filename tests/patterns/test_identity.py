"""Similarity is judged by entries that mean the same in every window, and their meaning has one number."""

from dataclasses import replace

import pytest

from huracan.features import LAYOUT, MARKET_SIZE, catalogue, windows_for
from huracan.patterns import EMBEDDED, identity, state_layout


def test_no_embedded_entry_is_computed_with_a_fitted_constant() -> None:
    """Profiles (11, 28, 29), quantiles (15, 41), the regime model (25, 26) and the flag 37 stay out; the rest is in."""
    left_out = set(range(MARKET_SIZE)) - set(EMBEDDED.tolist())
    assert left_out == {11, 15, 25, 26, 28, 29, 37, 41}
    assert {LAYOUT[index] for index in left_out} >= {"hmm_trend", "tod_vol", "vpin", "available"}


def test_the_layout_follows_windows_timeframe_and_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same twice, and another one for other windows, another base timeframe or another formula."""
    minute = windows_for("1m")
    known = state_layout(minute)
    assert state_layout(windows_for("1m")) == known != 0
    assert -(2**63) <= known < 2**63
    others = [
        state_layout(replace(minute, er_short=61)),
        state_layout(windows_for("1h")),
        state_layout(windows_for("1d")),
    ]
    specs = list(catalogue.CATALOGUE)
    specs[16] = replace(specs[16], formula="another")
    monkeypatch.setattr(identity, "CATALOGUE", tuple(specs))
    others.append(state_layout(minute))
    assert len({known, *others}) == 5
