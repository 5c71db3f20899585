"""Records to JSON and back."""

import json
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from huracan.errors import DataError
from huracan.paper.codec import decode, encode
from huracan.paper.state import Money, Phase, Side


@dataclass(slots=True)
class Sample:
    """One field of each kind."""

    number: int
    share: float
    name: str
    flag: bool
    side: Side
    phase: Phase
    amount: Decimal
    by_id: dict[int, Money]
    pairs: dict[str, tuple[int, int]]
    names: tuple[str, ...]
    rows: list[Decimal]
    maybe: str | None = None
    empty: dict[str, int] = field(default_factory=dict)


SAMPLE = Sample(
    7, 0.1, "x", True, Side.SELL, Phase.BUYS, Decimal("1.10"), {3: Money(Decimal(1), Decimal("0.5"))},
    {"a": (1, 2)}, ("p", "q"), [Decimal("1e-8")], None,
)  # fmt: skip


def test_a_record_comes_back_as_it_was() -> None:
    """Types included: keys of mappings, enums, decimals with their zeros."""
    back = decode(Sample, json.loads(json.dumps(encode(SAMPLE))))
    assert back == SAMPLE
    assert str(back.amount) == "1.10"
    assert isinstance(back.phase, Phase)


@pytest.mark.parametrize("data", [{}, {"number": 1}, [], {"nothing": 1}, None])
def test_other_data_are_refused(data: object) -> None:
    """A snapshot that does not fit says so instead of half-loading."""
    with pytest.raises(DataError, match="snapshot"):
        decode(Sample, data)


def test_what_is_no_record_cannot_be_written() -> None:
    """A set has no order, so its bytes would differ from run to run."""
    with pytest.raises(AssertionError, match="cannot be in a snapshot"):
        encode({1, 2})
