"""The record of an account: what it had before is needed, what surrounds it has a value that means nothing is known."""

import pytest
from pydantic import ValidationError

from huracan.signals.contract_status import AdviceRow, MonitorRow, StatusAnswer

BEFORE = {
    "account": "main", "mode": None, "state": "ACTIVE", "state_author": "huracan", "state_reason": "never changed",
    "state_ms": None, "breaker": None, "holder": None, "holder_for_s": 0.0, "seen_ms": None, "market_ms": None,
    "currency": None, "equity": None, "cash": None, "day_result": None, "limits": (), "locks": (), "unknown_orders": 0,
}  # fmt: skip


def test_whoever_reads_the_account_alone_finds_it_where_it_was() -> None:
    """Every field of before is there and needed; the new ones are added and never null by surprise."""
    found = StatusAnswer.model_validate(BEFORE)
    assert {**found.model_dump(), **BEFORE} == found.model_dump()
    for name in BEFORE:
        with pytest.raises(ValidationError):
            StatusAnswer.model_validate({key: value for key, value in BEFORE.items() if key != name})
    assert (found.headline, found.next, found.anomalies, found.monitor) == ("ok", (), (), MonitorRow())


def test_what_is_not_in_the_contract_is_refused() -> None:
    """A level that nobody knows, a field that nobody has, a figure that is none."""
    for wrong in ({"headline": "maybe"}, {"colour": "red"}, {"data_age_s": float("nan")}):
        with pytest.raises(ValidationError):
            StatusAnswer.model_validate(BEFORE | wrong)
    with pytest.raises(ValidationError):
        AdviceRow.model_validate({"level": "loud", "why": "x", "do": "y"})
