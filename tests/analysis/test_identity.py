"""The identity of every trade holds in whole numbers, and nothing is taken on trust."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.identity import Grid, check_identity, grid_of, identity_of
from huracan.errors import InvariantError
from huracan.memory import TradeRows
from huracan.shadow import trade_rows
from huracan.shadow.run import shadow_block
from tests.analysis.worlds import Turns, shadow_world
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of


@pytest.fixture(scope="module", params=["taker", "maker", "quote"])
def traded(request: pytest.FixtureRequest) -> TradeRows:
    """Thousands of shadow trades on wild bars: taking, resting, with fees in coin and in quote."""
    given = {"maker": {"entry": "maker", "exit": "maker"}, "quote": {"fee_asset": "quote"}}.get(request.param, {})
    kernel = rules(**given)
    tapes = wild_world(kernel, coins=4, days=8)
    result = shadow_block(Turns(3, 0.3), tapes, window_of(tapes, 1, 6), kernel, LIMITS, name="ensemble", fold=0)
    return trade_rows(result, "coin", 7)


def test_the_error_is_zero_over_thousands_of_trades(traded: TradeRows) -> None:
    """Gross move - spread - slippage - fees = net, exactly; the stored float is the exact net to 1e-9."""
    found = check_identity(traded)
    print(f"{len(traded)} trades")
    assert len(traded) > 1_000
    assert set(found.error) == {0}
    assert np.abs(found.net - traded.net).max() <= 1e-9 * max(1.0, float(np.abs(traded.net).max()))
    assert not found.others.any()


@pytest.mark.parametrize(
    "column", ["fee_base_e8", "fee_quote_e8", "dust_in_e8", "dust_out_e8", "tick_steps_in", "tick_steps_out"]
)
def test_one_unit_anywhere_breaks_it(traded: TradeRows, column: str) -> None:
    """A single 1e-8 coin or quote, or a single tick x step, is found."""
    wrong = getattr(traded, column).copy()
    wrong[len(wrong) // 2] += 1
    with pytest.raises(InvariantError, match="do not trust this run"):
        check_identity(replace(traded, **{column: wrong}))


def test_a_known_trade() -> None:
    """Tick 0.01, step 0.001: 1,000 steps bought at 10,000 and sold at 10,100 with a fee of 0.002 coins and 0.05 quote.

    2 steps went as fee, so 998 were sold: 998 x 10,100 - 1,000 x 10,000 = 79,800 ticks x steps of 1e-5 are 0.798; less
    0.05 makes 0.748. Gross: 1,000 x 100 = 1.00, fees 0.202 + 0.05.
    """
    parts = identity_of(
        Grid(10**10, 10**5), (1_000, 998), (10_000_000, 10_079_800), (200_000, 5_000_000), (0, 0), 1_000, 500
    )
    assert parts.error == 0
    assert float(parts.net) == pytest.approx(0.748e8, abs=1e-6)
    assert float(parts.gross) == pytest.approx(1.015e8, abs=1e-6)  # with spread 0.01 and slippage 0.005 added back
    assert float(parts.fees) == pytest.approx(0.252e8, abs=1e-6)


def test_fees_in_a_third_asset_are_stated_not_hidden() -> None:
    """Live, a fee in another coin stands beside the integers; in shadow there can be none."""
    trades, _, _, _ = shadow_world(days=1)
    paid = replace(trades, mode=np.full(len(trades), "live"), fee=trades.fee - 0.25, net=trades.net - 0.25)
    assert check_identity(paid).others == pytest.approx(-0.25)
    with pytest.raises(InvariantError, match="the books are wrong"):
        check_identity(replace(paid, mode=trades.mode))


def test_the_grid_comes_from_the_trades() -> None:
    """Tick and step are those of the instrument; a price off the grid is refused."""
    trades, tapes, _, _ = shadow_world(days=1)
    for tape in tapes:
        rows = np.flatnonzero(trades.symbol == tape.symbol)
        grid = grid_of(trades, rows)
        assert grid.tick_e12 == tape.instrument.tick * 10**12
        assert grid.step_e8 == tape.instrument.step_units
    price = trades.entry_price.copy()
    price[3] *= 1.0001
    with pytest.raises(InvariantError, match="do not lie on the grid"):
        check_identity(replace(trades, entry_price=price))
