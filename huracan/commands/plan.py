"""`huracan plan`: what a run of a given size takes, in time, memory and money, before it is begun."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from huracan.errors import ConfigError
from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from huracan.plan import Estimate, Layout, Prices, Refused, UnitCosts, Workload

__all__ = ["CHECKOUT", "UNITS_NAME", "plan"]

CHECKOUT = Path(__file__).parents[2]
UNITS_NAME: Final = "units.yaml"
"""Under HURACAN_HOME: the unit costs of this machine, taken before the packaged ones."""
_GIB: Final = 2**30
_LAYOUTS_SHOWN: Final = 12
_TYPE_KEYS: Final = {"aws": "InstanceType", "gcp": "machineType", "azure": "vmSize"}
"""What a machine's type is called in the file of cluster/ray-up for that cloud."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything that `--json` shows.

    Attributes:
        workload: counts.
        estimate: time and memory.
        layouts: machines that fit, the cheapest first.
        refused: providers without one.
        currency: of the prices.
        prices_date: of the prices; `prices_source` says where they come from.
        prices_source: where they come from.
        units_source: file of the unit costs.
        units_measured: machine and date.
        efficiency_shadow: of two workers; its note in `efficiency_notes` says how it was measured, or that it was not.
        efficiency_tune: likewise.
        efficiency_notes: of both.
    """

    workload: "Workload"
    estimate: "Estimate"
    layouts: "tuple[Layout, ...]"
    refused: "tuple[Refused, ...]"
    currency: str
    prices_date: str
    prices_source: str
    units_source: str
    units_measured: str
    efficiency_shadow: float
    efficiency_tune: float
    efficiency_notes: tuple[str, str]


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "plan")
@click.option("--coins", type=int, help="Markets; needed unless --measure stands alone.")
@click.option("--trials", type=int, help="Trials of the search; default: search.num_samples.")
@click.option("--folds", type=int, help="Walk-forward folds; default: walk_forward.folds.")
@click.option("--days", type=int, default=365, show_default=True, help="History of each coin, days.")
@click.option("--timeframe", help="Base timeframe; default: data.timeframe, else 1m.")
@click.option("--workers", type=int, default=16, show_default=True, help="Processes that work at once, a core each.")
@click.option(
    "--trades-per-day",
    type=float,
    default=4.0,
    show_default=True,
    help="Closed trades of a policy a coin and test day.",
)
@click.option(
    "--prices", type=click.Path(path_type=Path), help="Prices of your own; huracan/plan/prices.yaml is the form."
)
@click.option(
    "--units", type=click.Path(path_type=Path), help="Unit costs; default: those of this machine, else packaged."
)
@click.option("--measure", is_flag=True, help="Measure the unit costs on this machine first, about ten minutes.")
def plan(
    terminal: Terminal,
    coins: int | None,
    trials: int | None,
    folds: int | None,
    days: int,
    timeframe: str | None,
    workers: int,
    trades_per_day: float,
    prices: Path | None,
    units: Path | None,
    measure: bool,
) -> None:
    """Say what training, judging and serving so many coins take: core-hours, memory, database, price of machines."""
    from huracan.plan import Size, estimate, layouts, packaged_prices, read_prices, workload_of

    if measure:
        _measure(_own_units() if units is None else units)
        if coins is None:
            return
    if coins is None:
        raise ConfigError("how many coins? give --coins, e.g. `huracan plan --coins 1000 --trials 100 --folds 12`")
    settings = terminal.settings(search__num_samples=trials, walk_forward__folds=folds)
    costs = _costs(units)
    size = Size(coins, days, timeframe or settings.data.timeframe or "1m", trades_per_day)
    known = packaged_prices() if prices is None else read_prices(prices)
    work = workload_of(settings, size)
    found = estimate(work, costs, workers)
    fitting, refused = layouts(found, known)
    planned = Planned(
        workload=work,
        estimate=found,
        layouts=fitting,
        refused=refused,
        currency=known.currency,
        prices_date=str(known.date),
        prices_source=known.source,
        units_source=costs.source,
        units_measured=costs.measured,
        efficiency_shadow=costs["efficiency_shadow"],
        efficiency_tune=costs["efficiency_tune"],
        efficiency_notes=(costs.costs["efficiency_shadow"].note, costs.costs["efficiency_tune"].note),
    )
    terminal.show(planned, lambda: _tell(terminal, planned, known, costs))


def _own_units() -> Path:
    from huracan.config import home_folder

    return home_folder() / UNITS_NAME


def _costs(units: Path | None) -> "UnitCosts":
    """Return the unit costs asked for: of the file, of this machine, or packaged."""
    from huracan.plan import packaged_units, read_units

    if units is not None:
        return read_units(units)
    own = _own_units()
    return read_units(own) if own.exists() else packaged_units()


def _measure(path: Path) -> None:
    """Have the checkout's measurements write the unit costs of this machine.

    Raises:
        ConfigError: there is no checkout to measure with.
    """
    if not (CHECKOUT / "tests" / "bench").is_dir():
        raise ConfigError(
            f"{CHECKOUT} has no tests/bench: run `huracan plan --measure` from a checkout of the repository"
        )
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.bench", "--units", str(path.absolute())], cwd=CHECKOUT, stdout=sys.stderr
    )
    if done.returncode:
        raise click.exceptions.Exit(done.returncode)


# ---- for people ---------------------------------------------------------------------------------------------------


def _tell(terminal: Terminal, planned: Planned, prices: "Prices", costs: "UnitCosts") -> None:
    work, found = planned.workload, planned.estimate
    size = work.size
    click.echo(
        f"{size.coins:,} coins x {size.days:,} days of {size.timeframe} ({work.bars:,} bars), {work.trials} trials, "
        f"{work.folds} folds of {work.test_days} test days x {work.seeds} seeds, {work.trades:,.0f} trades"
    )
    rows = [
        (
            phase.name,
            f"{phase.core_s / 3_600:,.2f}",
            f"{phase.driver_s / 3_600:,.2f}",
            f"{phase.tasks:,}",
            phase.at_once if phase.tasks else None,
            _time(phase.wall_s),
            _time(phase.wall_serial_s),
        )
        for phase in found.phases
    ]
    serial = sum(phase.wall_serial_s for phase in found.phases)
    rows.append(("all", f"{found.core_s / 3_600:,.2f}", None, None, None, _time(found.wall_s), _time(serial)))  # type: ignore[arg-type]
    columns = ("phase", "core-hours", "of it driver", "tasks", "at once", f"wall, {found.workers} workers", "pessimist")
    terminal.table("", columns, rows)
    memory = found.memory
    parts = (
        ("driver and object store", memory.head),
        ("object store, a copy on each machine with workers", memory.store),
        ("a training worker", memory.worker),
        ("the task that trades all coins in one account", memory.account),
        ("database after the run", memory.database),
        ("serving, one process", memory.serving),
    )
    terminal.table("", ("memory and disk", "GiB"), [(name, f"{size / _GIB:,.2f}") for name, size in parts])
    click.echo(
        f"serving: {found.serving_core_s / 3_600:.2f} core-hours a day; a close with a decision on all coins takes "
        f"{1e3 * found.serving_round_s:,.0f} ms of one core"
    )
    _tell_machines(terminal, planned)
    for name in ("efficiency_shadow", "efficiency_tune"):
        what, note = name.removeprefix("efficiency_"), costs.costs[name].note
        click.echo(f"two workers against one, {what}: {costs[name]:.2f} ({note})")
    click.echo("that is kept for more workers, which nobody measured; the pessimist takes the loss for serial work")
    for note in work.notes:
        click.echo(f"note: {note}")
    click.echo(f"unit costs: {costs.source}, measured on {planned.units_measured}")
    regions = dict.fromkeys(f"{one.provider} {one.region}" for one in prices.machines if one.region)
    where = f" in {', '.join(regions)}; other regions have others" if regions else ""
    click.echo(f"prices change: these are of {prices.date}{where}; yours with --prices FILE")
    click.echo(f"prices: {prices.file}: {prices.source}")


def _tell_machines(terminal: Terminal, planned: Planned) -> None:
    rows = [
        (
            f"{one.provider} {one.region}".strip(),
            one.head if not one.nodes else f"{one.head} + {one.driver} + {one.nodes} x {one.worker}",
            one.workers_a_node,
            f"{one.on_demand:,.2f}",
            None if one.spot is None else f"{one.spot:,.2f}",
        )
        for one in planned.layouts[:_LAYOUTS_SHOWN]
    ]
    columns = (
        "provider",
        "machines (head + driver + workers)",
        "workers each",
        f"{planned.currency} on demand",
        "spot",
    )
    if rows:
        terminal.table("", columns, rows)
        more = len(planned.layouts) - len(rows)
        if more > 0:
            click.echo(f"{more} dearer layouts are in --json")
    for provider, key in _TYPE_KEYS.items():
        cluster = next((one for one in planned.layouts if one.provider == provider and one.nodes), None)
        if cluster is not None:
            click.echo(
                f"cluster/ray-up/{provider}.yaml: {key} of head {cluster.head}, of steady {cluster.driver}, of cpu "
                f"{cluster.worker} with CPU {cluster.workers_a_node}, max_workers of cpu {cluster.nodes}, of all "
                f"{cluster.nodes + 2}"
            )
    for one in planned.refused:
        click.echo(f"{one.provider}: no machine fits: {one.reason}")


def _time(seconds: float) -> str:
    """Return a duration in the unit that a person would use."""
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"
