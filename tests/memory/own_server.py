"""A database server that only one module's processes use, so that it may be stopped and killed, or reached by TCP."""

import shutil
import socket
import socketserver
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from huracan.memory import EmbeddedServer, connect, schema
from huracan.memory.server import PORT

__all__ = ["by_tcp", "own_server"]


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


@contextmanager
def by_tcp(server: EmbeddedServer) -> Iterator[int]:
    """Yield a port of loopback that leads to a server, which listens on a Unix socket alone."""
    path = str(server.status().socket_folder / f".s.PGSQL.{PORT}")

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(path)
                back = Thread(target=_pass_on, args=(there, self.request))
                back.start()
                _pass_on(self.request, there)
                back.join()

    class Relays(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Relays(("127.0.0.1", 0), Relay) as relays:
        thread = Thread(target=relays.serve_forever)
        thread.start()
        yield int(relays.server_address[1])
        relays.shutdown()
        thread.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Pass on what one side says until it ends."""
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
