"""The draws behind episodes: SplitMix64 as published, uniform in [0, 1), and limits that bind as often as stated."""

import numpy as np

from huracan.env.draws import BINDING_FRAC, DRAWS, draw_load, uniforms

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """Return SplitMix64's finaliser in Python integers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def test_splitmix_gives_its_published_numbers() -> None:
    """The stream of seed 1234567 begins with the numbers of the reference implementation (Vigna, splitmix64.c)."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    state, found = 1234567, []
    for _ in published:
        state = state + _GOLDEN & _MASK
        found.append(mix(state))
    assert found == published


def test_the_compiled_draws_are_splitmix_counted_by_seed_slot_and_episode() -> None:
    """Each row equals the same arithmetic in Python integers, whatever stands in the other rows."""
    slots, counts = np.array([0, 3, 3, 255]), np.array([0, 0, 9, 1_000_000])
    drawn = uniforms(np.uint64(7), slots, counts)
    assert drawn.shape == (4, DRAWS)
    for row, (slot, count) in enumerate(zip(slots.tolist(), counts.tolist(), strict=True)):
        state = mix(7 + _GOLDEN & _MASK)
        state = mix(state ^ (slot + _GOLDEN & _MASK))
        state = mix(state ^ (count + _GOLDEN & _MASK))
        for column in range(DRAWS):
            state = state + _GOLDEN & _MASK
            assert drawn[row, column] == (mix(state) >> 11) * 2.0**-53


def test_draws_are_uniform() -> None:
    """Mean and variance of 120,000 draws lie within five standard errors of those of a uniform number."""
    drawn = uniforms(np.uint64(1), np.arange(10_000), np.zeros(10_000, np.int64)).ravel()
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    assert abs(drawn.mean() - 0.5) < 5 / np.sqrt(12 * drawn.size)
    assert abs(drawn.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / drawn.size)


def test_limits_bind_as_often_as_stated() -> None:
    """A share of the loaded episodes has exactly one limit exceeded, the others none; unloaded ones are empty."""
    drawn = uniforms(np.uint64(2), np.arange(20_000), np.zeros(20_000, np.int64))
    load = np.zeros((20_000, 4), np.float32)
    draw_load(drawn, 0.5, load)
    exceeded = np.column_stack([load[:, 0] >= 1, load[:, 1] >= 1, load[:, 2] <= -1, load[:, 3] >= 1]).sum(axis=1)
    assert exceeded.max() == 1
    loaded = np.any(load != 0, axis=1)
    assert abs(loaded.mean() - 0.5) < 0.02
    assert abs(exceeded[loaded].mean() - BINDING_FRAC) < 0.015
    assert exceeded[~loaded].sum() == 0
