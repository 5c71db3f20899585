"""Signatures: the venue's published examples, and what breaks them."""

import pytest

from huracan.paper.signing import sign, signed_payload, verify

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
FIRST = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
SECOND = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
TOGETHER = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
MIXED = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        ("", f"{FIRST}&{SECOND}", TOGETHER),
        (f"{FIRST}&{SECOND}", "", TOGETHER),
        (FIRST, SECOND, MIXED),
    ],
)
def test_the_published_vectors_hold(query: str, body: str, signature: str) -> None:
    """rest-api.md, examples 1 to 3: in the body, in the query, and in both without a separator between."""
    sent = f"{body}&signature={signature}" if body else ""
    asked = query if body else f"{query}&signature={signature}"
    payload, found = signed_payload(asked, sent)
    assert found == signature
    assert payload == query + body
    assert verify(payload, signature, SECRET)
    assert verify(payload, signature.upper(), SECRET), "the case of a signature does not matter"


def test_another_secret_or_payload_does_not_verify() -> None:
    """One character is enough."""
    signature = sign(FIRST, SECRET)
    assert not verify(FIRST, signature, SECRET + "x")
    assert not verify(FIRST + "0", signature, SECRET)
    assert not verify(FIRST, "é", SECRET)


def test_a_missing_signature_is_said_so() -> None:
    """Nothing to verify is not an empty signature."""
    assert signed_payload(FIRST, "") == (FIRST, None)


def test_the_signature_may_stand_first() -> None:
    """What was signed is everything else."""
    assert signed_payload(f"signature=ab&{FIRST}", "")[0] == FIRST
