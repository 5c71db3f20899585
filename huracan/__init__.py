"""huracan: train, judge, serve and run RL trading policies for many coins on a Ray cluster."""

import hashlib
import os
import re
from pathlib import Path

__version__ = "0.1.0"


def _numba_cache_dir() -> str:
    """Return a compile-cache folder that changes whenever a compiled source, or a constant it imports, changes.

    numba keys a cached function by its own file only: a change in a callee or a constant of another file would leave
    the old code inside its caller. The hash covers every module that compiles and every module such a one imports,
    except the exceptions' (`errors`), from which nothing is compiled in.
    """
    package = Path(__file__).parent
    texts = {path: path.read_bytes() for path in package.rglob("*.py")}
    compiled = {
        path for path, text in texts.items() if re.search(rb"^from (numba|huracan\.trading\.compiled) ", text, re.M)
    }
    hashed = set(compiled)
    for path in compiled:
        for name in re.findall(rb"^from huracan\.([\w.]+) import", texts[path], re.M):
            place = package.joinpath(*name.decode().split("."))
            hashed |= {place.with_suffix(".py"), place / "__init__.py"} & texts.keys()
    hashed.discard(package / "errors.py")
    digest = hashlib.sha256()
    for path in sorted(hashed):
        digest.update(texts[path])
    home = os.environ.get("HURACAN_HOME") or str(Path.cwd() / ".huracan")
    return str(Path(home) / "numba" / digest.hexdigest()[:16])


if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = _numba_cache_dir()
