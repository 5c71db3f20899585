"""The screen of `huracan status`: what matters first, one line a fact, in 80 columns or more."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from huracan.market import format_ms

if TYPE_CHECKING:
    from huracan.commands.status import Found
    from huracan.signals.contract_status import StatusAnswer

__all__ = ["screen"]

_WIDE: Final = 110
_LABEL: Final = 10
_ROWS: Final = 5  # of a list; the rest is counted
_BAR: Final = 12
_COLOURS: Final = {"critical": "bold red", "warning": "yellow", "info": "dim", "act": "bold white on red"}
_HEADLINES: Final = {
    "act": ("ACT NOW", "bold white on red"),
    "look": ("LOOK TODAY", "bold black on yellow"),
    "ok": ("ALL WELL", "bold black on green"),
}
_STATES: Final = {"ACTIVE": "bold green", "REDUCING": "bold yellow", "HALTED": "bold red"}


def screen(found: "Found", width: int) -> RenderableType:
    """Return the screen.

    Args:
        found: what there is.
        width: columns; from 110 on limits stand beside the versions.
    """
    parts: list[RenderableType] = [_head(found), *_next(found), Rule(style="dim")]
    row = found.status
    if row is None:
        parts.append(_facts([("database", Text(found.database.problem, style="yellow")), *_parts(found)]))
        return Group(*parts)
    parts.append(_facts([*_account(row), ("database", Text(found.database.where or "embedded")), *_parts(found)]))
    versions, limits = _versions(row), _limits(row)
    if width >= _WIDE:
        grid = Table.grid(expand=True, padding=(0, 2))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(versions, limits)
        parts += [Rule(style="dim"), grid]
    else:
        parts += [Rule(style="dim"), versions, limits]
    parts += _wrong(row, found.at_ms)
    return Group(*parts)


def _head(found: "Found") -> RenderableType:
    words, style = _HEADLINES[found.headline]
    if found.headline == "ok" and (found.status is None or found.status.holder is None):
        words, style = ("NOTHING RUNS", "bold") if found.status is None else ("NOBODY TRADES", "bold")
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    row = found.status
    title = Text(f" {words} ", style=style)
    if row is not None:
        title.append(f"  {row.account} ({row.mode or 'never traded'})  ", style="default")
        title.append(row.state, style=_STATES.get(row.state, "bold"))
    grid.add_row(title, Text(format_ms(found.at_ms), style="dim"))
    return grid


def _next(found: "Found") -> Iterator[RenderableType]:
    """Yield what to do, the most urgent first."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for one in found.next[: 2 * _ROWS]:
        mark = {"critical": "!", "warning": "*", "info": "-"}[one.level]
        line = Text(one.why, style="default" if one.level == "info" else _COLOURS[one.level])
        line.append(f"  -> {one.do}", style="cyan")
        grid.add_row(Text(mark, style=_COLOURS[one.level]), line)
    if not found.next:
        grid.add_row(Text("-", style="dim"), Text("nothing to do"))
    if len(found.next) > 2 * _ROWS:
        grid.add_row("", Text(f"and {len(found.next) - 2 * _ROWS} more: huracan status --json", style="dim"))
    yield Padding(grid, (0, 0, 0, 1))


def _facts(rows: "list[tuple[str, Text]]") -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_LABEL, style="dim")
    grid.add_column(overflow="fold")
    for label, words in rows:
        grid.add_row(label, words)
    return Padding(grid, (0, 0, 0, 1))


def _account(row: "StatusAnswer") -> "Iterator[tuple[str, Text]]":
    if row.equity is not None:
        unit = row.currency or ""
        money = Text(f"{float(row.equity):,.2f} {unit}", style="bold")
        if row.day_result is not None:
            style = "green" if row.day_result > 0 else "red" if row.day_result < 0 else "default"
            money.append(f"   today {row.day_result:+,.2f}", style=style)
        if row.cash is not None:
            money.append(f"   cash {float(row.cash):,.2f}", style="default")
        yield "money", money
    held = Text(f"{row.positions} positions, {row.orders} orders")
    if row.unknown_orders:
        held.append(f", {row.unknown_orders} of unknown fate", style="bold red")
    yield "open", held
    if row.holder is None:
        yield "trader", Text("none", style="dim")
    else:
        yield "trader", Text(f"{row.holder}, lease for {row.holder_for_s:.0f} s")
    if row.market_ms is not None and row.data_age_s is not None:
        data = Text(f"closed at {format_ms(row.market_ms)}, ")
        stale = row.data_stale is True
        data.append(f"{_length(row.data_age_s)} ago", style="bold red" if stale else "default")
        yield "data", data
    if row.state != "ACTIVE" or row.breaker:
        why = f"{row.state} by {row.state_author}: {row.state_reason}"
        yield "state", Text(why, style="yellow")
    for lock in row.locks[:_ROWS]:
        until = "until unlocked" if lock.until_ms is None else f"until {format_ms(lock.until_ms)}"
        yield "lock", Text(f"{lock.symbol} {lock.code} {until}: {lock.detail}", style="yellow")
    monitor = row.monitor
    if monitor.state == "none":
        yield "monitor", Text("none", style="dim")
    elif monitor.state == "missing":
        yield "monitor", Text("none, and one is expected", style="bold red")
    else:
        style = "default" if monitor.state == "beats" else "bold red"
        yield "monitor", Text(f"said it works {_length(monitor.age_s or 0)} ago, {monitor.holder}", style=style)
    told = row.notices
    if told.destinations or told.waiting or told.failed:
        words = f"{told.destinations} destinations; last day {told.sent} sent, {told.held} held, {told.failed} failed"
        yield "notices", Text(f"{words}; {told.waiting} wait", style="yellow" if told.failed else "default")


