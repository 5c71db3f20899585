"""A database server that only one module's processes use, so that it may be stopped and killed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huracan.memory import EmbeddedServer, connect, schema

__all__ = ["own_server"]


@contextmanager
def own_server() -> Iterator[EmbeddedServer]:
    """Yield a running server at the newest schema; its home is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    found = EmbeddedServer(home)
    engine = connect(found.start())
    schema.upgrade(engine)
    engine.dispose()
    yield found
    found.stop()
    shutil.rmtree(home)
