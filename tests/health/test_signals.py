"""The list of what is measured: names that say whose they are, and a table that the documentation shows."""

from huracan.health.signals import SIGNALS, signal_table


def test_a_signal_begins_with_who_is_asked() -> None:
    """`feed.gaps` is asked of the feed; each has words."""
    for name, signal in SIGNALS.items():
        assert name.partition(".")[0] == signal.source
        assert signal.words.endswith(".")


def test_the_table_has_a_row_each() -> None:
    """Two lines of a head, then a line a signal."""
    assert len(signal_table().splitlines()) == 2 + len(SIGNALS)
