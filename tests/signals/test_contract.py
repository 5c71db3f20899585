"""The contract refuses what it does not know."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from huracan.signals.contract import STATUS, ErrorCode, HaltRequest, ResumeRequest, Signal, SignalsRequest, error_table


def test_every_code_has_a_status_of_its_kind() -> None:
    """What the caller can mend is 4xx; what is away is 503; only a defect is 500."""
    assert set(STATUS) == set(ErrorCode)
    assert {code for code, status in STATUS.items() if status == 500} == {ErrorCode.INTERNAL}
    assert {status for status in STATUS.values() if status > 500} == {503}


def test_the_guide_lists_every_code() -> None:
    """docs/http.md has the table that the code makes."""
    document = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    assert error_table() in document


@pytest.mark.parametrize(
    "body",
    [
        '{"symbols": "BTC/USDT"}',
        '{"symbols": ["BTCUSDT"]}',
        '{"symbols": ["BTC/USDT", "BTC/USDT"]}',
        '{"symbols": ["BTC/USDT\\n"]}',
        '{"symbols": [NaN]}',
        '{"symbols": [1]}',
        '{"symbols": null}',
        '{"execute": 1}',
        '{"execute": "true"}',
        '{"execute": NaN}',
        '{"executed": true}',
        "[]",
    ],
)
def test_signals_refuse_what_is_not_asked_for(body: str) -> None:
    """Unknown keys, other types, names that are no ccxt symbols, and a market twice."""
    with pytest.raises(ValidationError):
        SignalsRequest.model_validate(json.loads(body))


def test_signals_ask_for_everything_by_default() -> None:
    """And execute nothing."""
    assert SignalsRequest.model_validate({}) == SignalsRequest(symbols=(), execute=False)
    assert SignalsRequest.model_validate({"symbols": ["BTC/USDT:USDT"]}).symbols == ("BTC/USDT:USDT",)


@pytest.mark.parametrize("model", [HaltRequest, ResumeRequest])
@pytest.mark.parametrize("reason", ["", "   ", "a\nb", "a\x00", "x" * 501, None, 3])
def test_a_reason_is_one_line_of_words(model: type[BaseModel], reason: object) -> None:
    """It is stored and shown to people."""
    with pytest.raises(ValidationError):
        model.model_validate({"reason": reason})
    assert model.model_validate({"reason": " seen and understood "}).model_dump()["reason"] == "seen and understood"


def test_an_answer_is_never_a_number_that_is_none() -> None:
    """A confidence that is NaN is a defect and fails where it is made, not at the reader's."""
    with pytest.raises(ValidationError):
        Signal.model_validate(
            {
                "symbol": "A/B", "action": "HOLD", "probabilities": {"HOLD": 1.0}, "confidence": float("nan"),
                "size": {"multiplier": 0, "notional": "0", "quantity": "0"}, "version": "v", "stage": "shadow",
                "standing": "shadow: UNPROVEN",
                "as_of": {"open_ms": 0, "close_ms": 1, "open_time": "", "close_time": ""},
                "data_age_s": 0, "risk": {"verdict": "not_needed", "code": None, "detail": ""}, "intent_id": None,
            }
        )  # fmt: skip
