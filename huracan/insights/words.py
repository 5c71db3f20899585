"""An answer of the memory as rows of text, the same for terminal and page."""

from collections.abc import Sequence
from datetime import UTC, datetime

from huracan.analysis.days import DayMean
from huracan.insights.model import Insights, Slice
from huracan.memory.patterns import PatternSet, SimilarTrade

__all__ = [
    "AFTER_COLUMNS",
    "FINDING_COLUMNS",
    "LIBRARY_COLUMNS",
    "PROPOSAL_COLUMNS",
    "SETUP_COLUMNS",
    "SIMILAR_COLUMNS",
    "SLICE_COLUMNS",
    "after_rows",
    "finding_rows",
    "headline",
    "library_line",
    "library_rows",
    "proposal_line",
    "proposal_rows",
    "setup_line",
    "setup_rows",
    "similar_rows",
    "slice_row",
]

Row = tuple[str | None, ...]
SLICE_COLUMNS = (
    "", "trades", "win rate", "mean, R", "net", "fees", "slippage", "before costs, bp", "costs, bp", "costs / gross",
)  # fmt: skip
SETUP_COLUMNS = ("known at the entry", "", "stage", "trades", "days", "mean, R", "p", "q")
FINDING_COLUMNS = ("", "trades", "share", "net", "foreseeable")
AFTER_COLUMNS = ("exit", "followed", "best still to come, bp", "after the longest hold, bp")
LIBRARY_COLUMNS = (
    "pattern", "stage", "trades", "days", "coins", "win rate, shrunk", "mean, R", "others, R", "q", "MFE / MAE, R",
    "held", "net", "ends most by", "most in", "what its entries have",
)  # fmt: skip
PROPOSAL_COLUMNS = ("rule", "version", "account", "stop, sigmas", "target, sigmas", "hold, bars", "why")
SIMILAR_COLUMNS = ("trade", "coin", "entry", "pattern", "distance", "result, R", "net", "ended by")


def headline(found: Insights) -> str:
    """Return what was asked and the sum of it in one sentence."""
    total = found.total
    return (
        f"{found.about}: {total.trades:,} closed on {found.days} days from {_day(found.first_ms)} to "
        f"{_day(found.last_ms)}, {_share(total)} won, net {_money(total.net)}"
        + ("" if total.result is None else f", {_mean(total.result, 3)} R a trade")
    )


def setup_line(found: Insights) -> str:
    """Return which setups differ by more than chance, or that none does."""
    compared, claims = len(found.setups), found.claims
    if not claims:
        return (
            f"No setup stands out: {compared} were compared (coin, regime, pattern, hour), and none is better or worse "
            f"than the others by more than chance (false discovery rate {found.claim_rate:.0%})."
        )
    named = [
        f"{setup.stage}: {setup.by} {setup.slice.name} ({_mean(setup.slice.result, 2)} R, q {_chance(setup.q_value)})"
        for setup in claims
    ]
    return (
        f"{len(claims)} of {compared} setups stand out beyond chance (false discovery rate {found.claim_rate:.0%}): "
        + "; ".join(named)
    )


def slice_row(one: Slice) -> Row:
    """Return a slice under `SLICE_COLUMNS`."""
    return (
        one.name,
        f"{one.trades:,}",
        _share(one),
        _mean(one.result, 3),
        _money(one.net),
        _money(one.fees),
        _money(one.slippage),
        f"{one.gross_bps:+.1f}",
        f"{one.cost_bps:.1f}",
        None if one.cost_share is None else f"{one.cost_share:.0%}",
    )


def setup_rows(found: Insights, most: int | None = None) -> list[Row]:
    """Return the setups under `SETUP_COLUMNS`, best supported first."""
    return [
        (
            setup.by,
            setup.slice.name,
            setup.stage,
            f"{setup.slice.trades:,}",
            None if setup.slice.result is None else str(setup.slice.result.days),
            _mean(setup.slice.result, 3),
            _chance(setup.p_value),
            _chance(setup.q_value),
        )
        for setup in found.setups[:most]
    ]


def proposal_line(found: Insights) -> str:
    """Return what the proposals are, and that nobody acts on them by himself."""
    count = len(found.proposals)
    return (
        f"{count} other {'rule' if count == 1 else 'rules'} found on early days and validated on later ones; not "
        "applied automatically: set the rule in `trading`, train and judge anew"
    )


