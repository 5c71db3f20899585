"""The three laws fused: one slot through one bar, in the phases P0 to P4 of the contract."""

from huracan.trading.accounting import attribute, buy, holds, is_open, mark_bar, sell, sellable
from huracan.trading.compiled import hot_law, law
from huracan.trading.settings import Rules
from huracan.trading.slot import (
    ENTRY_FALLBACK,
    ENTRY_NONE,
    ENTRY_REFUSED,
    ENTRY_RESTING,
    ENTRY_SENT,
    ENTRY_TAKER,
    EXIT_MARKET,
    EXIT_NONE,
    EXIT_RESTING,
    EXIT_SENT,
    Slot,
)
from huracan.trading.trader_law import cancel_entry, send_market_exit, tend
from huracan.trading.venue_law import (
    Bar,
    Terms,
    best_ask,
    best_bid,
    buy_prices,
    fee_base,
    fee_quote,
    fok_fills,
    maker_quantity,
    oco_refused,
    post_only_refused,
    sell_prices,
    stop_level,
    stop_touch,
    through_buy,
    through_sell,
)

__all__ = [
    "is_idle",
    "liquidate",
    "resting_buy",
    "resting_sell",
    "step_slot",
    "stop_leg",
    "window",
]

_TAKE_PROFIT = 1
_STOP_LOSS = 2
_END_OF_DATA = 7
_NO_LIMIT = 2**62


@hot_law
def step_slot(slot: Slot, bar: Bar, terms: Terms, rules: Rules) -> bool:
    """Take a slot from one close to the next; returns whether its trade closed in the bar (still in the slot)."""
    if slot.mode != ENTRY_NONE or slot.exit_mode != EXIT_NONE:
        window(slot, bar, terms)
    if bar.volume > 0:
        if slot.mode == ENTRY_RESTING:
            resting_buy(slot, bar, terms)
        if rules.stops and stop_touch(slot.stop, bar) and holds(slot, terms.step_units):
            stop_leg(slot, bar, terms)
        limit = upper_limit(slot, rules)
        if bar.high > limit and holds(slot, terms.step_units) and slot.maker_fill != bar.number:
            resting_sell(slot, limit, bar, terms)
    held = holds(slot, terms.step_units)
    if held:
        mark_bar(slot, bar)
    elif is_open(slot):
        return True
    if held or slot.want > 0:
        tend(slot, bar, terms, rules)
    return False


@hot_law
def is_idle(slot: Slot, terms: Terms) -> bool:
    """Return whether no bar can change the slot: nothing held, nothing at work."""
    return slot.want == 0 and slot.reason == 0 and not holds(slot, terms.step_units)


@law
def window(slot: Slot, bar: Bar, terms: Terms) -> None:
    """P0: commands of the last close meet the book of the open: sells, then buys, then acceptance of resting orders."""
    if slot.exit_mode == EXIT_SENT:
        refused = oco_refused(slot.exit_limit, bar.open)
        slot.exit_mode = EXIT_MARKET if refused else EXIT_RESTING
    if slot.exit_mode == EXIT_MARKET:
        bid = best_bid(bar.open, terms)
        sell_taker(slot, bid, bid, bar.open, terms)
    elif slot.mode == ENTRY_TAKER or slot.mode == ENTRY_FALLBACK:
        take(slot, bar, terms)
    elif slot.mode == ENTRY_SENT:
        refused = post_only_refused(slot.limit, bar.open, terms)
        slot.mode = ENTRY_REFUSED if refused else ENTRY_RESTING


@law
def take(slot: Slot, bar: Bar, terms: Terms) -> None:
    """Fill or kill the entry against the open's ask: one or two venue trades, each with its own rounded fee."""
    steps, touch = slot.want, best_ask(bar.open, terms)
    if not fok_fills(slot.cap, touch, steps, terms):
        cancel_entry(slot, terms.step_units)
        return
    price, far_price, far = buy_prices(touch, steps, terms)
    buy_fill(slot, bar.number, price, steps - far, terms.taker_ppm, terms)
    attribute(slot, steps - far, price, touch, bar.open)
    if far > 0:
        buy_fill(slot, bar.number, far_price, far, terms.taker_ppm, terms)
        attribute(slot, far, far_price, touch, bar.open)
    slot.mode = ENTRY_NONE


