"""The page and the tables of an execution report."""

import json
from dataclasses import replace
from pathlib import Path

from huracan.report.execution_html import COIN_COLUMNS, COLUMNS, coin_rows, comparison_rows, render_execution
from huracan.report.execution_html import write_execution as write
from tests.report.executed import idle_execution, sample_execution
from tests.report.test_html import Tags


def test_page_opens_without_network_and_has_each_picture_once() -> None:
    """No script, no link; orders on candles, the fill curve, slippages, costs."""
    tags = Tags(render_execution(sample_execution()))
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert [target for target in tags.fetched if not target.startswith("#")] == []
    assert tags.names.count("svg") == 4
    for words in ("maker entries in the busiest hours", "Bought within so many bars", "Slippage of entries"):
        assert words in tags.text


def test_page_says_the_result_and_what_it_does_not_show() -> None:
    """The headline first, the caveats last, every cell of the tables in between."""
    report = sample_execution()
    text = Tags(render_execution(report)).text
    assert text.index(report.headline) < text.index("What this does not show") < text.index(report.caveats[-1])
    for row in (*comparison_rows(report), *coin_rows(report)):
        for cell in row:
            assert cell is None or cell in text


def test_page_says_how_maker_first_enters() -> None:
    """Lives, tries and what comes after them are those of the rules."""
    report = sample_execution()
    assert "takes what is left" in render_execution(report)
    assert "gives up" in render_execution(replace(report, maker_fallback="give_up"))


def test_page_without_an_entry_says_so() -> None:
    """No picture is drawn of nothing."""
    tags = Tags(render_execution(idle_execution()))
    assert "Nothing was wanted: there is no execution to judge." in tags.text
    assert tags.names.count("svg") == 0


def test_page_escapes_what_it_was_given() -> None:
    """A name with markup is text, not markup."""
    page = render_execution(sample_execution())
    assert "&lt;candles&gt;" in page
    assert "<candles>" not in page


def test_the_comparison_has_the_figures_side_by_side() -> None:
    """Maker-first, taker-only and their difference, to two digits; a dash where nothing was measured."""
    rows = {row[0]: row[1:] for row in comparison_rows(sample_execution())}
    assert all(len(row) == len(COLUMNS) for row in comparison_rows(sample_execution()))
    assert rows["maker orders sent, of them refused"] == ("5, 1", None, None)
    assert rows["maker orders filled to the end"] == ("20.0 %", None, None)
    maker, taker, minus = rows["entry cost: slippage to close and fee, bp"]
    assert maker is not None
    assert taker is not None
    assert minus is not None
    assert (maker.split()[0], taker.split()[0], minus.split()[0]) == ("+22.66", "+17.48", "+5.18")
    assert rows["all fees, quote currency"] == ("0.50", "0.60", "-0.10")
    assert rows["closed trades, still open"] == ("2, 1", "2, 1", None)


def test_a_coin_stands_in_one_row() -> None:
    """Both ways beside each other, nothing measured is None."""
    (row,) = coin_rows(sample_execution())
    assert row == (
        "AAA/USDT", "3", "5", "40 %", "50 %", "25 %", "+12.6", "+7.5", "+31.9", "+17.5", "+73.3", "+73.3",
    )  # fmt: skip
    (idle,) = coin_rows(idle_execution())
    assert idle == ("AAA/USDT", "0", "0", *(None,) * 9)
    assert len(row) == len(COIN_COLUMNS)


def test_writing_leaves_page_and_json(tmp_path: Path) -> None:
    """Both are whole."""
    page, values = write(sample_execution(), tmp_path / "out")
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert json.loads(values.read_text(encoding="utf-8"))["symbols"] == ["AAA/USDT"]
