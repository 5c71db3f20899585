"""What RLlib calls to build the vector environment of a runner; knows nothing of Ray."""

from typing import Any, cast

from huracan.config import EnvSettings
from huracan.env.episodes import Window
from huracan.env.vector import TradingVectorEnv
from huracan.errors import ConfigError
from huracan.trading import KernelSettings, Limits

__all__ = ["vector_entry_point"]


def vector_entry_point(ctx: dict[str, Any]) -> TradingVectorEnv:
    """Build the vector environment that RLlib's one dict describes.

    Args:
        ctx: `tapes`, a sequence of `Tape` or a callable without arguments that returns one (so that a runner fetches
            them from the object store itself); `kernel`, `KernelSettings`; `settings`, `EnvSettings`; `window`,
            `Window`; `limits`, `Limits` or None; `num_envs`, slots, added by RLlib. Other keys are RLlib's and are
            not read.

    Returns:
        The environment over the shared buffers (`copy=False`): a reader keeps what it needs before the next step.
        Its episodes follow the seed of the first `reset(seed)`, which RLlib makes different for each runner.

    Raises:
        ConfigError: a key is missing.
    """
    missing = sorted({"tapes", "kernel", "settings", "window", "limits", "num_envs"} - ctx.keys())
    if missing:
        raise ConfigError(f"environment context lacks {', '.join(missing)}; pass them in RLlib's env_config")
    tapes = ctx["tapes"]
    return TradingVectorEnv(
        tapes() if callable(tapes) else tapes,
        cast(KernelSettings, ctx["kernel"]),
        cast(EnvSettings, ctx["settings"]),
        cast(Window, ctx["window"]),
        num_envs=int(ctx["num_envs"]),
        copy=False,
        limits=cast(Limits | None, ctx["limits"]),
    )