def proposal_rows(found: Insights) -> list[Row]:
    """Return the validated proposals under `PROPOSAL_COLUMNS`."""
    return [
        (
            one.kind,
            one.policy,
            one.account,
            f"{one.rule['stop_sigmas']:.3g}",
            f"{one.rule['target_sigmas']:.3g}",
            f"{one.rule['hold_bars']:g}",
            one.reason,
        )
        for one in found.proposals
    ]


def finding_rows(found: Insights, won: bool) -> list[Row]:
    """Return causes of losses or factors of wins under `FINDING_COLUMNS`."""
    rows = found.factors if won else found.causes
    total = sum(row.trades for row in rows)
    return [
        (
            row.name.replace("_", " "),
            f"{row.trades:,}",
            f"{row.trades / total:.0%}",
            _money(row.net),
            f"{row.foreseen:,}",
        )
        for row in rows
    ]


def after_rows(found: Insights) -> list[Row]:
    """Return what came after exits under `AFTER_COLUMNS`."""
    return [
        (row.reason.replace("_", " "), f"{row.trades:,}", _mean(row.missed_bps, 1), _mean(row.move_bps, 1))
        for row in found.after_exits
    ]


def library_line(found: PatternSet) -> str:
    """Return how a library was made."""
    groups, strengths = len(found.patterns), {number: strength for number, strength, _ in found.tried}
    tried = ", ".join(f"{number}: {strength:.2f}" for number, strength in list(strengths.items())[:6])
    why = (
        f"{groups} groups are the most that are found again on other days (prediction strength {strengths[groups]:.2f})"
        if groups > 1
        else f"no number of groups is found again on other days (0.80 needed; {tried or 'too few days to try'})"
    )
    return (
        f"run {found.run_id}, {found.policy}, {found.account}, {found.mode}, as of {_moment(found.as_of_ms)}: "
        f"{found.trades:,} trades, {found.left_out:,} that cannot be compared; {why}"
    )


def library_rows(found: PatternSet) -> list[Row]:
    """Return a library's patterns under `LIBRARY_COLUMNS`."""
    return [
        (
            f"P{one.number}",
            one.stage,
            f"{one.trades:,}",
            str(one.days),
            str(len(one.coins)),
            f"{one.win_rate:.0%} [{one.win_low:.0%}, {one.win_high:.0%}]",
            _interval(one.mean_r, one.mean_r_low, one.mean_r_high, 2),
            None if one.rest_r is None else f"{one.rest_r:+.2f}",
            _chance(one.q_value),
            f"{one.mfe_r:.2f} / {one.mae_r:.2f}",
            _duration(one.hold_ms),
            _money(one.net),
            f"{one.exits[0][0].replace('_', ' ')} ({one.exits[0][1]:.0%})",
            f"{one.regimes[0][0]} ({one.regimes[0][1]:.0%})",
            one.nature,
        )
        for one in found.patterns
    ]


def similar_rows(found: Sequence[SimilarTrade]) -> list[Row]:
    """Return past trades like one under `SIMILAR_COLUMNS`."""
    return [
        (
            str(one.trade_id),
            one.symbol,
            _moment(one.entry_ms),
            f"P{one.pattern}",
            f"{one.distance:.2f}",
            f"{one.result_r:+.2f}",
            _money(one.net),
            one.exit_reason.replace("_", " "),
        )
        for one in found
    ]


def _share(one: Slice) -> str:
    return f"{one.wins / one.trades:.0%} [{one.win_low:.0%}, {one.win_high:.0%}]"


def _mean(mean: DayMean | None, digits: int) -> str | None:
    return None if mean is None else _interval(mean.mean, mean.low, mean.high, digits)


def _interval(value: float, low: float | None, high: float | None, digits: int) -> str:
    bounds = "no interval" if low is None or high is None else f"{low:+.{digits}f}, {high:+.{digits}f}"
    return f"{value:+.{digits}f} [{bounds}]"


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _money(value: float) -> str:
    return f"{value:+,.{0 if abs(value) >= 1_000 else 2}f}"


def _duration(length_ms: int) -> str:
    minutes = length_ms / 60_000
    return (
        f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.1f} h"
        if minutes < 2_880
        else f"{minutes / 1_440:.1f} d"
    )


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d")


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
