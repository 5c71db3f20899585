"""Accounting of the reference: venue fills become a position with its dust, and a closed trade."""

from dataclasses import dataclass, field
from decimal import Decimal

from tests.parity.messages import Candle, Fill, Kind, Side
from tests.parity.rule_errors import NO_ERRORS, Errors, RuleError


@dataclass(frozen=True, slots=True)
class ReferenceTrade:
    """One closed position; quantities in base currency, money in quote currency, bars as bar numbers."""

    entry_bar: int
    exit_bar: int
    quantity_in: Decimal
    quantity_out: Decimal
    money_in: Decimal
    money_out: Decimal
    fee_base: Decimal
    fee_quote: Decimal
    dust_in: Decimal
    dust_out: Decimal
    reason: str
    high: Decimal
    low: Decimal


@dataclass(slots=True)
class Ledger:
    """What one account holds of one market, known from fills alone."""

    step: Decimal
    errors: Errors = NO_ERRORS
    base: Decimal = Decimal(0)
    quote_flow: Decimal = Decimal(0)
    trades: list[ReferenceTrade] = field(default_factory=list)
    open: bool = False
    entry_bar: int = 0
    quantity_in: Decimal = Decimal(0)
    quantity_out: Decimal = Decimal(0)
    money_in: Decimal = Decimal(0)
    money_out: Decimal = Decimal(0)
    fee_base: Decimal = Decimal(0)
    fee_quote: Decimal = Decimal(0)
    dust_in: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    maker_opened: bool = False

    @property
    def sellable(self) -> Decimal:
        """Whole steps of what is held."""
        return self.base // self.step * self.step

    @property
    def entry_price(self) -> Decimal:
        """Average entry price without fees."""
        return self.money_in / self.quantity_in

    def book(self, fill: Fill, bar_no: int) -> None:
        """Add one venue trade to the position, opening it with the first buy."""
        money = fill.price * fill.quantity
        fee_base = fill.commission if fill.asset == "base" else Decimal(0)
        fee_quote = fill.commission if fill.asset == "quote" else Decimal(0)
        if not self.open:
            assert fill.side is Side.BUY, "a sale without a position"
            self._open(fill, bar_no)
        self.high, self.low = max(self.high, fill.price), min(self.low, fill.price)
        self.fee_base += fee_base
        self.fee_quote += fee_quote
        if fill.side is Side.BUY:
            self.base += fill.quantity - fee_base
            self.quote_flow -= money + fee_quote
            self.quantity_in += fill.quantity
            self.money_in += money
        else:
            self.base -= fill.quantity
            self.quote_flow += money - fee_quote
            self.quantity_out += fill.quantity
            self.money_out += money
        assert self.base >= 0, "sold more than held"

    def _open(self, fill: Fill, bar_no: int) -> None:
        if RuleError.DUST_DROPPED in self.errors:
            self.base = Decimal(0)
        self.open, self.entry_bar, self.dust_in = True, bar_no, self.base
        self.quantity_in = self.quantity_out = self.money_in = self.money_out = Decimal(0)
        self.fee_base = self.fee_quote = Decimal(0)
        self.high = self.low = fill.price
        self.maker_opened = fill.kind is Kind.POST_ONLY

    def see(self, candle: Candle) -> None:
        """Widen the excursions of an open position by a closed candle.

        A resting buy is filled on the way down: the high of the bar it opened in may lie before it, so there only the
        close counts.
        """
        if self.open:
            before_fill = self.maker_opened and candle.bar_no == self.entry_bar
            self.high = max(self.high, candle.close if before_fill else candle.high)
            self.low = min(self.low, candle.low)

    def close_if_flat(self, reason: str, bar_no: int) -> bool:
        """Write the trade once no whole step is left; return whether it was written."""
        if not self.open or self.sellable > 0:
            return False
        self.trades.append(
            ReferenceTrade(
                self.entry_bar, bar_no, self.quantity_in, self.quantity_out, self.money_in, self.money_out,
                self.fee_base, self.fee_quote, self.dust_in, self.base, reason, self.high, self.low,
            )
        )  # fmt: skip
        self.open = False
        return True
