"""Writes the memory's answer: one self-contained page with its pictures, and the same numbers as JSON."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from huracan.insights import Insights, words
from huracan.market import atomic_file
from huracan.report.html import render_json
from huracan.report.insights_figures import cost_figure, result_figure

__all__ = ["render_insights", "write_insights"]

_PICTURED = ("coin", "regime", "pattern", "hour")
_SETUPS_SHOWN = 12
_FIGURES = 12  # columns of a pattern that are numbers; the others are words, which stand below the table


def write_insights(found: Insights, folder: Path) -> tuple[Path, Path]:
    """Write `insights.html` and `insights.json` into a folder, each whole or not at all; return both paths.

    Raises:
        DataError: the folder cannot be written (no permission, no space).
    """
    texts = {folder / "insights.html": render_insights(found), folder / "insights.json": render_json(found)}
    for path, text in texts.items():
        with atomic_file(path) as file:
            file.write(text.encode("utf-8"))
    page, values = texts
    return page, values


def render_insights(found: Insights) -> str:
    """Return the page: no script, no link, nothing fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("huracan.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    sections = {section.by: section for section in found.sections}
    pictures = [result_figure(sections[by], found.setups) for by in _PICTURED if by in sections]
    pictures.append(cost_figure(sections["exit reason"]))
    return environment.get_template(
        "insights.html"
    ).render(
        d=found,
        headline=words.headline(found),
        verdict=words.setup_line(found),
        level=f"{100 * found.level:g} %",
        pictures=[Markup(picture) for picture in pictures],  # noqa: S704 - drawn here from numbers
        slice_columns=words.SLICE_COLUMNS,
        total=words.slice_row(found.total),
        sections=[(by, [words.slice_row(one) for one in section.slices]) for by, section in sections.items()],
        setup_columns=words.SETUP_COLUMNS,
        setups=words.setup_rows(found, _SETUPS_SHOWN),
        library_columns=words.LIBRARY_COLUMNS[:_FIGURES],
        libraries=[(words.library_line(one), words.library_rows(one)) for one in found.libraries],
        figures=_FIGURES,
        finding_columns=words.FINDING_COLUMNS,
        factor_columns=(*words.FINDING_COLUMNS[:-1], "luck"),
        causes=words.finding_rows(found, won=False),
        factors=words.finding_rows(found, won=True),
        proposal_line=words.proposal_line(found),
        proposal_columns=words.PROPOSAL_COLUMNS,
        proposals=words.proposal_rows(found),
        after_columns=words.AFTER_COLUMNS,
        after=words.after_rows(found),
    )
