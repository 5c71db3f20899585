"""How a message reaches a person: apprise behind one method, which never lets an address out.

An address holds tokens and passwords, and so may whatever the library or the other side says about a failure. What is
said of one here is a word of `_KINDS`, or a status code, and nothing else; the library's own log reaches nobody.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from huracan.config import DestinationSettings
from huracan.errors import ConfigError
from huracan.memory.health import Severity

__all__ = ["AppriseChannel", "Channel", "open_channels"]

_KINDS: Final = (
    (re.compile(r"timed? ?out|Timeout", re.IGNORECASE), "no answer in time"),
    (re.compile(r"Connection refused|Errno 111", re.IGNORECASE), "connection refused"),
    (re.compile(r"Name or service|getaddrinfo|NameResolution|nodename", re.IGNORECASE), "the host's name is not known"),
    (re.compile(r"CERTIFICATE|SSLError|SSL:", re.IGNORECASE), "no trusted TLS connection"),
    (re.compile(r"SMTPAuthenticationError|SMTPNotSupportedError|\b535\b"), "the mail server refuses the login"),
    (re.compile(r"SMTPRecipientsRefused|SMTPSenderRefused|\b55[0-9]\b"), "the mail server refuses an address"),
    (re.compile(r"reset by peer|Connection aborted|RemoteDisconnected|unexpectedly closed"), "connection broken"),
    (re.compile(r"Network is unreachable|No route to host"), "no network"),
)
_LOGGERS: Final = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_session")
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_UNKNOWN: Final = "not taken"
_HEARD: Final[ContextVar[list[str] | None]] = ContextVar("huracan_notices_heard", default=None)
"""Apprise sends on threads of its own and takes the caller's context there."""
_TYPES: Final[dict[Severity, str]] = {"info": "info", "warning": "warning", "critical": "failure"}


class Channel(Protocol):
    """One destination."""

    @property
    def name(self) -> str:
        """Return its name; not its address."""
        ...

    def send(self, title: str, body: str, level: Severity) -> str | None:
        """Send a message; blocks.

        Args:
            title: one line.
            body: plain text.
            level: how much it matters.

        Returns:
            None when the other side has taken it, else the kind of failure in words without any secret.
        """
        ...


class AppriseChannel:
    """A destination that apprise reaches.

    Args:
        settings: name and address.

    Raises:
        ConfigError: apprise does not know such an address; it is not quoted.
    """

    def __init__(self, settings: DestinationSettings) -> None:
        import apprise

        self._name = settings.name
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(app_id="huracan", async_mode=False))
        with _listening():
            known = bool(self._apprise.add(settings.url.get_secret_value())) and len(self._apprise) == 1
        if not known:
            raise ConfigError(
                f"notices.destinations: apprise does not know the address of {settings.name}; see its list of services "
                "for how one is written"
            )

    @property
    def name(self) -> str:
        """See `Channel`."""
        return self._name

    def send(self, title: str, body: str, level: Severity) -> str | None:
        """See `Channel`."""
        import apprise

        with _listening() as said:
            try:
                kind = apprise.NotifyType(_TYPES[level])
                if self._apprise.notify(body=body, title=title, notify_type=kind, body_format="text"):
                    return None
            except Exception as error:  # a plugin may raise anything, with the address in it: only its kind leaves
                said.append(type(error).__name__)
        return _kind(said)

    def __repr__(self) -> str:
        """Return its name alone."""
        return f"AppriseChannel({self._name!r})"


def open_channels(destinations: tuple[DestinationSettings, ...]) -> tuple[AppriseChannel, ...]:
    """Return the channels of the configured destinations.

    Raises:
        ConfigError: an address is none.
    """
    return tuple(AppriseChannel(one) for one in destinations)


def _kind(said: list[str]) -> str:
    """Return what a failure was, by a word of ours."""
    for line in said:
        if (status := _STATUS.search(line)) is not None:
            return f"HTTP {status[1]}"
    for pattern, words in _KINDS:
        if any(pattern.search(line) for line in said):
            return words
    return _UNKNOWN


class _Ear(logging.Filter):
    """Hears what is logged while somebody listens, and lets none of it on; what apprise logs at other times neither."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        said = _HEARD.get()
        if said is not None:
            try:
                said.append(record.getMessage())
            except (TypeError, ValueError):  # a broken line of a library's is nothing to fail over
                said.append(_UNKNOWN)
        return said is None and record.name != _LOGGERS[0]


_EAR: Final = _Ear()


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keep what the libraries log in this context to ourselves: it holds addresses, and paths that are tokens."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_EAR)  # once, however often it is added
    logging.getLogger(_LOGGERS[0]).setLevel(logging.DEBUG)
    said: list[str] = []
    token = _HEARD.set(said)
    try:
        yield said
    finally:
        _HEARD.reset(token)
