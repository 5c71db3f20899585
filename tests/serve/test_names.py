"""Names: what one part calls another must be what the other is called."""

import re
from pathlib import Path

from serve import names


def test_names_are_those_of_the_house() -> None:
    """Everything of huracan on a shared cluster can be told by its name."""
    parts = (names.FEED, names.EXECUTION, names.MONITOR)
    assert parts == ("huracan-feed", "huracan-execution", "huracan-monitor")
    assert all(re.fullmatch(r"[A-Za-z-]+", getattr(names, name)) for name in names.__all__)


def test_no_part_spells_a_name_out() -> None:
    """A name that is written twice would one day be two names."""
    for path in Path(names.__file__).parent.glob("*.py"):
        if path.name != "names.py":
            text = path.read_text(encoding="utf-8")
            assert not re.findall(rf"[\"'](?:{names.FEED}|{names.EXECUTION}|{names.MONITOR})[\"']", text), path.name
