"""Look-ups over settings, markets and state."""

import pytest

from huracan.paper import Faults, Latency
from huracan.paper.errors import Refusal
from huracan.paper.state import Phase
from tests.paper.world import BASE_MS, FLAT, START_MS, World, market

RISE = (10_100, 10_200, 10_050, 10_150, 1_000_000)


def test_bars_before_the_start_are_history() -> None:
    """The first window is that of the first bar that opens at or after the start."""
    here = World([market([FLAT, FLAT, RISE, FLAT])], start_ms=START_MS + 90_000)
    core = here.exchange._core
    assert core.state.markets["AAAUSDT"].row == 2
    assert core.last_close("AAAUSDT") == 10_000
    assert core.last("AAAUSDT", "anna") == 10_100
    assert core.time_ms("AAAUSDT") == START_MS + 2 * BASE_MS


def test_the_last_trade_after_the_end_is_the_close() -> None:
    """The final book is that of the last close."""
    here = World([market([FLAT, RISE])])
    here.bar()
    core = here.exchange._core
    assert core.state.markets["AAAUSDT"].phase is Phase.FINAL
    assert core.last("AAAUSDT", "anna") == 10_150
    assert core.bar_row("AAAUSDT") == 1


def test_an_unknown_market_is_refused() -> None:
    """-1121."""
    with pytest.raises(Refusal) as caught:
        World([market([FLAT] * 2)]).exchange._core.market("BBBUSDT")
    assert caught.value.code == -1121


def test_latencies_have_their_mean_and_end_at_ten_of_it() -> None:
    """5 + an exponential of mean 20, over 4,000 draws."""
    core = World([market([FLAT] * 2)], latency=Latency()).exchange._core
    drawn = [core.delay_ms(5, 20.0) for _ in range(4_000)]
    assert core.delay_ms(7, 0.0) == 7
    assert min(drawn) >= 5
    assert max(drawn) <= 205
    assert abs(sum(drawn) / 4_000 - 25) < 1.5


def test_generators_can_be_saved() -> None:
    """The draws after a load are those after the save."""
    core = World([market([FLAT] * 2)]).exchange._core
    saved = core.save_random()
    first = [core.delay_ms(0, 50.0) for _ in range(5)]
    core.load_random(saved)
    assert [core.delay_ms(0, 50.0) for _ in range(5)] == first


def test_the_wall_clock_shows_its_skew() -> None:
    """Only the venue's view of it."""
    here = World([market([FLAT] * 2)], faults=Faults(clock_skew_ms=-1_500))
    assert here.exchange._core.wall_ms == here.clock.ms - 1_500
