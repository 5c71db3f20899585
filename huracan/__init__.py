"""huracan: train, judge, serve and run RL trading policies for many coins on a Ray cluster."""

import hashlib
import os
from pathlib import Path

__version__ = "0.1.0"


def _numba_cache_dir() -> str:
    """Return a compile-cache folder that changes whenever any compiled source changes.

    numba keys a cached function by its own file only: a change in a callee of another file would leave the
    old code inlined in its caller. Hashing the sources of all rooms that compile closes that hole.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for room in ("baselines", "env", "features", "market", "shadow", "trading"):
        for source in sorted((package / room).rglob("*.py")):
            digest.update(source.read_bytes())
    home = os.environ.get("HURACAN_HOME") or str(Path.cwd() / ".huracan")
    return str(Path(home) / "numba" / digest.hexdigest()[:16])


if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = _numba_cache_dir()
