"""HMAC signatures of requests: the query string and the body, joined without a separator, under the secret."""

import hashlib
import hmac
import re

__all__ = ["sign", "signed_payload", "verify"]

_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")


def sign(payload: str, secret: str) -> str:
    """Return the HMAC-SHA256 of a payload, lower-case hexadecimal."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_payload(query: str, body: str) -> tuple[str, str | None]:
    """Return (what was signed, the signature): both parts without their `signature` parameter, joined.

    The signature is None when it was not sent.
    """
    found = _SIGNATURE.search(query) or _SIGNATURE.search(body)
    payload = _SIGNATURE.sub("", query).removeprefix("&") + _SIGNATURE.sub("", body).removeprefix("&")
    return payload, None if found is None else found.group(2)


def verify(payload: str, signature: str, secret: str) -> bool:
    """Return whether the signature, in any case, is the payload's; compared in constant time."""
    return hmac.compare_digest(sign(payload, secret).encode(), signature.lower().encode())
