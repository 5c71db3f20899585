"""The unit costs that a plan multiplies: each measured, with its unit, its machine and its date, in one file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from huracan.errors import ConfigError

__all__ = ["FORMAT", "UNITS", "Unit", "UnitCost", "UnitCosts", "dump_units", "packaged_units", "read_units"]

FORMAT: Final = 1
"""Version of the file; another one has other units or other meanings."""

_SECONDS_MAX: Final = 1e6
_BYTES_MAX: Final = 1e12


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit cost is.

    Attributes:
        unit: of its value.
        what: what it is the cost of.
    """

    unit: str
    what: str


UNITS: Final[Mapping[str, Unit]] = {
    "load_bar": Unit("s", "a coin's bar read from Parquet, judged, its raw features and its tape made"),
    "fit_row": Unit("s", "a sampled row in the fit of a window's features (200,000 at most)"),
    "finish_row": Unit("s", "a coin's decision given the features of one fit"),
    "put_byte": Unit("s", "a byte copied into the object store"),
    "worker_start": Unit("s", "a Ray worker started, its imports included"),
    "open_bar": Unit("s", "a coin's bar copied into the environment of a training or a shadow task"),
    "sample_step": Unit("s", "an environment step sampled and prepared, network 80-256-256"),
    "update_step": Unit("s", "an environment step learnt from in one epoch, network 80-256-256"),
    "shadow_step": Unit("s", "a decision of one block of coins, whatever their number"),
    "shadow_bar": Unit("s", "a coin's bar in a shadow task: kernel, and a rule's decisions"),
    "forward": Unit("s", "up to 24 states through one network 80-256-256"),
    "random_bar": Unit("s", "a coin's bar of one random policy"),
    "portfolio_close": Unit("s", "a close of the one account that trades all coins"),
    "portfolio_bar": Unit("s", "a coin's bar in that account"),
    "label_row": Unit("s", "a decision labelled for the tree model"),
    "tree_row": Unit("s", "a label in the training of one fold's tree model"),
    "path_row": Unit("s", "a label in the CPCV paths of the last fold's tree model"),
    "resample_day": Unit("s", "a day of one series resampled once"),
    "trade_written": Unit("s", "a closed trade written to Postgres"),
    "trade_analysed": Unit("s", "a closed trade analysed, its rows written"),
    "gate_day": Unit("s", "a day of one tried version in the promotion gate"),
    "serve_close": Unit("s", "a coin's candle taken in by the feed"),
    "serve_decision": Unit("s", "a coin's decision: state, policy, risk's word"),
    "driver_base_bytes": Unit("bytes", "the driver with its imports"),
    "driver_bar_bytes": Unit("bytes", "a coin's bar in the driver at its peak"),
    "worker_base_bytes": Unit("bytes", "a training worker with its imports, its networks and one batch"),
    "open_bar_bytes": Unit("bytes", "a coin's bar in a worker's own memory"),
    "open_row_bytes": Unit("bytes", "a coin's decision in a worker's own memory"),
    "store_bar_bytes": Unit("bytes", "a coin's bar in the object store"),
    "store_row_bytes": Unit("bytes", "a coin's decision in the object store, features of one fit"),
    "serve_base_bytes": Unit("bytes", "feed, policies and risk in one process, without a coin"),
    "serve_coin_bytes": Unit("bytes", "a coin followed and decided on"),
    "trade_bytes": Unit("bytes", "a closed trade in the database, indexes included"),
    "analysis_bytes": Unit("bytes", "the analysis of a closed trade in the database, indexes included"),
    "day_bytes": Unit("bytes", "a day's result of one coin and policy in the database, indexes included"),
    "database_base_bytes": Unit("bytes", "a database without a row"),
    "efficiency_shadow": Unit(
        "of 1", "the work of shadow tasks with two workers against one, starts and waiting left out"
    ),
    "efficiency_tune": Unit("of 1", "the same of Tune trials"),
}
"""Every unit cost, in the order of the phases; the file holds exactly these."""


