"""What the trader writes down after each close for `trade status` and for its own restart."""

from decimal import Decimal
from typing import Any

from huracan.clock import Clock
from huracan.risk.live import GateLimits, RiskKeeper, account_view
from huracan.trader.access import Mode
from huracan.trader.account_book import AccountBook
from huracan.trader.peak import rebased_report
from huracan.trader.views import AccountState, Views

__all__ = ["ViewWriter", "limits_used"]


class ViewWriter:
    """Writes the account's view.

    Args:
        views: where to.
        mode: "paper" or "live".
        keeper: risk, for the figures that limits are measured against.
        limits: in quote currency.
        book: the account.
        clock: wall clock.
    """

    def __init__(
        self, views: Views, mode: Mode, keeper: RiskKeeper, limits: GateLimits, book: AccountBook, clock: Clock
    ) -> None:
        self._views, self._mode, self._keeper, self._limits = views, mode, keeper, limits
        self._book, self._clock = book, clock

    async def keep(self, market_ms: int, reconciled_ms: int) -> None:
        """Write the account as it stands; nothing is written as long as nothing is known.

        Raises:
            DatabaseError: the database does not answer.
        """
        kept = self._book.kept
        if kept is None:
            return
        report: dict[str, Any] = {
            "equity": _text(self._book.equity),
            "cash": _text(self._book.cash),
            "currency": self._book.quote,
            "prices": {symbol: str(price) for symbol, price in self._book.prices.items()},
            "heard": {symbol: [one.close_ms, one.times, one.closes] for symbol, one in self._book.heard.items()},
            "closes": self._book.closes,
            "steps": {symbol: str(step) for symbol, step in self._book.steps.items()},
            "limits": limits_used(self._keeper, self._limits) if self._book.equity is not None else [],
            **rebased_report(kept.rebased),
        }
        now_ms = self._clock.now_ms()
        await self._views.keep(AccountState(now_ms, market_ms, reconciled_ms, self._mode, kept.day, kept.peak, report))


def limits_used(keeper: RiskKeeper, limits: GateLimits) -> list[dict[str, Any]]:
    """Return every limit with what is used of it; money in quote currency, shares of equity as shares."""
    view, money = keeper.view(), limits.money
    seen = account_view(view)
    share = 1.0 / seen.equity if seen.equity > 0 else 0.0
    fall = (seen.equity_peak - seen.equity) / seen.equity_peak if seen.equity_peak > 0 else 0.0
    rows: list[tuple[str, float, float | None]] = [
        ("heat_frac", seen.heat * share, money.heat_max_frac),
        ("gross_exposure_frac", seen.gross * share, money.gross_exposure_max_frac),
        ("daily_loss", max(-seen.day_pnl, 0.0), money.daily_loss_max),
        ("daily_profit", max(seen.day_pnl, 0.0), money.daily_profit_target),
        ("drawdown_frac", max(fall, 0.0), money.drawdown_max_frac),
        ("open_trades", seen.open_trades, money.max_open_trades),
        ("orders_in_flight", view.in_flight or 0, limits.max_orders_in_flight),
    ]
    if view.rate is not None:
        rows.append(("order_rate", view.rate.used(view.rate_ms), view.rate.limit))
    for symbol, coin in view.coins.items():
        if coin.position and coin.price is not None:
            rows.append((f"notional {symbol}", float(coin.position * coin.price), money.symbol_notional_max))
    return [{"name": name, "used": used, "limit": limit} for name, used, limit in rows]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
