"""A real HTTP server on a free loopback port, and a client that sends what it is told, byte by byte."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

__all__ = ["Answer", "Client", "serving"]

_START_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of a refusal, whose shape is the one of all."""
        assert set(self.json) == {"code", "message"}, self.body
        return str(self.json["code"])


@dataclass
class Client:
    """Asks one endpoint, one connection a request."""

    host: str
    port: int
    token: str | None

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send a request and return the answer; `raw` is sent as it is, `body` as JSON."""
        told = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        content = raw
        if raw is None and body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            told["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, content, {**told, **(headers or {})})
            found = connection.getresponse()
            return Answer(found.status, {key.lower(): value for key, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def get(self, path: str, **rest: Any) -> Answer:
        """GET."""
        return self.ask("GET", path, **rest)

    def post(self, path: str, body: object = None, **rest: Any) -> Answer:
        """POST."""
        return self.ask("POST", path, body, **rest)


@contextmanager
def serving(app: Any) -> Iterator[tuple[str, int]]:
    """Serve an ASGI application by uvicorn in a thread; yield host and port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    begun_s = time.monotonic()
    while not server.started:
        assert thread.is_alive(), "the server has ended"
        assert time.monotonic() - begun_s < _START_S, "the server does not start"
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join(_START_S)
        assert not thread.is_alive()
