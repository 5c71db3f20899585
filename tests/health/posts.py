"""Places on loopback that messages are sent to: an HTTP and an SMTP server that answer, fail, or dawdle as told."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Message", "Post", "http_post", "mail_post"]


@dataclass(frozen=True)
class Message:
    """What was taken."""

    title: str
    body: str
    kind: str = ""


@dataclass
class Post:
    """A server: what it has taken, and how it behaves.

    Attributes:
        url: as apprise writes it; it holds a password and a token.
        status: of the answers; of a mail server 250 or what it refuses the message with.
        delay_s: before each answer.
        drip_s: between two bytes of an answer that never ends; 0: it answers at once.
        asked: how often somebody came.
    """

    url: str = ""
    status: int = 200
    delay_s: float = 0.0
    drip_s: float = 0.0
    asked: int = 0
    taken: list[Message] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, count: int, limit_s: float = 10.0) -> list[Message]:
        """Return what was taken once it is so many."""
        begun_s = time.monotonic()
        while len(self.taken) < count:
            assert time.monotonic() - begun_s < limit_s, f"{len(self.taken)} of {count} messages came"
            time.sleep(0.01)
        return self.taken


@contextmanager
def http_post() -> Iterator[Post]:
    """Yield an HTTP server that takes JSON."""
    secret = "a-secret-token"
    post = Post()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            post.asked += 1
            post.ended.wait(post.delay_s)
            self.send_response(post.status)
            self.end_headers()
            while post.drip_s and not post.ended.is_set():
                self.wfile.write(b".")
                self.wfile.flush()
                post.ended.wait(post.drip_s)
            if post.status == 200 and not post.ended.is_set():
                post.taken.append(Message(said["title"], said["message"], said["type"]))
            self.wfile.write(f"echo {secret}".encode())

        def log_message(self, *_words: Any) -> None:
            pass

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler), post) as port:
        post.url = f"json://me:a-password@127.0.0.1:{port}/{secret}?rto=2&cto=2"
        yield post


@contextmanager
def mail_post() -> Iterator[Post]:
    """Yield an SMTP server; `status` 535 refuses the login, 550 the recipient, 451 the message."""
    secret = "a-password"
    post = Post(status=250)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            post.asked += 1
            post.ended.wait(post.delay_s)
            self._say("220 loopback ESMTP")
            while line := self.rfile.readline().decode().strip():
                verb = line.split()[0].upper()
                if verb in ("EHLO", "HELO"):
                    self.wfile.write(b"250-loopback\r\n250 AUTH PLAIN LOGIN\r\n")
                elif verb == "AUTH":
                    self._say(f"535 no, {secret}" if post.status == 535 else "235 ok")
                elif verb == "RCPT":
                    self._say(f"550 no {line}" if post.status == 550 else "250 ok")
                elif verb == "DATA":
                    self._data()
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _data(self) -> None:
            self._say("354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            if post.status == 451:
                self._say(f"451 later, {secret}")
                return
            said = message_from_bytes(b"".join(lines), policy=policy.default)
            body = said.get_body(("plain", "html"))
            post.taken.append(Message(str(said["Subject"]), "" if body is None else body.get_content()))
            self._say("250 taken")

        def _say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with _served(Server(("127.0.0.1", 0), Handler), post) as port:
        post.url = f"mailto://me:{secret}@127.0.0.1:{port}?from=huracan@example.org&to=desk@example.org&rto=2&cto=2"
        yield post


@contextmanager
def _served(server: socketserver.BaseServer, post: Post) -> Iterator[int]:
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]
    finally:
        post.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5.0)
