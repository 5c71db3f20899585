"""What a run takes before it is begun: counts times measured unit costs, and the machines it fits on.

work = workload_of(settings, Size(coins=1_000, days=365, timeframe="1m", trades_per_day=4.0))
found = estimate(work, packaged_units(), workers=16)
fitting, refused = layouts(found, packaged_prices())
"""

from huracan.plan.estimate import Estimate, Memory, Phase, estimate
from huracan.plan.layout import Layout, Refused, layouts
from huracan.plan.prices import Machine, Prices, packaged_prices, read_prices
from huracan.plan.units import UNITS, UnitCost, UnitCosts, packaged_units, read_units
from huracan.plan.workload import Size, Workload, workload_of

__all__ = [
    "UNITS",
    "Estimate",
    "Layout",
    "Machine",
    "Memory",
    "Phase",
    "Prices",
    "Refused",
    "Size",
    "UnitCost",
    "UnitCosts",
    "Workload",
    "estimate",
    "layouts",
    "packaged_prices",
    "packaged_units",
    "read_prices",
    "read_units",
    "workload_of",
]
