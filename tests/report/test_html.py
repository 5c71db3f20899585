"""The page and the JSON of a report."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from huracan.errors import DataError
from huracan.memory import standing
from huracan.report import render_html, render_json, write_report
from huracan.report.model import Estimate, TrialRow
from tests.report.sample import sample_report

PAGE_PX = 1_012  # page.css: 1060 wide at most, 24 of padding at each side
LETTER_PX = 8.3  # a digit of DejaVu Sans, the widest of the usual faces, at 13 px
PADDING_PX = 20


class Tags(HTMLParser):
    """Collects tags, attributes that fetch, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and whatever it would load."""
        self.names.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href", "data", "srcset"}]

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data + " "


def test_page_opens_without_network() -> None:
    """The page loads nothing: no script, no link, no image, no style from elsewhere."""
    page = render_html(sample_report())
    tags = Tags(page)
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert [target for target in tags.fetched if not target.startswith("#")] == []
    assert not re.search(r"@import|url\((?!#)", page)


def test_page_has_each_picture_once() -> None:
    """Equity, exits, costs, reasons, holds, learning and one picture per excerpt are drawn."""
    tags = Tags(render_html(sample_report()))
    assert tags.names.count("svg") == 7
    for words in ("Exits by reason", "Where the money went", "AAA/USDT: 1 trades", "fold 1", "environment steps"):
        assert words in tags.text


def test_page_says_what_was_traded_on_paper_and_whether_it_is_what_shadow_promised() -> None:
    """Agreement, a difference with its lines, and nothing to compare are three different sentences."""
    report = sample_report()
    assert report.paper is not None
    text = Tags(render_html(report)).text
    assert "Parity holds" in text
    assert "360 closes" in text
    line = "ADA/USDT at 1750000000000: steps_in is 10 in shadow and 11 on paper"
    apart = replace(report.paper, parity_differences=1, parity_lines=("5 trades on both sides, 1 differences", line))
    text = Tags(render_html(replace(report, paper=apart))).text
    assert "Parity does not hold" in text
    assert line in text
    idle = replace(report.paper, trades=0, parity_trades=0, parity_denials=0)
    assert "nothing to hold against shadow" in Tags(render_html(replace(report, paper=idle))).text
    assert "Served, and trading on paper" not in Tags(render_html(replace(report, paper=None))).text


def test_page_says_the_verdict_and_that_it_is_unproven() -> None:
    """The verdict stands first, with its reason; what passed no gate is labelled, a champion by hand too."""
    report = sample_report()
    text = Tags(render_html(report)).text
    assert report.verdict in text
    assert report.verdict_reason in text
    assert "UNPROVEN" in text
    by_hand = replace(report, stage="champion", standing=standing("champion", proven=False))
    assert "champion, promoted by hand: UNPROVEN" in Tags(render_html(by_hand)).text
    passed = replace(report, stage="champion", proven=True, standing=standing("champion", proven=True), paper=None)
    text = Tags(render_html(passed)).text
    assert "UNPROVEN" not in text
    assert "champion, passed the promotion gate" in text


def test_the_main_table_fits_a_page_of_1200_pixels() -> None:
    """With six digits before the point no column is wider than its words, and all stand beside each other."""
    big = Estimate(-123_456.78, -234_567.89, 345_678.91)
    row = replace(
        sample_report().policy_row, net=-987_654.32, trades=123_456, net_per_day=big, policy_minus_this=big,
        sharpe_year=-12.34, drawdown_max=987_654.32, name="random, 20 copies (interval over copies)",
    )  # fmt: skip
    page = render_html(replace(sample_report(), policy_row=row, baseline_rows=(row,)))
    table = page[page.index("<th>policy and baselines") :].split("</table>")[0]
    columns = [table_width(cells) for cells in zip(*table_rows(table), strict=True)]
    assert len(columns) == 8
    assert sum(columns) <= PAGE_PX


def table_rows(table: str) -> list[list[tuple[bool, list[str]]]]:
    """Return per row and cell whether its words may be broken into lines, and its lines."""
    rows = []
    for row in table.split("<tr>"):
        found = re.findall(r"<(t[hd][^>]*)>(.*?)</t[hd]>", row, re.DOTALL)
        cells = [(tag != "td", re.sub(r"<(?!br)[^>]*>", "", cell).split("<br>")) for tag, cell in found]
        rows += [cells] if cells else []
    return rows


def table_width(cells: Sequence[tuple[bool, list[str]]]) -> float:
    """Return the least pixels that a column needs: its longest piece that cannot be broken, and the padding."""
    pieces = [piece for breaks, lines in cells for line in lines for piece in (line.split() if breaks else [line])]
    return PADDING_PX + LETTER_PX * max(len(piece.strip()) for piece in pieces)


def test_the_names_of_searched_settings_break_inside_their_columns() -> None:
    """Ten settings stand beside each other: a name may go on in the next line after a dot or an underscore."""
    trial = TrialRow("t1", "done", 1, 0.5, {"trading.decision_interval_bars": 60, "<b>.x": 1})
    page = render_html(replace(sample_report(), trials=(trial,)))
    assert "trading.<wbr>decision_<wbr>interval_<wbr>bars<wbr>" in page
    assert "&lt;b&gt;.<wbr>x" in page


def test_page_says_when_there_was_no_trade() -> None:
    """Without trades there are no exit and cost pictures but a sentence."""
    report = replace(sample_report(), trades=0, exits=(), excerpts=(), analysis=None)
    tags = Tags(render_html(report))
    assert "chose not to trade" in tags.text
    assert tags.names.count("svg") == 2


def test_page_names_who_was_left_out_of_a_fold() -> None:
    """A fold's missing coins stand below the folds with their reasons, and in the JSON; a whole fold says nothing."""
    report = sample_report()
    text = Tags(render_html(report)).text
    assert "Left out of fold 0: BBB/USDT (covers 20% of the training window, half is needed)." in text
    assert "Left out of fold 1" not in text
    first, second = json.loads(render_json(report))["fold_rows"]
    assert first["left_out"] == [{"symbol": "BBB/USDT", "reason": "covers 20% of the training window, half is needed"}]
    assert second["left_out"] == []


