"""What a machine costs an hour: a file with its date and its source, huracan's or the user's own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from huracan.errors import ConfigError

__all__ = ["Machine", "Prices", "packaged_prices", "read_prices"]

FORMAT: Final = 1
_FIELDS: Final = {"provider", "type", "vcpus", "memory_gib", "on_demand", "spot"}
_MOST: Final = {"vcpus": 10_000, "memory_gib": 100_000, "on_demand": 10_000, "spot": 10_000}


@dataclass(frozen=True, slots=True)
class Machine:
    """One type of machine.

    Attributes:
        provider: aws, gcp, azure, or any other name.
        type: as the provider spells it.
        vcpus: hardware threads.
        memory_gib: memory, GiB.
        on_demand: price an hour.
        spot: price an hour while nobody pays more; None: it is not sold so.
        region: that the price is of; "": not said.
    """

    provider: str
    type: str
    vcpus: int
    memory_gib: float
    on_demand: float
    spot: float | None
    region: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """All machines of a file.

    Attributes:
        file: where it was read.
        currency: of every price.
        date: of the prices.
        source: where they come from.
        machines: in the order of the file.
    """

    file: str
    currency: str
    date: date
    source: str
    machines: tuple[Machine, ...]


def packaged_prices() -> Prices:
    """Return the prices that come with huracan."""
    text = files("huracan.plan").joinpath("prices.yaml").read_text(encoding="utf-8")
    return _parse(text, "huracan/plan/prices.yaml")


def read_prices(path: Path) -> Prices:
    """Return the prices in a file of the packaged one's form.

    Raises:
        ConfigError: it cannot be read, or an entry is missing, unknown or impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--prices {path} cannot be read ({error}); give a file like huracan/plan/prices.yaml"
        ) from None
    return _parse(text, str(path))


def _parse(text: str, file: str) -> Prices:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML ({' '.join(str(error).split())[:120]}); mend it") from None
    wanted = {"version", "currency", "date", "source", "machines"}
    if not isinstance(document, dict) or set(document) - {"regions"} != wanted or document["version"] != FORMAT:
        raise ConfigError(
            f"{file} needs exactly {', '.join(sorted(wanted))}, version {FORMAT} (regions may be left out)"
        )
    rows = document["machines"]
    day, currency, source = document["date"], document["currency"], document["source"]
    said = all(isinstance(words, str) and words.strip() for words in (currency, source))
    if not isinstance(day, date) or not said or not isinstance(rows, list) or not rows:
        raise ConfigError(f"{file} needs a date, a currency, a source and at least one machine")
    regions = document.get("regions", {})
    if not isinstance(regions, dict) or not all(isinstance(word, str) for row in regions.items() for word in row):
        raise ConfigError(f"{file} has regions {regions!r}; give the region of each provider, as in huracan's own file")
    machines = tuple(_machine(file, number, row, regions) for number, row in enumerate(rows, 1))
    if strangers := sorted(set(regions) - {machine.provider for machine in machines}):
        raise ConfigError(f"{file} has a region of {strangers[0]}, and no machine of it; take it out")
    names = [(machine.provider, machine.type) for machine in machines]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{file} has {' '.join(twice[0])} twice; keep one")
    return Prices(file, currency, day, " ".join(source.split()), machines)


def _machine(file: str, number: int, row: Any, regions: Mapping[str, str]) -> Machine:
    if not isinstance(row, dict) or not _FIELDS - {"spot"} <= set(row) <= _FIELDS:
        raise ConfigError(f"{file}: machine {number} needs {', '.join(sorted(_FIELDS))} (spot may be left out)")
    for name, most in _MOST.items():
        value = row.get(name)
        if name == "spot" and value is None:
            continue
        numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (numeric and 0 < float(value or 0) <= most):
            raise ConfigError(f"{file}: machine {number} has {name} {value!r}; it must be above 0 and up to {most:,}")
    if not isinstance(row["vcpus"], int):
        raise ConfigError(f"{file}: machine {number} has vcpus {row['vcpus']!r}; it must be a whole number")
    provider, kind = row["provider"], row["type"]
    if not all(isinstance(words, str) and words.strip() for words in (provider, kind)):
        raise ConfigError(f"{file}: machine {number} needs the names of its provider and type")
    spot = None if row.get("spot") is None else float(row["spot"])
    memory, price = float(row["memory_gib"]), float(row["on_demand"])
    return Machine(provider, kind, row["vcpus"], memory, price, spot, regions.get(provider, ""))
