"""Unit costs of round numbers, so that a plan can be worked out by hand."""

from datetime import date

from huracan.plan.units import UNITS, UnitCost, UnitCosts

DAY = date(2026, 1, 2)


def costs(**changed: float) -> UnitCosts:
    """Return unit costs that are all 1e-6 s, 10 bytes or 1, but for those given."""
    values = {name: {"s": 1e-6, "bytes": 10.0, "of 1": 1.0}[unit.unit] for name, unit in UNITS.items()}
    return UnitCosts("made up", {n: UnitCost(v, "abacus", DAY, "by hand") for n, v in (values | changed).items()})