def _parts(found: "Found") -> "Iterator[tuple[str, Text]]":
    if found.parts is None:
        yield "served", Text("no cluster runs", style="dim")
        return
    line = Text()
    for part in found.parts:
        line.append("" if not line else "   ")
        line.append(f"{part.name} ")
        style = "green" if part.ok else "dim" if not part.there else "bold red"
        line.append(part.state.lower(), style=style)
    yield "served", line or Text("Ray does not answer", style="bold red")


def _versions(row: "StatusAnswer") -> RenderableType:
    table = _table("version", "scope", "standing")
    for one in row.versions[: 2 * _ROWS]:
        table.add_row(one.version, one.scope, Text(one.standing, style="default" if one.proven else "yellow"))
    if not row.versions:
        table.add_row(Text(row.versions_problem or "none", style="yellow" if row.versions_problem else "dim"), "", "")
    if len(row.versions) > 2 * _ROWS:
        table.add_row(Text(f"and {len(row.versions) - 2 * _ROWS} more", style="dim"), "", "")
    return table


def _limits(row: "StatusAnswer") -> RenderableType:
    table = _table("limit", "used", "of", "")
    for one in row.limits:
        if one.limit is None:
            table.add_row(one.name, f"{one.used:.4g}", "-", "")
            continue
        share = min(1.0, max(0.0, one.used / one.limit)) if one.limit > 0 else 1.0
        style = "red" if share >= 0.9 else "yellow" if share >= 0.7 else "green"
        full = round(share * _BAR)
        bar = Text("█" * full, style=style)
        bar.append("·" * (_BAR - full), style="dim")
        table.add_row(one.name, f"{one.used:.4g}", f"{one.limit:.4g}", bar)
    if not row.limits:
        table.add_row(Text("none known yet", style="dim"), "", "", "")
    return table


def _wrong(row: "StatusAnswer", now_ms: int) -> Iterator[RenderableType]:
    if row.anomalies:
        table = _table("open anomaly", "since", "what")
        for one in row.anomalies[:_ROWS]:
            since = one.since_ms if one.since_ms is not None else one.noticed_ms
            name = Text(one.detector, style=_COLOURS[one.severity])
            about = f"{one.subject}: " if one.subject and one.subject not in one.words else ""
            table.add_row(name, _length((now_ms - since) / 1_000), f"{about}{one.words}")
        _more(table, len(row.anomalies))
        yield from (Rule(style="dim"), table)
    if row.remedies:
        table = _table("remedy", "", "ago", "why")
        for done in row.remedies[:_ROWS]:
            state = Text(done.state, style={"applied": "bold yellow", "failed": "bold red"}.get(done.state, "dim"))
            what = f"{done.kind} {done.subject}".strip()
            table.add_row(what, state, _length((now_ms - done.at_ms) / 1_000), done.reason)
        _more(table, len(row.remedies))
        yield from (Rule(style="dim"), table)
    if row.errors_hour:
        table = _table("last hour", "process", "times", "last")
        for kind in row.errors_hour[:_ROWS]:
            name = Text(kind.event, style="default" if kind.level == "warning" else "red")
            table.add_row(name, kind.process, str(kind.count), f"{_length((now_ms - kind.last_ms) / 1_000)} ago")
        _more(table, len(row.errors_hour))
        yield from (Rule(style="dim"), table)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=True, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in ("used", "of", "times") else "left")
    return table


def _more(table: Table, count: int) -> None:
    if count > _ROWS:
        table.add_row(Text(f"and {count - _ROWS} more", style="dim"))


def _length(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
