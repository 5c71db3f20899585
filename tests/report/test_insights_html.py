"""The page of an answer: opens without a network, says what stands out first, and holds every table."""

import json
from dataclasses import replace
from pathlib import Path

from huracan.insights import words
from huracan.report.insights_html import render_insights, write_insights
from tests.insights.answers import sample_answer
from tests.report.test_html import Tags


def test_page_opens_without_network_and_escapes_what_comes_from_outside() -> None:
    """No script, no link; five pictures; a gap's words stay words."""
    page = render_insights(sample_answer())
    tags = Tags(page)
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert [target for target in tags.fetched if not target.startswith("#")] == []
    assert tags.names.count("svg") == 5
    assert "nothing &lt;else&gt;" in page


def test_page_says_what_stands_out_before_its_tables() -> None:
    """The verdict first, every row of every table after it."""
    found = sample_answer()
    text = Tags(render_insights(found)).text
    assert words.setup_line(found) in text
    rows = [words.slice_row(one) for section in found.sections for one in section.slices]
    rows += [*words.library_rows(found.libraries[0]), *words.finding_rows(found, won=False), *words.after_rows(found)]
    rows += words.proposal_rows(found)
    assert words.proposal_line(found) in text
    for row in rows:
        for cell in row:
            assert cell is None or cell in text


def test_page_without_libraries_and_analyses_leaves_their_parts_out() -> None:
    """No empty tables."""
    bare = replace(sample_answer(), libraries=(), causes=(), factors=(), after_exits=(), proposals=(), gaps=())
    text = Tags(render_insights(bare)).text
    for words_ in ("Patterns", "Why trades lost and won", "What was left after exits", "Other stops", "Not known"):
        assert words_ not in text


def test_page_and_json_hold_the_same(tmp_path: Path) -> None:
    """Both files are written, whole."""
    found = sample_answer()
    page, values = write_insights(found, tmp_path / "new")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(values.read_text(encoding="utf-8"))["total"]["net"] == found.total.net
