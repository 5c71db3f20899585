"""Small rule errors that can be switched on in the reference, to show that the comparison sees each of them."""

from enum import Enum


class RuleError(Enum):
    """One deviation from the contract of a bar each; the value names the rule as it should be."""

    GAP_FILLS_AT_STOP = "open <= stop sells at the open's touch"
    TOUCH_FILLS_MAKER = "a limit fills only when traded through by a tick"
    FEE_ROUNDED_DOWN = "a fee is rounded up to 1e-8"
    FEE_ONCE_PER_ORDER = "each venue trade has its own rounded fee"
    TARGET_IN_MAKER_ENTRY_BAR = "an upper leg accepted after a maker fill does not match in that bar"
    TARGET_BEFORE_STOP = "inside a bar the stop comes before the target"
    HOLD_ONE_BAR_LONGER = "a position is sold once its bars held reach hold"
    CAP_IGNORED = "a FOK above its cap expires"
    LOT_ONE_STEP = "the smallest order is two steps and twice the least notional"
    DUST_DROPPED = "dust is carried and sold with the next trade"
    SPREAD_HALF_SWAPPED = "of an odd spread the buyer pays the larger half"
    IMPACT_NOT_CEILED = "total impact is rounded up to whole tick-steps"
    NO_STOP_SLIPPAGE = "a stop inside the bar slips by kappa of the range"
    STOP_BELOW_LOW = "a stop never sells below the low's bid"
    VOLUME_SHARE_IGNORED = "a maker gets its share of the through-volume only"
    POST_ONLY_CROSSES = "a post-only order at or above the ask is refused"
    BUYS_AFTER_STOPS = "resting buys match before stops"
    NO_VOID_THROUGH_STOP = "an entry is void once the close bid is at the stop"
    DEADLINE_COUNTS_ROWS = "deadlines count bar numbers, missing bars included"
    PARTIAL_TARGET_RESTS = "after a partial target fill the rest goes to market"
    MAKER_EXIT_NEVER_REFUSED = "a maker exit at or below the open goes to market"
    LEVELS_FROM_FILL = "stop and target are frozen at the decision, never from the fill"
    QCAP_IGNORED = "no order is larger than the day's cap"
    TAKER_IS_ONE_TRADE = "a walk over two price levels is two trades"


Errors = frozenset[RuleError]
NO_ERRORS: Errors = frozenset()
