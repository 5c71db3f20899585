"""The last closes: exactly once for each who asks, a clear word when they are gone, bytes that give them back."""

import numpy as np
import pytest

from huracan.errors import DataError, InvariantError
from huracan.signals.model import MarketClose
from huracan.signals.ring import CloseRing, close_from_bytes, close_to_bytes
from tests.signals.following import BASE_MS, bars_of, close_at, fit, follower, history

WARM = 640


def closes(count: int) -> list[MarketClose]:
    """Return consecutive closes of real machines."""
    feed = follower(fit(1), fit(2))
    feed.start(history(WARM))
    return [feed.push(close_at(bar), bars_of(bar), False, bar) for bar in range(WARM, WARM + count)]


def ring_of(size: int, made: list[MarketClose]) -> CloseRing:
    """Return a ring that was given some closes."""
    ring = CloseRing(size, BASE_MS)
    for close in made:
        ring.add(close)
    return ring


def test_whoever_asks_gets_what_follows_its_position() -> None:
    """From before the first, from between, from the newest; all but the newest are late by now."""
    made = closes(4)
    ring = ring_of(10, made)
    times = [close.close_ms for close in made]
    for number in range(5):
        found = ring.after(times[0] - BASE_MS if number == 0 else times[number - 1])
        assert [close.close_ms for close in found] == times[number:]
        assert [close.late for close in found] == [True] * (3 - number) + [False] * (number < 4)
    assert ring.newest is made[-1]
    assert not any(close.late for close in made)


def test_what_is_gone_is_said_to_be() -> None:
    """Three of five are kept: a position before the second cannot be served, nor one far ahead."""
    made = closes(5)
    ring = ring_of(3, made)
    assert [close.close_ms for close in ring.after(made[1].close_ms)] == [close.close_ms for close in made[2:]]
    with pytest.raises(DataError, match="restart from history"):
        ring.after(made[1].close_ms - 1)
    assert ring.after(made[-1].close_ms + 3 * BASE_MS) == ()
    with pytest.raises(DataError, match="another market time"):
        ring.after(made[-1].close_ms + 3 * BASE_MS + 1)
    assert CloseRing(3, BASE_MS).after(5) == ()


def test_a_close_twice_or_out_of_order_is_a_defect() -> None:
    """Nobody downstream could tell which of them counts."""
    made = closes(2)
    ring = ring_of(3, made)
    for close in made:
        with pytest.raises(InvariantError, match="comes after"):
            ring.add(close)


def test_closes_come_back_bit_for_bit() -> None:
    """Every figure of every candle, every bit of every row, NaN included; the ring serves what it served."""
    made = closes(5)
    for close in made:
        again = close_from_bytes(close_to_bytes(close))
        assert (again.close_ms, again.late, again.symbols, again.heard_ms) == (
            close.close_ms,
            close.late,
            close.symbols,
            close.heard_ms,
        )
        assert dict(again.bars) == dict(close.bars)
        assert list(again.fits) == list(close.fits)
        for name, rows in close.fits.items():
            for column in ("market", "due", "age", "sigma", "ready"):
                one, other = getattr(rows, column), getattr(again.fits[name], column)
                assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
                assert other.flags.writeable
    ring, again_ring = ring_of(3, made), CloseRing(3, BASE_MS)
    again_ring.load(ring.to_bytes())
    assert [close.close_ms for close in again_ring] == [close.close_ms for close in ring]
    with pytest.raises(DataError, match="restart from history"):
        again_ring.after(made[0].close_ms)
    assert len(again_ring.after(made[1].close_ms)) == 3
    assert np.isnan(made[0].fits[fit(1).sha256].sigma).sum() == 0
