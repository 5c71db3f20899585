"""Writes a report: one self-contained HTML file with its pictures, and the same numbers as JSON."""

import json
import math
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from huracan.market import atomic_file
from huracan.report.analysis_figures import holds_figure, rules_figure
from huracan.report.figures import costs_figure, equity_figure, exits_figure, learning_figure, trades_figure
from huracan.report.model import ReportData

__all__ = ["render_html", "render_json", "write_pages", "write_report"]


def write_report(data: ReportData, folder: Path) -> tuple[Path, Path]:
    """Write a run's report into `folder` and return the paths of its page and its JSON.

    Raises:
        DataError: the folder cannot be written (no permission, no space).
    """
    return write_pages(folder, render_html(data), render_json(data))


def write_pages(folder: Path, page: str, values: str) -> tuple[Path, Path]:
    """Write `report.html` and `report.json` into `folder`, each whole or not at all; return both paths.

    Raises:
        DataError: the folder cannot be written (no permission, no space).
    """
    texts = {folder / "report.html": page, folder / "report.json": values}
    for path, text in texts.items():
        with atomic_file(path) as file:
            file.write(text.encode("utf-8"))
    html_path, json_path = texts
    return html_path, json_path


def render_json(data: Any) -> str:
    """Return a dataclass as JSON text; a value that is not finite becomes null."""
    return json.dumps(_finite(asdict(data)), indent=1, allow_nan=False)


def render_html(data: ReportData) -> str:
    """Return the page: no script, no link, nothing fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("huracan.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pictures: dict[str, Any] = {
        "equity": Markup(  # noqa: S704 - drawn here from numbers
            equity_figure(
                data.equity, data.baselines, [(row.test_start_ms, f"fold {row.fold}") for row in data.fold_rows]
            )
        ),
        "exits": "",
        "costs": "",
        "rules": "",
        "holds": "",
        "learning": Markup(learning_figure(data.curves, "mean reward per decision")),  # noqa: S704
        "trades": [Markup(trades_figure(e.symbol, e.candles, e.trades)) for e in data.excerpts],  # noqa: S704
    }
    if data.exits:
        counts = {row.reason: row.trades for row in data.exits}
        means = {row.reason: row.mean_net_bps for row in data.exits}
        pictures["exits"] = Markup(exits_figure(counts, means))  # noqa: S704
        pictures["costs"] = Markup(costs_figure(data.costs))  # noqa: S704
    if data.analysis is not None:
        a = data.analysis
        drawn = rules_figure(a.causes, a.factors, (a.unexplained_losses, a.unexplained_wins))
        pictures["rules"] = Markup(drawn)  # noqa: S704
        if a.curve.points:
            pictures["holds"] = Markup(holds_figure(a.curve, a.hold_bars))  # noqa: S704
    return environment.get_template("template.html").render(
        d=data,
        f=pictures,
        level=f"{100 * data.confidence_level:g} %",
        created=datetime.fromtimestamp(data.created_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
        moment=lambda time_ms: datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M"),
        day=lambda time_ms: datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d"),
        amount=_amount,
        breakable=_breakable,
        trial_keys=sorted({name for trial in data.trials for name in trial.parameters}),
    )


def _amount(value: float, sign: str = "+") -> str:
    """Return money in so many digits as a reader needs: whole units from a thousand on, two decimals below."""
    return f"{value:{sign},.{0 if abs(value) >= 1_000 else 2}f}"


def _breakable(name: str) -> Markup:
    """Return a setting's dotted name with places where a narrow column may break it."""
    return Markup("").join(Markup("{}<wbr>").format(part) for part in re.findall(r"[^._]*[._]?", name) if part)


def _finite(value: Any) -> Any:
    """Return `value` with tuples and arrays as lists and non-finite floats as None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        items = value.tolist() if hasattr(value, "tolist") else value
        return [_finite(item) for item in items] if isinstance(items, (list, tuple)) else _finite(items)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
