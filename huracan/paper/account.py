"""Money of one account: locked when an order is accepted, spent by its fills, the exact rest released at its end."""

from decimal import ROUND_CEILING, Decimal

from huracan.errors import InvariantError
from huracan.paper.errors import INSUFFICIENT, rejected
from huracan.paper.market import PaperMarket
from huracan.paper.matching import UNIT, Part, commission
from huracan.paper.settings import PaperAccount
from huracan.paper.state import AccountState, Money, Order, OrderList, Side
from huracan.trading.venue_law import Terms, fee_quote

__all__ = ["check_locks", "fee_of", "lock", "lock_needed", "move", "open_account", "release", "settle"]

_ROUNDINGS = 100 * UNIT
"""Reserve for the roundings of an order's partial fills where fees are in quote."""


def open_account(account: PaperAccount) -> AccountState:
    """Return the account as it begins."""
    return AccountState(account.name, {asset: Money(Decimal(free)) for asset, free in account.balances.items()})


def move(state: AccountState, asset: str, free: Decimal, locked: Decimal = Decimal(0)) -> None:
    """Add to both parts of an asset.

    Raises:
        InvariantError: a part would be negative.
    """
    money = state.money.get(asset, Money())
    if money.free + free < 0 or money.locked + locked < 0:
        raise InvariantError(f"{state.name}: {asset} {money} cannot move by {free}, {locked}")
    state.money[asset] = Money(money.free + free, money.locked + locked)


def lock_needed(order: Order, rest: int, market: PaperMarket, terms: Terms) -> tuple[str, Decimal]:
    """Return (asset, amount) that `rest` steps of an order lock: the coins, or their price with the fee in quote."""
    if order.side is Side.SELL:
        return market.base, rest * market.instrument.step
    amount = order.limit * rest * market.instrument.tick_step_quote
    if terms.fee_in_quote and rest:
        amount += fee_quote(order.limit * rest, max(terms.maker_ppm, terms.taker_ppm), terms) * UNIT + _ROUNDINGS
    return market.quote, amount


def lock(state: AccountState, holder: Order | OrderList, asset: str, amount: Decimal) -> None:
    """Lock an amount for an order or list.

    Raises:
        Refusal: the free balance is too small.
    """
    if state.money.get(asset, Money()).free < amount:
        raise rejected(INSUFFICIENT)
    move(state, asset, -amount, amount)
    holder.locked += amount


def release(state: AccountState, holder: Order | OrderList, asset: str, down_to: Decimal = Decimal(0)) -> None:
    """Free what an order or list has locked beyond `down_to`."""
    surplus = holder.locked - down_to
    if surplus > 0:
        move(state, asset, surplus, -surplus)
        holder.locked = down_to


def fee_of(
    account: PaperAccount, state: AccountState, market: PaperMarket, side: Side, part: Part, maker: bool, terms: Terms
) -> tuple[Decimal, str]:
    """Return (commission, asset) of one trade: in the account's fee asset while it has enough, else by the law."""
    if account.fee_asset is not None:
        ppm = terms.maker_ppm if maker else terms.taker_ppm
        value = part.price * part.quantity * market.instrument.tick_step_quote
        exact = value * ppm / 1_000_000 / account.fee_asset_price
        fee = exact.quantize(UNIT, rounding=ROUND_CEILING)
        traded = {market.base, market.quote}
        if account.fee_asset not in traded and state.money.get(account.fee_asset, Money()).free >= fee:
            return fee, account.fee_asset
    fee, in_base = commission(side, part, maker, terms)
    return fee, market.base if in_base else market.quote


def settle(
    state: AccountState,
    holder: Order | OrderList,
    market: PaperMarket,
    side: Side,
    part: Part,
    fee: tuple[Decimal, str],
    lock_after: Decimal,
) -> None:
    """Exchange the money of one trade and lower the order's lock to what its rest still needs.

    Raises:
        InvariantError: the account cannot pay what was accepted.
    """
    money = part.price * part.quantity * market.instrument.tick_step_quote
    coins = part.quantity * market.instrument.step
    paid, got = (market.quote, market.base) if side is Side.BUY else (market.base, market.quote)
    price, proceeds = (money, coins) if side is Side.BUY else (coins, money)
    unlocked = max(Decimal(0), holder.locked - lock_after)
    holder.locked -= unlocked
    charges = {paid: unlocked - price, got: proceeds}
    charges[fee[1]] = charges.get(fee[1], Decimal(0)) - fee[0]
    for asset, free in charges.items():
        move(state, asset, free, -unlocked if asset == paid else Decimal(0))


def check_locks(state: AccountState) -> None:
    """Raise unless what each asset has locked is what the open orders and lists hold, and nothing is negative.

    Raises:
        InvariantError: it is not.
    """
    held = sum((order.locked for order in state.orders.values()), Decimal(0))
    held += sum((pair.locked for pair in state.lists.values()), Decimal(0))
    locked = sum((money.locked for money in state.money.values()), Decimal(0))
    if held != locked or any(money.free < 0 or money.locked < 0 for money in state.money.values()):
        raise InvariantError(f"{state.name}: orders hold {held}, balances have {locked} locked")
    stale = [order.order_id for order in state.orders.values() if order.locked and not order.is_open]
    if stale or sorted(state.open_orders) != [key for key, order in sorted(state.orders.items()) if order.is_open]:
        raise InvariantError(f"{state.name}: ended orders {stale} hold money, or the list of open orders is stale")
