"""The entry point that RLlib calls: one dict in, the vector environment out."""

from typing import Any

import numpy as np
import pytest

from huracan.config import RiskSettings
from huracan.env import vector_entry_point
from huracan.errors import ConfigError
from huracan.trading import Action, Limits, Tape
from tests.env.worlds import kernel_settings, short_episodes, whole, wild_tapes

KERNEL = kernel_settings()
TAPES = wild_tapes(KERNEL, 2)


def context(**changes: object) -> dict[str, Any]:
    """Return a whole context, of eight slots in the settings and four asked for."""
    base = {"tapes": TAPES, "kernel": KERNEL, "settings": short_episodes(), "window": whole(TAPES), "limits": None}
    return base | {"num_envs": 4} | changes


def test_entry_point_takes_tapes_or_a_loader() -> None:
    """RLlib's one dict builds the same environment from tapes and from a callable, which is called once."""
    calls = []

    def load() -> list[Tape]:
        calls.append("load")
        return TAPES

    direct = vector_entry_point(context(worker="unknown keys are RLlib's own"))
    loaded = vector_entry_point(context(tapes=load))
    assert calls == ["load"]
    assert np.array_equal(direct.reset(seed=6)[0], loaded.reset(seed=6)[0])


@pytest.mark.parametrize("key", ["tapes", "kernel", "settings", "window", "limits", "num_envs"])
def test_a_missing_key_is_named(key: str) -> None:
    """Each key is wanted, also `limits`, which may be None but not forgotten; unknown keys do not stand in for it."""
    ctx = context(other=1)
    del ctx[key]
    with pytest.raises(ConfigError, match=f"lacks {key};"):
        vector_entry_point(ctx)


def test_all_missing_keys_are_named_at_once() -> None:
    """One message lists every key that is missing, in order."""
    with pytest.raises(ConfigError, match="lacks kernel, limits, num_envs, settings, tapes, window;"):
        vector_entry_point({})


def test_the_number_of_slots_is_the_contexts() -> None:
    """`num_envs` of the context counts, not that of the settings; observations are the buffers the next step writes."""
    env = vector_entry_point(context(num_envs=3))
    assert env.num_envs == 3
    obs, _ = env.reset(seed=1)
    assert obs.shape == (3, 80)
    assert env.step(np.zeros(3, np.int64))[0] is obs


def test_the_limits_reach_the_account() -> None:
    """Half the exposure limit doubles the use of it (state 75) and leaves the rest of the row as it is."""
    usual = Limits.of(RiskSettings())
    half = usual._replace(exposure_frac=usual.exposure_frac / 2)
    seen = []
    for limits in (None, usual, half):
        env = vector_entry_point(context(num_envs=32, settings=short_episodes(portfolio_frac=0.0), limits=limits))
        env.reset(seed=2)
        seen.append(env.step(np.full(32, Action.ENTER_LONG_SMALL))[0].copy())
    assert np.array_equal(seen[0], seen[1])
    assert (seen[1][:, 75] > 0).sum() > 5
    assert seen[2][:, 75] == pytest.approx(2 * seen[1][:, 75], rel=1e-6)
    assert np.array_equal(np.delete(seen[1], 75, axis=1), np.delete(seen[2], 75, axis=1))
