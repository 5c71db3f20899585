"""Refusals carry what the venue would say."""

import pytest

from huracan.paper.errors import (
    Refusal,
    bad_symbol,
    filter_failure,
    illegal,
    malformed,
    missing,
    no_such_order,
    rejected,
    too_precise,
    unknown_order,
)


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (rejected("Duplicate order sent."), -2010, "Duplicate order sent."),
        (unknown_order(), -2011, "Unknown order sent."),
        (no_such_order(), -2013, "Order does not exist."),
        (filter_failure("LOT_SIZE"), -1013, "Filter failure: LOT_SIZE"),
        (missing("price"), -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        (malformed("price"), -1130, "Data sent for parameter 'price' is not valid."),
        (illegal("p", "^a$"), -1100, "Illegal characters found in parameter 'p'; legal range is '^a$'."),
        (too_precise("price"), -1111, "Parameter 'price' has too much precision."),
        (bad_symbol(), -1121, "Invalid symbol."),
    ],
)
def test_codes_and_words(refusal: Refusal, code: int, message: str) -> None:
    """BN:errors.md, word for word: ccxt and our own table read them."""
    assert (refusal.status, refusal.code, refusal.message) == (400, code, message)
    assert refusal.retry_after_s is None
