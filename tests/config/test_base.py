"""What a section refuses whatever it is about."""

import pytest
from pydantic import ValidationError

from huracan.config.base import Fraction, PositiveInt, Section


class Some(Section):
    """A section of one share and one count."""

    share: Fraction = 0.5
    count: PositiveInt = 1


@pytest.mark.parametrize(
    "values",
    [{"other": 1}, {"share": 1.01}, {"share": -0.01}, {"share": float("nan")}, {"count": 0}, {"count": 1.5}],
    ids=str,
)
def test_unknown_keys_and_impossible_numbers_are_refused(values: dict[str, float]) -> None:
    """A typo in a key, a share outside [0, 1], a number that is none, a count below 1."""
    with pytest.raises(ValidationError):
        Some(**values)


def test_the_bounds_themselves_are_allowed_and_nothing_changes_later() -> None:
    """0, 1 and 1 are legal; a section is frozen."""
    some = Some(share=1.0, count=1)
    assert Some(share=0.0).share == 0.0
    with pytest.raises(ValidationError):
        some.share = 0.2  # type: ignore[misc]
