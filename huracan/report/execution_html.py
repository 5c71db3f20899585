"""Writes an execution report: one self-contained page with its pictures, the same numbers as JSON, and its tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from huracan.report.execution_figures import cost_figure, curve_figure, orders_figure, slippage_figure
from huracan.report.execution_model import ExecutionReport, Mean, Part
from huracan.report.html import render_json, write_pages

__all__ = ["COIN_COLUMNS", "COLUMNS", "coin_rows", "comparison_rows", "render_execution", "write_execution"]

Row = tuple[str | None, ...]
COLUMNS = ("what", "maker-first", "taker-only", "difference")
COIN_COLUMNS = (
    "coin", "entries", "maker orders", "of them filled", "bought resting", "not bought",
    "slippage, bp", "taker-only", "shortfall, bp", "taker-only", "net a trade, bp", "taker-only",
)  # fmt: skip


def write_execution(report: ExecutionReport, folder: Path) -> tuple[Path, Path]:
    """Write a report into `folder` and return the paths of its page and its JSON.

    Raises:
        DataError: the folder cannot be written (no permission, no space).
    """
    return write_pages(folder, render_execution(report), render_json(report))


def render_execution(report: ExecutionReport) -> str:
    """Return the page: no script, no link, nothing fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("huracan.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    maker, taker = report.maker, report.taker
    pictures = []
    if maker.slippages or taker.slippages:
        pictures = [
            curve_figure(maker.fill_curve, taker.fill_curve, report.maker_life_bars, report.maker_tries),
            slippage_figure(maker.slippages, taker.slippages),
            cost_figure(maker.total, taker.total),
        ]
    return environment.get_template("execution.html").render(
        d=report,
        excerpt=Markup(orders_figure(report.excerpt)) if report.excerpt else "",  # noqa: S704 - drawn here from numbers
        pictures=[Markup(picture) for picture in pictures],  # noqa: S704
        columns=COLUMNS,
        rows=comparison_rows(report),
        coin_columns=COIN_COLUMNS,
        coins=coin_rows(report),
        level=f"{100 * report.level:g} %",
        moment=lambda time_ms: datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def comparison_rows(report: ExecutionReport) -> list[Row]:
    """Return maker-first beside taker-only, a row per figure under `COLUMNS`; None where nothing was measured."""
    maker, taker, minus = report.maker.total, report.taker.total, report.differences
    rows: list[Row] = [
        ("entries decided", f"{maker.entries}", f"{taker.entries}", None),
        ("maker orders sent, of them refused", _orders(maker), _orders(taker), None),
        ("maker orders with a fill", _share(maker.fill_rate), _share(taker.fill_rate), None),
        ("maker orders filled to the end", _whole(maker), _whole(taker), None),
        ("bought resting", _share(maker.maker_share), _share(taker.maker_share), None),
        ("bought by taking", _share(maker.taker_share), _share(taker.taker_share), None),
        ("not bought", _share(maker.missed_share), _share(taker.missed_share), None),
        ("bars to the first resting fill, median", _plain(maker.bars_to_fill), _plain(taker.bars_to_fill), None),
    ]
    for name, words in (
        ("slippage_close", "slippage against the decision's close, bp"),
        ("slippage_open", "slippage against the next open, bp"),
        ("fee", "entry fee, bp"),
        ("entry_cost", "entry cost: slippage to close and fee, bp"),
        ("shortfall", f"shortfall: the missed bought after {report.patience_bars} bars, bp of all wanted"),
    ):
        rows.append((words, _bps(getattr(maker, name)), _bps(getattr(taker, name)), _bps(minus[name])))
    for bars in maker.markout_resting:
        words = f"price {bars} bar{'s' if bars > 1 else ''} after a fill (resting, taking), bp"
        rows.append((words, _bps(maker.markout_resting[bars]), _bps(taker.markout_taking[bars]), None))
    after = f"price {report.patience_bars} bars after the decision, of what was not bought, bp"
    rows += [
        (after, _bps(maker.missed_move), _bps(taker.missed_move), None),
        ("closed trades, still open", _trades(maker, report.maker.open_at_end),
         _trades(taker, report.taker.open_at_end), None),
        ("net result a trade, bp", _bps(maker.net_bps), _bps(taker.net_bps), _bps(minus["net_bps"])),
        ("net result, quote currency", f"{maker.net:+,.2f}", f"{taker.net:+,.2f}", f"{maker.net - taker.net:+,.2f}"),
        ("all fees, quote currency", f"{maker.fees:,.2f}", f"{taker.fees:,.2f}", f"{maker.fees - taker.fees:+,.2f}"),
    ]  # fmt: skip
    return rows


def coin_rows(report: ExecutionReport) -> list[Row]:
    """Return a row per coin under `COIN_COLUMNS`, without intervals: the JSON has them."""
    others: Mapping[str, Part] = {part.symbol: part for part in report.taker.coins}
    return [
        (
            part.symbol,
            f"{part.entries}",
            f"{part.orders}",
            _percent(part.fill_rate),
            _percent(part.maker_share),
            _percent(part.missed_share),
            _number(part.slippage_close),
            _number(others[part.symbol].slippage_close),
            _number(part.shortfall),
            _number(others[part.symbol].shortfall),
            _number(part.net_bps),
            _number(others[part.symbol].net_bps),
        )
        for part in report.maker.coins
    ]


def _orders(part: Part) -> str | None:
    return f"{part.orders}, {part.orders_refused}" if part.orders else None


def _whole(part: Part) -> str | None:
    return f"{100 * part.orders_whole / part.orders:.1f} %" if part.orders else None


def _trades(part: Part, still_open: int) -> str:
    return f"{part.trades}, {still_open}"


def _share(mean: Mean | None) -> str | None:
    if mean is None:
        return None
    return f"{100 * mean.value:.1f} % [{100 * mean.low:.1f}, {100 * mean.high:.1f}]"


def _bps(mean: Mean | None) -> str | None:
    if mean is None:
        return None
    return f"{_signed(mean.value, 2)} [{_signed(mean.low, 2)}, {_signed(mean.high, 2)}]"


def _percent(mean: Mean | None) -> str | None:
    return None if mean is None else f"{100 * mean.value:.0f} %"


def _number(mean: Mean | None) -> str | None:
    return None if mean is None else _signed(mean.value, 1)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign; what rounds to zero has none."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def _plain(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"