@dataclass(frozen=True, slots=True)
class UnitCost:
    """One measured figure.

    Attributes:
        value: in the unit of `UNITS`; seconds are processor time of one core.
        machine: where it was measured.
        date: when, UTC.
        note: how.
    """

    value: float
    machine: str
    date: date
    note: str


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """All of them.

    Attributes:
        source: the file.
        costs: by name.
    """

    source: str
    costs: Mapping[str, UnitCost]

    def __getitem__(self, name: str) -> float:
        return self.costs[name].value

    @property
    def measured(self) -> str:
        """Return in words where and when they were measured: every machine and the span of the dates."""
        machines = sorted({cost.machine for cost in self.costs.values()})
        dates = sorted({cost.date for cost in self.costs.values()})
        span = str(dates[0]) if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        return f"{'; '.join(machines)}, {span}"


def packaged_units() -> UnitCosts:
    """Return the unit costs that come with huracan."""
    return _parse(files("huracan.plan").joinpath("units.yaml").read_text(encoding="utf-8"), "huracan/plan/units.yaml")


def read_units(path: Path) -> UnitCosts:
    """Return the unit costs in a file.

    Raises:
        ConfigError: it cannot be read, is of another version, or a figure is missing, unknown or impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"unit costs {path} cannot be read ({error}); write them with `huracan plan --measure`"
        ) from None
    return _parse(text, str(path))


def dump_units(costs: Mapping[str, UnitCost]) -> str:
    """Return the file that `read_units` reads.

    Raises:
        ConfigError: as for reading it.
    """
    body = {
        "version": FORMAT,
        "units": {
            name: {
                "value": float(f"{costs[name].value:.4g}"),
                "unit": unit.unit,
                "machine": costs[name].machine,
                "date": costs[name].date.replace(),  # an object of its own: YAML would refer to the first
                "note": costs[name].note,
            }
            for name, unit in UNITS.items()
            if name in costs
        },
    }
    head = (
        "# Unit costs of `huracan plan`, written by `python -m tests.bench --units`; docs/plan.md says what each is.\n"
    )
    text = head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=118)
    _parse(text, "the unit costs measured now")
    return text


def _parse(text: str, source: str) -> UnitCosts:
    again = "measure them again with `huracan plan --measure`"
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is no YAML ({' '.join(str(error).split())[:120]}); {again}") from None
    if (
        not isinstance(document, dict)
        or document.get("version") != FORMAT
        or not isinstance(document.get("units"), dict)
    ):
        raise ConfigError(f"{source} does not hold unit costs of version {FORMAT}; {again}")
    found: dict[Any, Any] = document["units"]
    missing, unknown = sorted(set(UNITS) - set(found)), sorted(map(str, set(found) - set(UNITS)))
    if missing or unknown:
        raise ConfigError(f"{source}: unit costs missing {missing}, unknown {unknown}; {again}")
    return UnitCosts(source, {name: _cost(source, name, found[name], again) for name in UNITS})


def _cost(source: str, name: str, row: Any, again: str) -> UnitCost:
    """Return one figure of the file, checked."""
    unit = UNITS[name].unit
    if not isinstance(row, dict) or set(row) != {"value", "unit", "machine", "date", "note"} or row["unit"] != unit:
        raise ConfigError(f"{source}: {name} needs value, unit ({unit}), machine, date and note; {again}")
    value, day = row["value"], row["date"]
    most = {"s": _SECONDS_MAX, "bytes": _BYTES_MAX, "of 1": 2.0}[unit]
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not 0 < value <= most:
        raise ConfigError(f"{source}: {name} is {value!r}, not a figure above 0 and up to {most:g} {unit}; {again}")
    if not isinstance(day, date) or not str(row["machine"]).strip():
        raise ConfigError(f"{source}: {name} does not say on which machine and day it was measured; {again}")
    return UnitCost(float(value), str(row["machine"]), day, str(row["note"]))
