"""Closed trades in units of risk: ordered, one a market and bar, of one layout, and known only when they are."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError, InvariantError
from huracan.patterns import Outcomes
from tests.patterns.worlds import BASE_MS, LAYOUT, START_MS, outcomes_of, random_outcomes, states


def given(count: int, **changed: Any) -> dict[str, Any]:
    """Return the arguments of `Outcomes.of` for some trades."""
    exit_ms = START_MS + np.arange(count) * 10 * BASE_MS
    whole = {
        "layout": LAYOUT,
        "base_ms": BASE_MS,
        "layouts": np.full(count, LAYOUT),
        "symbol": np.array(["A/USDT"] * count),
        "entry_ms": exit_ms - 5 * BASE_MS,
        "exit_ms": exit_ms,
        "net_frac": np.full(count, 0.01),
        "mfe_frac": np.full(count, 0.03),
        "mae_frac": np.full(count, -0.01),
        "risk_frac": np.full(count, 0.02),
        "market": states(count, 1),
    }
    return whole | changed


def test_results_are_measured_by_the_initial_risk() -> None:
    """1 % won on 2 % at stake is half an R; so are the excursions."""
    found = Outcomes.of(**given(2))
    assert found.result.tolist() == [0.5, 0.5]
    assert found.best.tolist() == [1.5, 1.5]
    assert found.worst.tolist() == [-0.5, -0.5]


def test_any_order_gives_the_same_memory() -> None:
    """Rows are sorted by exit, symbol and entry, whatever order they came in."""
    whole = random_outcomes(200, 3)
    order = np.random.default_rng(1).permutation(200)
    columns = {name: value[order] for name, value in given(200).items() if isinstance(value, np.ndarray)}
    columns |= {"symbol": whole.symbol[order], "entry_ms": whole.entry_ms[order], "exit_ms": whole.exit_ms[order]}
    columns |= {"net_frac": whole.result[order] * 0.02, "market": whole.market[order]}
    found = Outcomes.of(layout=LAYOUT, base_ms=BASE_MS, **columns)
    assert np.array_equal(found.exit_ms, whole.exit_ms)
    assert np.array_equal(found.symbol, whole.symbol)
    assert np.array_equal(found.market, whole.market)
    assert np.allclose(found.result, whole.result)


def test_of_two_trades_of_one_market_and_bar_the_last_given_counts() -> None:
    """A run that trades the same window again replaces what an earlier one remembered."""
    twice = given(2, entry_ms=np.full(2, START_MS), net_frac=np.array([0.02, -0.02]))
    found = Outcomes.of(**twice)
    assert found.result.tolist() == [-1.0]


def test_a_trade_is_known_one_bar_after_its_last_bar_closed() -> None:
    """`until` cuts there, and a cut memory is what it was at that time."""
    whole = random_outcomes(300, 4)
    assert np.array_equal(whole.known_ms, whole.exit_ms + 2 * BASE_MS)
    cut = int(whole.known_ms[150])
    part = whole.until(cut)
    assert part.known_ms.max() == cut
    assert len(part) == int((whole.known_ms <= cut).sum())
    assert len(whole.until(cut - 1)) < len(part)


def test_joined_memories_are_one() -> None:
    """A part and the rest give the whole; another layout is refused."""
    whole = random_outcomes(300, 4)
    part = whole.until(int(whole.known_ms[150]))
    again = part.joined([whole])
    assert len(again) == len(whole)
    assert np.array_equal(again.market, whole.market)
    with pytest.raises(DataError, match="different feature layouts"):
        part.joined([replace(whole, layout=1)])


def test_trades_travel_as_bytes() -> None:
    """They read back as they were, none of them too; damaged bytes are refused."""
    for whole in (random_outcomes(300, 4), Outcomes.none(LAYOUT, BASE_MS)):
        again = Outcomes.from_bytes(whole.to_bytes())
        assert again.to_bytes() == whole.to_bytes()
        assert len(again) == len(whole)
        assert np.array_equal(again.symbol, whole.symbol)
        assert np.array_equal(again.market, whole.market)
    with pytest.raises(ArtefactError, match="no memory of trades"):
        Outcomes.from_bytes(random_outcomes(300, 4).to_bytes()[:-8])


def test_trades_of_another_layout_are_refused() -> None:
    """The line says how many there are, and what to do."""
    with pytest.raises(DataError, match=r"2 of 4 trades were entered on states of another feature layout"):
        Outcomes.of(**given(4, layouts=np.array([LAYOUT, 1, 2, LAYOUT])))


def test_trades_without_a_risk_are_refused() -> None:
    """A zero, as rows of an older version have it, is no measure; nor is what is no number."""
    with pytest.raises(DataError, match="2 of 3 trades have no initial risk"):
        Outcomes.of(**given(3, risk_frac=np.array([0.01, 0.0, np.nan])))


def test_rows_out_of_order_or_not_finite_are_a_defect() -> None:
    """Whoever builds the columns by hand answers for them."""
    whole = outcomes_of(states(3, 1), START_MS + np.arange(3) * BASE_MS, np.zeros(3))
    with pytest.raises(InvariantError, match="order"):
        replace(whole, exit_ms=whole.exit_ms[::-1])
    with pytest.raises(InvariantError, match="result"):
        replace(whole, result=np.array([0.0, np.inf, 0.0]))
    assert len(Outcomes.none(LAYOUT, BASE_MS)) == 0
