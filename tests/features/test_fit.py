"""The fold's fit: profiles, quantiles and scalers of the training window, exact in JSON, checked when read."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError, InvariantError
from huracan.features import CATALOGUE, FeatureFit, RawFeatures, apply_fit, compute_raw
from huracan.features.finish import hour_of_week
from tests.features.markets import LEADER, SMALL, START_MS, K, books, universe

END_MS = START_MS + 700 * 60_000


@pytest.fixture(scope="module")
def raw() -> dict[str, RawFeatures]:
    """Return the raw features of the synthetic universe, book included."""
    candles = universe()
    return compute_raw(candles, SMALL, K, LEADER, books(candles))


@pytest.fixture(scope="module")
def fit(raw: dict[str, RawFeatures]) -> FeatureFit:
    """Return a fit on the first 700 minutes."""
    return FeatureFit.fit(raw, START_MS, END_MS, seed=5)


def train_rows(fit: FeatureFit, raw: dict[str, RawFeatures], needs: str | None = None) -> np.ndarray:
    """Return the finished warm rows inside the window, only those that have an input if one is named."""
    parts = []
    for r in raw.values():
        inside = (r.row_close_ms > START_MS) & (r.row_close_ms <= END_MS) & r.ready[r.rows]
        if needs:
            inside &= r.available[:, ("trades", "taker", "book", "leader").index(needs)]
        parts.append(apply_fit(fit, r)[inside])
    return np.concatenate(parts)


def test_json_keeps_every_bit(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """A fit read back is the same text, the same hash and gives the same state bytes."""
    again = FeatureFit.from_json(fit.to_json())
    assert again.to_json() == fit.to_json()
    assert again.sha256 == fit.sha256
    for r in raw.values():
        assert apply_fit(again, r).tobytes() == apply_fit(fit, r).tobytes()
    assert again.scaler.scale.tobytes() == fit.scaler.scale.tobytes()


def test_robust_entries_come_out_centred_with_unit_spread(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """On training rows robust entries have median 0 and IQR 1.349 after scaling; identity entries are untouched."""
    assert set(fit.inputs) == {"trades", "taker", "book", "leader"}
    checked = 0
    for spec in CATALOGUE[:52]:
        optional = [name for name in ("trades", "book", "leader") if name in spec.inputs]
        x = train_rows(fit, raw, optional[0] if optional else None)[:, spec.index]
        center, scale = fit.scaler.center[spec.index], fit.scaler.scale[spec.index]
        if spec.scaling == "identity":
            assert (center, scale, fit.scaler.clip[spec.index]) == (0.0, 1.0, math.inf)
            continue
        low, middle, high = np.quantile((x - center) / scale, (0.25, 0.5, 0.75))
        if high > low:
            assert middle == pytest.approx(0.0, abs=1e-5)
            assert high - low == pytest.approx(1.349, rel=1e-3)
            checked += 1
        assert fit.scaler.clip[spec.index] == 5.0
    assert checked >= 15
    assert not fit.scaler.center[52:].any()
    assert (fit.scaler.scale[52:] == 1.0).all()


def test_profiles_are_medians_by_hour_of_week(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """The profile of an hour seen often is the median of the training rows that fell into it."""
    values, hours = [], []
    for r in raw.values():
        inside = (r.row_close_ms > START_MS) & (r.row_close_ms <= END_MS) & r.ready[r.rows]
        values.append(r.values[inside, 28])
        hours += [hour_of_week(int(c)) for c in r.row_close_ms[inside]]
    x, at = np.concatenate(values), np.array(hours)
    often = [h for h in set(hours) if (at == h).sum() >= 8]
    assert len(often) > 5
    for h in often:
        assert fit.profiles[1, h] == np.median(x[at == h])
    assert fit.profiles[1, 0 if 0 not in hours else 100] == np.median(x)


def test_quantile_entries_are_uniform_on_the_training_window(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """Entry 15 is spread evenly over [0, 1] in training, as a quantile must be."""
    x = train_rows(fit, raw)[:, 15]
    assert np.quantile(x, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_inputs_that_training_lacked_are_forced_to_zero() -> None:
    """A fit on bare candles gives the same states whether or not serving brings trades, taker volume and a book."""
    candles = universe()
    bare = {
        s: replace(c, trades=None, taker_buy_volume=None, quote_volume=None) if s != "FET/USDT" else c
        for s, c in candles.items()
    }
    fit = FeatureFit.fit(compute_raw(bare, SMALL, K, LEADER), START_MS, END_MS, seed=5)
    assert fit.inputs == ("leader",)
    rich = compute_raw(candles, SMALL, K, LEADER, books(candles))["ADA/USDT"]
    state = apply_fit(fit, rich)
    assert rich.values[rich.ready[rich.rows]][:, [29, 33, 34, 35, 41]].any(axis=0).all()
    assert not state[:, [29, 32, 33, 34, 35, 37, 38, 39, 40, 41]].any()


def test_availability_is_the_share_of_inputs_that_are_there(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """Entry 37 counts trades, taker volume and book in thirds."""
    ada = raw["ADA/USDT"]
    state = apply_fit(fit, ada)
    assert (state[:, 37] == (ada.available[:, :3].sum(axis=1) / 3).astype(np.float32)).all()
    assert not apply_fit(fit, raw["FET/USDT"])[:, 37].any()


def test_fit_is_reproducible_and_the_seed_counts_for_the_regime_only(
    fit: FeatureFit, raw: dict[str, RawFeatures]
) -> None:
    """The same window and seed give the same hash; another seed leaves profiles, quantiles and scalers alone."""
    assert FeatureFit.fit(raw, START_MS, END_MS, seed=5).sha256 == fit.sha256
    other = FeatureFit.fit(raw, START_MS, END_MS, seed=6)
    assert other.sha256 != fit.sha256
    assert other.scaler.center.tobytes() == fit.scaler.center.tobytes()
    assert other.grids.tobytes() == fit.grids.tobytes()


def test_a_sample_of_the_rows_is_enough(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """A fit on every third row has nearly the same centres."""
    few = FeatureFit.fit(raw, START_MS, END_MS, seed=5, sample_max=150)
    gap = np.abs(few.scaler.center - fit.scaler.center) / fit.scaler.scale
    assert 0 < gap.max() < 0.5


def test_what_does_not_fit_is_refused(fit: FeatureFit, raw: dict[str, RawFeatures]) -> None:
    """A window without history, mixed contexts, damaged text and foreign formulas are refused by name."""
    with pytest.raises(DataError, match="warm decision rows"):
        FeatureFit.fit(raw, START_MS, START_MS + 60_000 * 80, seed=1)
    other = compute_raw(universe(), SMALL, K + 1, LEADER)
    with pytest.raises(InvariantError, match="contexts"):
        FeatureFit.fit({**raw, LEADER: other[LEADER]}, START_MS, END_MS, seed=1)
    with pytest.raises(ArtefactError, match="decision interval"):
        apply_fit(fit, other[LEADER])
    tree = json.loads(fit.to_json())
    for bad in ("", "[]", "{}", json.dumps({**tree, "grids": [[1.0]]}), json.dumps({**tree, "windows": {}})):
        with pytest.raises(ArtefactError, match="cannot be read"):
            FeatureFit.from_json(bad)
    with pytest.raises(ArtefactError, match="other feature formulas"):
        FeatureFit.from_json(json.dumps({**tree, "formulas": "0" * 64}))