def test_page_escapes_what_it_was_given() -> None:
    """A name with markup is text, not markup."""
    page = render_html(sample_report())
    assert "synthetic &lt;candles&gt;" in page
    assert "<candles>" not in page


def test_json_holds_the_same_numbers() -> None:
    """The JSON has the fields that tools read, and a value that is not finite is null."""
    report = replace(sample_report(), random_p_value=math.nan)
    read = json.loads(render_json(report))
    assert read["env_steps"] == 1_200_000
    assert read["seeds"] == [1, 2]
    assert read["folds"] == 2
    assert read["trades"] == 4
    assert [phase["wall_s"] for phase in read["phases"]] == [60.0, 5.0]
    assert read["random_p_value"] is None
    assert read["policy_row"]["net_per_day"] == {"value": -2.08, "low": -5.5, "high": 1.25}


def test_an_estimate_without_interval_shows_none() -> None:
    """Where no interval could be computed, none is shown."""
    report = sample_report()
    row = replace(report.policy_row, net_per_day=Estimate(3.5, None, None))
    page = render_html(replace(report, policy_row=row, seed_rows=(), baseline_rows=(), coin_rows=()))
    assert "+3.50" in page


def test_writing_leaves_two_whole_files(tmp_path: Path) -> None:
    """Both files are there, and no partial one."""
    html_path, json_path = write_report(sample_report(), tmp_path / "out")
    assert html_path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(json_path.read_text(encoding="utf-8"))["run_id"] == "run-1"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A file in the folder's place is named, with what to do."""
    blocked = tmp_path / "blocked"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match=r"blocked.report\.html: cannot be written"):
        write_report(sample_report(), blocked)


def test_page_says_why_trades_won_and_lost() -> None:
    """Reasons, base rates, regimes, the hold curve, proposals with their verdict, and what is not known."""
    text = " ".join(Tags(render_html(sample_report())).text.split())
    for words in (
        "10 of 11 closed trades beside their candles: 4 won, 6 lost",
        "+13.0 bp a trade [-4.0, +30.0] , +3.5 after shrinkage",
        "1 losses had a reason that was known at the entry and that tells losses from wins",
        "late entry 6 1 1 -0.90 30 % 25 %",
        "shock in favour luck",
        "knows no more than their mean",
        "calm, sideways 7 43 % -5.0 [-30.0, +12.0] 30 not proven to pay",
        "hold refused stop 0.7, target 1.06 sigmas, 120 bars later days: -3.0 bp",
        "Not known: 1 of 11 trades ended with their data",
    ):
        assert words in text, words
    assert "Why trades won and lost" not in Tags(render_html(replace(sample_report(), analysis=None))).text


def test_page_shows_every_demand_of_the_gate() -> None:
    """Figure beside threshold, met or not, what is missing in words, escaped; without a gate no chapter."""
    page = render_html(sample_report())
    text = " ".join(Tags(page).text.split())
    assert "run-1-all refused 6 days in 2 folds, 3 seeds, 400 closed trades, 17 tried on these candles." in text
    assert "Daily Sharpe ratio -0.250; the best of all tried reaches 0.125 without skill." in text
    assert "No number of days shows a ratio that is not positive." in text
    assert "days: test days at least, and MinTRL at the observed ratio 6 60 no 54 more days" in text
    assert "dsr: deflated Sharpe ratio at least – 0.95 no constant at 0 <over> 6 days" in text
    assert "closed trades at least 400 100 yes 400 closed trades" in text
    assert "Promotion gate" not in render_html(replace(sample_report(), gates=()))
    assert json.loads(render_json(sample_report()))["gates"][0]["criteria"][1]["figure"] is None
