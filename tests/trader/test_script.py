"""Scripts: what is due when, and what is no script."""

from pathlib import Path

import pytest

from huracan.errors import UsageError
from huracan.trader.script import load_script, parse_script
from huracan.trading import Action

MINUTE = 60_000
T0 = 1_735_779_900_000  # 2025-01-02T01:05:00Z


def test_a_moment_and_a_period_are_due_at_their_closes() -> None:
    """`at` once; `every` by the bar's number, as kernel and policies count it."""
    script = parse_script(
        """
        # a comment
        {"at": "2025-01-02T01:05:00Z", "symbol": "BTC/USDT", "action": "ENTER_LONG_LARGE"}

        {"every": 5, "offset": 2, "symbol": "ADA/USDT", "action": "EXIT"}
        {"every": 3, "symbol": "ADA/USDT", "action": "ENTER_LONG_SMALL"}
        """,
        MINUTE,
    )
    assert script.symbols == ("ADA/USDT", "BTC/USDT")
    assert script.policy.startswith("script-")
    due = {number: script.due((number + 1) * MINUTE, MINUTE) for number in range(15)}
    assert [number for number, found in due.items() if found.get("ADA/USDT") is Action.ENTER_LONG_SMALL] == [
        0, 3, 6, 9, 12
    ]  # fmt: skip
    assert [number for number, found in due.items() if found.get("ADA/USDT") is Action.EXIT] == [
        2,
        7,
    ]  # 12: the later line
    assert script.due(T0, MINUTE)["BTC/USDT"] is Action.ENTER_LONG_LARGE
    assert "BTC/USDT" not in script.due(T0 + MINUTE, MINUTE)


def test_the_name_is_of_the_text() -> None:
    """Another script trades under another name."""
    one, two = (f'{{"every": {n}, "symbol": "A/USDT", "action": "EXIT"}}' for n in (1, 2))
    assert parse_script(one, MINUTE).policy == parse_script(one, MINUTE).policy != parse_script(two, MINUTE).policy


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[]", "no JSON object"),
        ("# one\n{", "script, line 2, column 2: Expecting property name enclosed in double quotes; no JSON"),
        ('{"every": NaN, "symbol": "A/USDT", "action": "EXIT"}', "line 1: NaN is no number of JSON"),
        ('{"every": 1, "symbol": "A/USDT", "action": "EXIT", "size": 3}', "unknown key size"),
        ('{"every": 1, "symbol": "A/USDT", "action": "HOLD"}', "action 'HOLD' is none of"),
        ('{"every": 1, "symbol": "A/USDT", "action": 2}', "action 2 is none of"),
        ('{"every": 1, "symbol": "A/USDT:USDT", "action": "EXIT"}', "is no spot market"),
        ('{"every": 1, "action": "EXIT"}', "symbol None"),
        ('{"symbol": "A/USDT", "action": "EXIT"}', "either at, or every"),
        ('{"at": "2025-01-02T01:05:00Z", "every": 1, "symbol": "A/USDT", "action": "EXIT"}', "either at, or every"),
        ('{"at": "2025-01-02T01:05:00Z", "offset": 1, "symbol": "A/USDT", "action": "EXIT"}', "either at, or every"),
        ('{"at": "soon", "symbol": "A/USDT", "action": "EXIT"}', "'soon' is no date"),
        ('{"at": 5, "symbol": "A/USDT", "action": "EXIT"}', "at 5 is no time"),
        ('{"at": "2025-01-02T01:05:30Z", "symbol": "A/USDT", "action": "EXIT"}', "is no close"),
        ('{"every": 0, "symbol": "A/USDT", "action": "EXIT"}', "whole numbers of bars"),
        ('{"every": 1.5, "symbol": "A/USDT", "action": "EXIT"}', "whole numbers of bars"),
        ('{"every": true, "symbol": "A/USDT", "action": "EXIT"}', "whole numbers of bars"),
        ('{"every": 3, "offset": 3, "symbol": "A/USDT", "action": "EXIT"}', "whole numbers of bars"),
        ('{"every": 3, "offset": -1, "symbol": "A/USDT", "action": "EXIT"}', "whole numbers of bars"),
        ("", "holds 0 steps"),
    ],
)
def test_what_is_no_step_is_named_with_its_line(line: str, words: str) -> None:
    """One mistake, one line of explanation."""
    with pytest.raises(UsageError, match=r"^[^\n]+$") as raised:
        parse_script(line, MINUTE)
    assert words in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder, and bytes that are no text."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_script(tmp_path, MINUTE)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load_script(tmp_path / "bytes", MINUTE)
    (tmp_path / "good").write_text('{"every": 1, "symbol": "A/USDT", "action": "EXIT"}')
    assert len(load_script(tmp_path / "good", MINUTE).steps) == 1
