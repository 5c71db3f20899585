"""An answer as JSON: every value has a form, and claims are those that are not unclear."""

import json

from huracan.insights.model import Insights, Setup
from huracan.terminal import to_json
from tests.insights.answers import sample_answer


def test_an_answer_has_a_json_form() -> None:
    """Whatever is in it; what is read back has the same fields."""
    found = sample_answer()
    again = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert set(again) == set(Insights.__dataclass_fields__)
    assert again["total"]["trades"] == found.total.trades


def test_claims_are_the_setups_that_are_called_something() -> None:
    """Good and bad ones, in their order; an unclear one is no claim."""
    found = sample_answer()
    assert [setup.stage for setup in found.claims] == ["good", "bad"]
    assert all(isinstance(setup, Setup) for setup in found.claims)
