"""A trade beside its candles: distances in ticks that agree with the ledger, and None where there are no candles."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.cases import Figure, Finding, cases_of, ranked, says, touch_probability
from huracan.analysis.paths import path_of
from tests.analysis.worlds import case, flat_path, ramp, shadow_world, with_closes


def test_a_case_has_the_money_of_its_trade() -> None:
    """Gross less cost times quantity is the stored net; the risk is the distance to the stop."""
    trades, tapes, kernel, _ = shadow_world(days=2)
    paths = {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}
    cases = cases_of(trades, paths, kernel)
    assert len(cases) == len(trades) > 100
    for row, found in enumerate(cases):
        assert found is not None
        assert found.net * found.path.tick * trades.quantity[row] == pytest.approx(trades.net[row], abs=1e-9)
        assert found.risk == pytest.approx(trades.risk_frac[row] * found.entry)
        assert found.target == pytest.approx(found.risk * kernel.target_sigmas / kernel.stop_sigmas)
        assert not found.rested
        assert found.path.number[found.decided] < found.path.number[found.first]


def test_trades_without_candles_have_no_case() -> None:
    """A symbol that is not there, and bars that are not there."""
    trades, tapes, kernel, _ = shadow_world(days=2)
    paths = {tapes[0].symbol: path_of(tapes[0], kernel.base_ms)}
    cases = cases_of(trades, paths, kernel)
    assert [found is None for found in cases] == (trades.symbol != tapes[0].symbol).tolist()
    moved = replace(trades, exit_time=trades.exit_time + 86_400_000 * 365)
    assert set(cases_of(moved, paths, kernel)) == {None}


def test_moves_run_from_fill_to_fill() -> None:
    """They add up to the whole move; the first begins at the price paid, the last ends at the price received."""
    path = with_closes(flat_path(), ramp((200, 10_000), (210, 10_100)))
    found = case(path, last=210, entry=10_003.0, leave=10_077.0)
    moves, sizes = found.moves()
    assert len(moves) == 11
    assert moves.sum() == pytest.approx(74.0)
    assert sizes[3] == pytest.approx(np.log(10_030 / 10_020) / 0.001)
    assert found.best == 10_091 - 10_003.0  # bars 200 to 209 closed with the position open


def test_touching_is_twice_ending_beyond() -> None:
    """The reflection principle: 2 Phi(-1) at one deviation, 1 at none."""
    assert touch_probability(0.01, 0.001, 100) == pytest.approx(0.3173, abs=1e-4)
    assert touch_probability(-0.02, 0.001, 100) == pytest.approx(0.0455, abs=1e-4)
    assert touch_probability(0.0, 0.001, 100) == 1.0


def test_findings_are_ranked_and_what_was_not_found_is_left_out() -> None:
    """Strongest first; untested and unfound rules are no findings; strengths lie in [0, 1]."""
    said = {
        "a": says(True, None, 0.5, Figure("x", 1.0)),
        "b": None,
        "c": says(False, True, 0.9),
        "d": says(True, None, 7.0),
    }
    assert [(found.name, found.strength) for found in ranked(said)] == [("d", 1.0), ("a", 0.5)]
    assert said["c"] is not None
    assert said["c"].strength == 0.0
    found = Finding("a", 1 / 3, (Figure("x", 2 / 3, 0.5), Figure("y", 1e-9), Figure("z", 12.0, 7.0)))
    assert found.to_json() == ["a", 0.333, {"x": [0.667, 0.5], "y": 1e-9, "z": [12, 7]}]
