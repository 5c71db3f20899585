"""The screen: everything that matters is on it, in 80 and in 120 columns, and no line is wider."""

import io

import pytest
from rich.console import Console

from huracan.commands.status import Database, Found
from huracan.commands.status_screen import screen
from huracan.signals.contract_status import (
    AdviceRow,
    AnomalyRow,
    ErrorRow,
    LimitRow,
    LockRow,
    MonitorRow,
    NoticesRow,
    RemedyRow,
    ServedRow,
    StatusAnswer,
)
from serve.up import Part

NOW = 1_790_000_000_000


def record(**changes: object) -> StatusAnswer:
    """Return an account of which there is something to say in every place."""
    found = StatusAnswer(
        account="main", mode="paper", state="REDUCING", state_author="monitor", state_reason="win rate fell",
        state_ms=NOW, breaker=None, holder="anna@home:4711", holder_for_s=8.0, seen_ms=NOW - 64_000,
        market_ms=NOW - 64_000, currency="USDT", equity="10012.34", cash="8000.5", day_result=-12.34,
        limits=(
            LimitRow(name="heat_frac", used=0.042, limit=0.15),
            LimitRow(name="day_loss", used=480.0, limit=500.0),
            LimitRow(name="open_trades", used=2.0, limit=None),
        ),
        locks=(LockRow(symbol="ETH/USDT", code="MANUAL", detail="listing", author="anna", until_ms=None),),
        unknown_orders=1, at_ms=NOW, headline="act", data_age_s=64.0, data_stale=False, positions=2, orders=4,
        versions=(
            ServedRow(version="run-12-v3", scope="*", stage="candidate", proven=False, standing="candidate: UNPROVEN"),
            ServedRow(version="btc-7", scope="BTC/USDT", stage="champion", proven=True,
                      standing="champion, passed the promotion gate"),
        ),
        anomalies=tuple(
            AnomalyRow(detector=f"detector_{n}", account="main", subject="run-12-v3", severity="warning",
                       words=f"41 % of {n} trades won, 55 % claimed", means="look", since_ms=NOW - 3_600_000,
                       noticed_ms=NOW, false_every_days=365.0)
            for n in range(7)
        ),
        remedies=(
            RemedyRow(number=3, kind="reduce_size", subject="run-12-v3", state="applied", reason="win rate fell",
                      at_ms=NOW - 600_000, expires_ms=NOW + 600_000),
        ),
        monitor=MonitorRow(state="silent", age_s=45.0, holder="anna@home:99"),
        errors_hour=(ErrorRow(event="feed.gap", process="feed", level="warning", count=3, last_ms=NOW - 30_000),),
        notices=NoticesRow(destinations=2, waiting=1, sent=5, held=3, failed=1),
    )  # fmt: skip
    return found.model_copy(update=changes)


PARTS = (Part("huracan-feed", "ALIVE", True, ""), Part("huracan-execution", "absent", False, ""),
         Part("signals", "UNHEALTHY", False, "x"))  # fmt: skip
ADVICE = (
    AdviceRow(level="critical", why="the fate of 1 order is not known", do="huracan trade status"),
    AdviceRow(level="warning", why="day_loss is at 480 of 500", do="huracan trade status"),
    AdviceRow(level="info", why="UNPROVEN: run-12-v3", do="huracan models gate run-12-v3"),
)


def drawn(found: Found, width: int) -> str:
    """Return the screen as text."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(screen(found, width))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_all_of_it_is_there_and_no_line_is_wider(width: int) -> None:
    """State, money, versions and UNPROVEN, data age, limits, what is wrong, what was done, what to do."""
    text = drawn(Found(NOW, "act", ADVICE, Database(True, "", ""), PARTS, record()), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 48
    for words in (
        "ACT NOW", "main (paper)", "REDUCING", "10,012.34 USDT", "today -12.34", "2 positions, 4 orders",
        "1 of unknown fate", "anna@home:4711", "64 s ago", "45 s ago", "candidate: UNPROVEN", "btc-7", "heat_frac",
        "ETH/USDT MANUAL", "detector_0", "and 2 more", "reduce_size run-12-v3", "applied", "feed.gap",
        "-> huracan trade status", "1 failed", "unhealthy", "huracan-feed alive",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("the fate of 1 order") < text.index("day_loss is at") < text.index("money")


def test_the_headline_never_says_well_of_what_does_not_run() -> None:
    """Nothing, nobody, well."""
    nothing = Found(NOW, "ok", (), Database(False, "", "there is no database yet"), None, None)
    assert "NOTHING RUNS" in drawn(nothing, 80)
    idle = record(holder=None, state="ACTIVE")
    assert "NOBODY TRADES" in drawn(Found(NOW, "ok", (), Database(True, "", ""), None, idle), 80)
    well = drawn(Found(NOW, "ok", (), Database(True, "", ""), None, record(state="ACTIVE")), 80)
    assert "ALL WELL" in well
    assert "nothing to do" in well
    assert "no cluster runs" in well


def test_markup_in_what_is_shown_is_text() -> None:
    """A reason is a person's or a venue's words."""
    text = drawn(Found(NOW, "ok", (), Database(True, "", ""), None, record(state_reason="[red]x[/red] [/]")), 80)
    assert "[red]x[/red] [/]" in text