@law
def buy_fill(slot: Slot, number: int, price: int, steps: int, ppm: int, terms: Terms) -> None:
    """Book one bought venue trade with its fee in the asset received, or in quote."""
    if terms.fee_in_quote:
        buy(slot, number, price, steps, 0, fee_quote(price * steps, ppm, terms), terms.step_units)
    else:
        buy(slot, number, price, steps, fee_base(steps, ppm, terms), 0, terms.step_units)


@law
def sell_fill(slot: Slot, price: int, steps: int, ppm: int, terms: Terms) -> None:
    """Book one sold venue trade with its fee in quote."""
    sell(slot, price, steps, fee_quote(price * steps, ppm, terms), terms.step_units)


@law
def sell_taker(slot: Slot, level: int, touch: int, mid: int, terms: Terms) -> None:
    """Sell all whole steps as a taker from `level` down; from `mid` to `touch` is spread, the rest slippage."""
    steps = sellable(slot, terms.step_units)
    price, far_price, far = sell_prices(level, steps, terms)
    sell_fill(slot, price, steps - far, terms.taker_ppm, terms)
    attribute(slot, steps - far, price, touch, mid)
    if far > 0:
        sell_fill(slot, far_price, far, terms.taker_ppm, terms)
        attribute(slot, far, far_price, touch, mid)


@law
def resting_buy(slot: Slot, bar: Bar, terms: Terms) -> None:
    """P1: a resting entry fills at its limit when the bar trades through it, by a share of that volume."""
    steps = maker_quantity(slot.want, through_buy(slot.limit, bar), slot.lot, terms)
    if steps > 0:
        buy_fill(slot, bar.number, slot.limit, steps, terms.maker_ppm, terms)
        slot.maker_fill = bar.number
        if slot.want == 0:
            slot.mode = ENTRY_NONE


@law
def stop_leg(slot: Slot, bar: Bar, terms: Terms) -> None:
    """P2: the bracket's stop; it covers what is held, this bar's entry included, and ends whatever else works."""
    mid = min(bar.open, slot.stop)
    sell_taker(slot, stop_level(slot.stop, bar, terms), best_bid(mid, terms), mid, terms)
    send_market_exit(slot, _STOP_LOSS)


@hot_law
def upper_limit(slot: Slot, rules: Rules) -> int:
    """Return the price of the bracket's upper leg: the resting exit, else the target, else out of reach."""
    if slot.exit_mode == EXIT_RESTING:
        return slot.exit_limit
    return slot.target if rules.stops else _NO_LIMIT


@law
def resting_sell(slot: Slot, limit: int, bar: Bar, terms: Terms) -> None:
    """P3: the upper leg, target or resting exit; a partial fill cancels the stop leg, the rest goes to market.

    Never in a bar with a resting buy fill: the pair sent on that fill rests only from the next bar on.
    """
    filled = maker_quantity(sellable(slot, terms.step_units), through_sell(limit, bar), slot.lot, terms)
    if filled > 0:
        sell_fill(slot, limit, filled, terms.maker_ppm, terms)
        send_market_exit(slot, slot.reason if slot.exit_mode == EXIT_RESTING else _TAKE_PROFIT)


@law
def liquidate(slot: Slot, bar: Bar, terms: Terms) -> bool:
    """End of the data: cancel the entry and sell what is held at the close book; returns whether a trade closed."""
    cancel_entry(slot, terms.step_units)
    if not holds(slot, terms.step_units):
        return False
    bid = best_bid(bar.close, terms)
    sell_taker(slot, bid, bid, bar.close, terms)
    send_market_exit(slot, _END_OF_DATA)
    return True
