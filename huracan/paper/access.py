"""Who sends a request: the key, the time window and the signature, in the order in which the venue checks them."""

from collections.abc import Mapping
from typing import Any

from huracan.paper.core import Core
from huracan.paper.errors import Refusal, missing
from huracan.paper.params import Params
from huracan.paper.signing import signed_payload, verify
from huracan.paper.wire import Request

__all__ = ["check_request", "check_subscription"]

_AHEAD_MS = 1_000
_WINDOW_MS = 5_000
_WINDOW_MS_MAX = 60_000


def _name_of(core: Core, key: str | None) -> str:
    if not key:
        raise Refusal(-2014, "API-key format invalid.", 401)
    name = core.keys.get(key)
    if name is None or name in core.state.faults.expired_keys:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return name


def _check_time(core: Core, params: Params) -> None:
    """Accept a timestamp less than a second ahead and at most `recvWindow` behind the venue's clock."""
    stamp = params.integer("timestamp")
    if stamp is None:
        raise missing("timestamp")
    window = params.integer("recvWindow")
    window = _WINDOW_MS if window is None else window
    if window > _WINDOW_MS_MAX:
        raise Refusal(-1131, "recvWindow must be less than 60000.")
    now = core.wall_ms
    if stamp >= now + _AHEAD_MS:
        raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - stamp > window:
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def _check_signature(core: Core, name: str, payload: str, signature: str | None) -> None:
    if not signature:
        raise missing("signature")
    if not verify(payload, signature, core.accounts[name].secret):
        raise Refusal(-1022, "Signature for this request is not valid.")


def check_request(core: Core, request: Request, params: Params) -> str:
    """Return the account that signed a request.

    Raises:
        Refusal: -2014, -2015, -1102, -1131, -1021 or -1022.
    """
    name = _name_of(core, request.header("X-MBX-APIKEY"))
    _check_time(core, params)
    payload, signature = signed_payload(request.query, request.body)
    _check_signature(core, name, payload, signature)
    return name


def check_subscription(core: Core, params: Mapping[str, Any]) -> str:
    """Return the account that signed the parameters of a WebSocket call: sorted by name, joined as a query.

    Raises:
        Refusal: as `check_request`.
    """
    texts = {name: str(value) for name, value in params.items()}
    name = _name_of(core, texts.get("apiKey"))
    _check_time(core, Params(texts))
    payload = "&".join(f"{key}={texts[key]}" for key in sorted(texts) if key != "signature")
    _check_signature(core, name, payload, texts.get("signature"))
    return name
