"""`huracan monitor`: the watch over everything; `huracan serve up` starts it, and `run` does where there is no Ray."""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from huracan.config import Settings

__all__ = ["monitor"]

_END_S = 30.0
_PAUSE_S = 0.1
_HOUR_MS = 3_600_000


@click.group()
def monitor() -> None:
    """Who watches: measures, finds what is wrong, acts within limits, tells people; no monitor, no new risk."""


@command(monitor, "run")
@click.option("--metrics-port", type=click.IntRange(0, 65_535), help="Port of Prometheus metrics on loopback; 0: free.")
def run(terminal: Terminal, metrics_port: int | None) -> None:
    """Watch from this process until Ctrl-C or SIGTERM, for a trader that runs without `huracan serve up`."""
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.health.gauges import GAUGES, Gauges
    from huracan.health.monitor import watch_over
    from huracan.health.wiring import open_monitor
    from huracan.trader.prometheus import PrometheusMeter

    settings = _with_database(terminal.settings())
    meter = None if metrics_port is None else PrometheusMeter(GAUGES)
    show, stop = None if meter is None else Gauges(meter).show, threading.Event()
    found = open_monitor(settings, home_folder(), WallClock(), show=show)
    where = None if meter is None or metrics_port is None else meter.serve(metrics_port)

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    limit_s = max(60.0, 4 * settings.health.interval_s)
    threading.Thread(target=watch_over, args=(found, limit_s, stop), daemon=True).start()
    facts = {"holder": found.holder, "interval_s": settings.health.interval_s, "account": settings.execution.account}
    facts["metrics"] = where
    terminal.show(facts, f"watching as {found.holder}, every {settings.health.interval_s:g} s; Ctrl-C ends it")
    sys.stdout.flush()
    found.run(stop)


@command(monitor, "status")
def status(terminal: Terminal) -> None:
    """Show who watches, since when it has not been heard, and which traders deny entries for it now."""
    from huracan.health.expected import denies, watches_of
    from huracan.health.store import MONITOR, monitor_ended
    from huracan.memory import open_database
    from huracan.memory.health_rows import open_anomalies
    from huracan.memory.heartbeats import read_heartbeats

    settings = terminal.settings()
    engine = open_database(settings.database)
    try:
        beats, anomalies = read_heartbeats(engine, MONITOR), open_anomalies(engine)
        beat = beats[0] if beats else None
        watches = watches_of(engine, settings.health, beat)
    finally:
        engine.dispose()
    by_setting = denies(settings.health, "paper", None if beat is None else beat.age_s)
    limit_s = settings.health.monitor_silent_s
    silent = any(one.denied for one in watches) if watches else by_setting[1]
    result = {
        "holder": None if beat is None else beat.holder,
        "age_s": None if beat is None else beat.age_s,
        "expected": any(one.expected for one in watches) if watches else by_setting[0],
        "entries_denied": silent,
        "accounts": watches,
        "ended": beat is not None and monitor_ended(beat.holder),
        "detail": {} if beat is None else beat.detail,
        "anomalies": len(anomalies),
    }

    def show() -> None:
        rows = [
            ("monitor", "none was started, or it was stopped" if beat is None else beat.holder),
            ("last heard", None if beat is None else f"{beat.age_s:.1f} s ago"),
            ("open anomalies", len(anomalies)),
        ]
        reason = "there is none" if beat is None else f"silent for more than {limit_s:g} s"
        words = {True: f"DENIED: {reason}", False: "allowed"}
        if not watches:
            rows.append(("new risk", f"{words[silent]} on paper; live trading never goes on without a monitor"))
        rows += [(f"new risk, {one.account} ({one.mode})", words[one.denied]) for one in watches]
        terminal.table("", ("what", "value"), rows)
        if result["ended"]:
            click.echo("it ended without being stopped; start it again, or: huracan monitor stop", err=True)

    terminal.show(result, show)


@command(monitor, "stop")
@click.option("--forget", is_flag=True, help="Also when it is on another machine and cannot be seen to have ended.")
def stop(terminal: Terminal, forget: bool) -> None:
    """End the monitor of this machine, or take away what a dead one left: traders wait for it no more."""
    from huracan.errors import RefusedError
    from huracan.health.store import MONITOR, monitor_ended
    from huracan.memory import open_database
    from huracan.memory.heartbeats import forget_heartbeat, read_heartbeats
    from huracan.trader.access import person

    engine = open_database(terminal.settings().database)
    try:
        beats = read_heartbeats(engine, MONITOR)
        if not beats:
            terminal.show({"stopped": False, "holder": None}, "no monitor runs")
            return
        holder = beats[0].holder
        place, _, number = holder.rpartition(":")
        if not monitor_ended(holder) and not forget:
            if place.rpartition("@")[2] != person().rpartition("@")[2]:
                raise RefusedError(f"{holder} is on another machine; stop it there, or give --forget if it is gone")
            if _on_ray(int(number)):
                raise RefusedError(f"{holder} belongs to `huracan serve up`; `huracan serve down` stops it")
            os.kill(int(number), signal.SIGTERM)
            give_up_s = time.monotonic() + _END_S
            while not monitor_ended(holder):
                if time.monotonic() > give_up_s:
                    raise RefusedError(f"{holder} did not end within {_END_S:g} s; look at its log")
                time.sleep(_PAUSE_S)
        forget_heartbeat(engine, MONITOR, holder)
    finally:
        engine.dispose()
    terminal.show({"stopped": True, "holder": holder}, f"stopped {holder}")


@command(monitor, "errors")
@click.option("--hours", type=click.FloatRange(min=0.01), default=24.0, show_default=True, help="How far back.")
@click.option("--level", type=click.Choice(["warning", "error", "critical"]), help="Only this one.")
def errors(terminal: Terminal, hours: float, level: str | None) -> None:
    """List warnings and errors of all processes by kind: first and last seen, how often, the newest example."""
    from huracan.clock import WallClock
    from huracan.market import format_ms
    from huracan.memory import open_database
    from huracan.memory.health_rows import read_errors

    engine = open_database(terminal.settings().database)
    try:
        found = read_errors(engine, WallClock().now_ms() - round(hours * _HOUR_MS))
    finally:
        engine.dispose()
    found = tuple(one for one in found if level in (None, one.level))

    def example(fields: dict[str, object]) -> str:
        return ", ".join(f"{name}={value}" for name, value in fields.items())[:200]

    rows = [
        (one.process, one.level, one.event, one.count, sum(count for _, count in one.minutes), format_ms(one.first_ms),
         format_ms(one.last_ms), example(one.example))
        for one in found
    ]  # fmt: skip
    columns = ("process", "level", "event", "ever", f"in {hours:g} h", "first", "last", "newest example")
    terminal.show(found, lambda: terminal.table("", columns, rows))


def _with_database(settings: "Settings") -> "Settings":
    """Return the configuration with the URL of the database in force; the embedded server is started for it."""
    from huracan.memory import database_url, open_database

    open_database(settings.database).dispose()
    url = database_url(settings.database)
    database = settings.database.model_copy(update={"url": url})
    return settings.model_copy(update={"database": database})


def _on_ray(number: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(number).cmdline()[0].startswith("ray::"))
    except (psutil.Error, IndexError):
        return False
