"""An answer in words: the sum in a sentence, claims only where there are any, a row for each value."""

from huracan.insights import words
from tests.insights.answers import sample_answer


def test_the_headline_holds_the_sum() -> None:
    """What was asked, how many, of how many days, how many won, what it made."""
    found = sample_answer()
    line = words.headline(found)
    assert line.startswith(f"{found.about}: 500 closed on 60 days from ")
    assert f"{found.total.wins / 500:.0%} [" in line
    assert "R a trade" in line


def test_noise_is_said_to_be_noise() -> None:
    """With nothing beyond chance no setup is named; with something each is, by its stage."""
    quiet = sample_answer((0.0, 0.0), 300, 21)
    assert not quiet.claims
    assert words.setup_line(quiet).startswith("No setup stands out: ")
    loud = words.setup_line(sample_answer())
    assert loud.startswith("2 of ")
    assert "good: pattern P" in loud
    assert "bad: pattern P" in loud


def test_every_row_fits_its_columns() -> None:
    """As many cells as columns, everywhere."""
    found = sample_answer()
    (library,) = found.libraries
    for columns, rows in (
        (words.SLICE_COLUMNS, [words.slice_row(one) for section in found.sections for one in section.slices]),
        (words.SETUP_COLUMNS, words.setup_rows(found)),
        (words.FINDING_COLUMNS, words.finding_rows(found, won=False)),
        (words.AFTER_COLUMNS, words.after_rows(found)),
        (words.LIBRARY_COLUMNS, words.library_rows(library)),
        (words.PROPOSAL_COLUMNS, words.proposal_rows(found)),
    ):
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    assert len(words.setup_rows(found, 3)) == 3


def test_a_validated_rule_is_said_to_be_nobodys_but_the_readers() -> None:
    """Which rule, whose, why; and that nothing applies it."""
    found = sample_answer()
    assert words.proposal_line(found).startswith(
        "1 other rule found on early days and validated on later ones; not applied"
    )
    (row,) = words.proposal_rows(found)
    assert row[:6] == ("hold", "ensemble", "coin", "0.707", "1.06", "120")


def test_a_library_says_how_many_groups_and_why() -> None:
    """The strength by which they were found again; without groups, that none was."""
    assert "2 groups are the most that are found again on other days" in words.library_line(
        sample_answer().libraries[0]
    )
    cloud = sample_answer((0.0,), 300, 5).libraries[0]
    assert "no number of groups is found again on other days (0.80 needed; 2: 0." in words.library_line(cloud)
