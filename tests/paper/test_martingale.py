"""On prices that nobody can predict, resting orders never earn: no rule of matching hands out money."""

import numpy as np
import pytest

from tests.paper.world import World, market

BARS = 3_000


def walk(rng: np.random.Generator, ticks_per_bar: float) -> list[tuple[int, int, int, int, int]]:
    """Return bars of a random walk in whole ticks, each from sixty fair steps."""
    steps = np.rint(rng.normal(0.0, ticks_per_bar / np.sqrt(60), (BARS, 60))).astype(int)
    path = 1_000_000 + np.cumsum(steps.ravel())
    bars, before = [], 1_000_000
    for prices in path.reshape(BARS, 60):
        bars.append((before, max(before, int(prices.max())), min(before, int(prices.min())), int(prices[-1]), 10**7))
        before = int(prices[-1])
    return bars


def results(seed: int, ticks_per_bar: float) -> list[float]:
    """Return the profit, in ticks, of each round trip of a market maker without fees.

    It joins the bid, and sells again at the ask, each order for one bar; what it could not sell it sells as a taker.
    """
    rng = np.random.default_rng(seed)
    listed = market(walk(rng, ticks_per_bar), spread=2, fee_maker_ppm=0, fee_taker_ppm=0)
    here = World([listed], streams=(), seed=seed)
    won: list[float] = []
    bought = 0.0
    while not here.exchange.ended:
        close = here.exchange._core.last_close("AAAUSDT")
        if not bought:
            price = f"{(close - 1) / 100:.2f}"
            here.send(
                "POST", "/api/v3/order", symbol="AAAUSDT", side="BUY", type="LIMIT_MAKER", quantity="1", price=price
            )
        else:
            price = f"{(close + 1) / 100:.2f}"
            here.send(
                "POST", "/api/v3/order", symbol="AAAUSDT", side="SELL", type="LIMIT_MAKER", quantity="1", price=price
            )
        here.bar()
        here.clock.ms += 1_000
        here.send("DELETE", "/api/v3/openOrders", symbol="AAAUSDT")
        if bought and here.money("AAA")[0] > 0:
            here.order("SELL", "MARKET", quantity="1")
        trades = here.state().trades
        if bought and here.money("AAA")[0] == 0:
            won.append(trades[-1].price - bought)
            bought = 0.0
        elif not bought and here.money("AAA")[0] > 0:
            bought = float(trades[-1].price)
        here.exchange.drain()
    return won


@pytest.mark.parametrize("ticks_per_bar", [10.0, 100.0])
def test_making_a_market_on_a_martingale_loses(ticks_per_bar: float) -> None:
    """Mean profit of a round trip is not above zero by more than three standard errors; seed 11."""
    won = np.array(results(11, ticks_per_bar))
    assert len(won) > 400
    error = float(won.std(ddof=1) / np.sqrt(len(won)))
    print(f"seed 11, {ticks_per_bar} ticks a bar: {won.mean():.3f} +- {error:.3f} ticks over {len(won)} trips")
    assert won.mean() <= 3 * error
