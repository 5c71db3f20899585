"""The tables of the documentation: a full row for each kind and each rule."""

from typing import get_args

from huracan.config import RemediesSettings, RemedyKind
from huracan.health.remedies.words import kind_table, rule_table


def test_every_kind_has_a_full_row() -> None:
    """What it does, where it is refused, how it ends, what its undo brings back."""
    rows = kind_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(get_args(RemedyKind))
    assert all(len(row.strip("|").split(" | ")) == 5 and all(row.strip("|").split("|")) for row in rows)


def test_every_rule_has_a_row_that_says_whether_it_acts() -> None:
    """In the order in which they count."""
    rows = rule_table().splitlines()[2:]
    rules = RemediesSettings().rules
    assert len(rows) == len(rules)
    assert all(
        f"`{rule.detector}`" in row and row.endswith(f"| {rule.mode} |") for row, rule in zip(rows, rules, strict=True)
    )
