"""The trading kernel: what an action does to a position on a bar, the same for training, shadow and live.

Three laws, each a module of pure functions: `venue_law` (orders x one bar -> fills), `trader_law` (slot, closed bar,
action -> orders), `accounting` (slot, fill -> slot, trade, state). `kernel` fuses them, `Lanes` steps many slots.
"""

from huracan.trading.actions import NUM_ACTIONS, Action, ExitReason, legal_actions
from huracan.trading.costs import CostTable, build_cost_table
from huracan.trading.instruments import Instrument, infer_instrument
from huracan.trading.lanes import Lanes
from huracan.trading.rule_space import RULES_SEARCHED, RuleSpace, rule_space, with_rules
from huracan.trading.settings import KernelSettings, Limits, resolve_settings
from huracan.trading.tape import Tape, build_tape, decision_rows
from huracan.trading.trades import Trades

__all__ = [
    "NUM_ACTIONS",
    "RULES_SEARCHED",
    "Action",
    "CostTable",
    "ExitReason",
    "Instrument",
    "KernelSettings",
    "Lanes",
    "Limits",
    "RuleSpace",
    "Tape",
    "Trades",
    "build_cost_table",
    "build_tape",
    "decision_rows",
    "infer_instrument",
    "legal_actions",
    "resolve_settings",
    "rule_space",
    "with_rules",
]
