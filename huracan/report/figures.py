"""The report's pictures: each function takes plain numbers and returns one inline SVG."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from huracan.report.model import Band, Candle, CostSplit, Curve, TradeMark
from huracan.report.style import (
    ACCENT,
    BAD,
    COST,
    GOOD,
    GRID,
    INK,
    MUTED,
    STYLE,
    cycle,
    dates,
    draw_candles,
    legend_right,
    to_svg,
)

__all__ = ["costs_figure", "equity_figure", "exits_figure", "learning_figure", "trades_figure"]


def equity_figure(policy: Band, baselines: Mapping[str, Sequence[float]], folds: Sequence[tuple[int, str]]) -> str:
    """Draw cumulative net PnL by day: the policy with its bootstrap band, the baselines, the fold borders.

    Args:
        policy: days (ms UTC) with the cumulative net PnL and its interval, account currency.
        baselines: cumulative net PnL by name, one value per day of `policy`.
        folds: (first day ms, label) of each test window.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.6))
        axes = figure.add_subplot()
        days = dates(policy.time_ms)
        axes.fill_between(days, policy.low, policy.high, color=ACCENT, alpha=0.14, linewidth=0, label="interval")
        for (name, values), color in zip(baselines.items(), cycle(len(baselines)), strict=True):
            axes.plot(days, values, color=color, linewidth=1.1, label=name)
        axes.plot(days, policy.mid, color=ACCENT, linewidth=2.2, label="policy")
        axes.axhline(0, color=MUTED, linewidth=0.8)
        for start_ms, label in folds:
            axes.axvline(dates([start_ms])[0], color=GRID, linewidth=1.4)
            axes.annotate(
                label, (dates([start_ms])[0], 1.0), xycoords=("data", "axes fraction"), color=MUTED, fontsize=8,
                xytext=(3, -2), textcoords="offset points", va="top",
            )  # fmt: skip
        axes.set_ylabel("net PnL, account currency")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        legend_right(axes)
        return to_svg(figure)


def trades_figure(symbol: str, candles: Sequence[Candle], trades: Sequence[TradeMark]) -> str:
    """Draw candles of one coin with each trade from entry to exit, green when it won net of costs."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.2))
        axes = figure.add_subplot()
        draw_candles(axes, candles)
        for trade in trades:
            color = GOOD if trade.net > 0 else BAD
            ends = dates([trade.entry_ms, trade.exit_ms])
            axes.plot(ends, [trade.entry_price, trade.exit_price], color=color, linewidth=1.4)
            axes.plot(ends[:1], [trade.entry_price], marker="^", color=color, markersize=6, linestyle="none")
            axes.plot(ends[1:], [trade.exit_price], marker="v", color=INK, markersize=5, linestyle="none")
        axes.set_title(f"{symbol}: {len(trades)} trades (▲ entry, ▼ exit; green won net of costs, red lost)")
        return to_svg(figure)


def exits_figure(counts: Mapping[str, int], mean_net_bps: Mapping[str, float]) -> str:
    """Draw how many trades ended for each reason, with their mean net result in bp of notional."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 2.9))
        axes = figure.add_subplot()
        names = sorted(counts, key=lambda name: counts[name])
        colors = [GOOD if mean_net_bps[name] > 0 else BAD for name in names]
        bars = axes.barh(
            [name.replace("_", " ") for name in names], [counts[n] for n in names], color=colors, alpha=0.8
        )
        axes.bar_label(bars, [f"{counts[n]:,}  ({mean_net_bps[n]:+.1f} bp)" for n in names], padding=4, fontsize=8)
        axes.margins(x=0.35)
        axes.grid(axis="y", visible=False)
        axes.set_title("Exits by reason (mean net bp)")
        return to_svg(figure)


def costs_figure(split: CostSplit) -> str:
    """Draw the exact identity: price move - spread - slippage - fees = net, account currency."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 2.9))
        axes = figure.add_subplot()
        names = ["price move", "spread", "slippage", "fees", "net"]
        values = [split.price, split.spread, split.slippage, split.fee, split.net]
        starts = np.concatenate([[0.0], np.cumsum(values[:-2]), [0.0]])
        colors = [ACCENT, *(COST,) * 3, GOOD if split.net > 0 else BAD]
        bars = axes.bar(names, values, bottom=starts, color=colors, alpha=0.85)
        axes.bar_label(bars, [f"{value:+,.0f}" for value in values], padding=3, fontsize=8)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.use_sticky_edges = False
        axes.margins(y=0.18)
        axes.grid(axis="x", visible=False)
        axes.set_title("Where the money went, account currency")
        return to_svg(figure)


def learning_figure(curves: Sequence[Curve], ylabel: str) -> str:
    """Draw training progress: one line for each fold and seed, colour by fold."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.9))
        axes = figure.add_subplot()
        folds = sorted({curve.fold for curve in curves})
        colors = dict(zip(folds, (ACCENT, *cycle(len(folds))), strict=False))
        labelled: set[int] = set()
        for curve in curves:
            label = None if curve.fold in labelled else f"fold {curve.fold}"
            labelled.add(curve.fold)
            axes.plot(curve.env_steps, curve.value, color=colors[curve.fold], linewidth=1.3, alpha=0.85, label=label)
        axes.set_xlabel("environment steps")
        axes.set_ylabel(ylabel)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:,.0f} k"))
        legend_right(axes)
        return to_svg(figure)
