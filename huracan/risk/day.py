"""The UTC day of an account: where it began, what it earned, and whether its loss limit was reached."""

from dataclasses import dataclass, replace

from huracan.risk.limits import RiskLimits, must_flatten

__all__ = ["DayBook"]


@dataclass(frozen=True, slots=True)
class DayBook:
    """What risk remembers between closes; a value, replaced at every base close.

    Attributes:
        day: UTC day of the last bar, counted from the epoch.
        value_start: value of the account at the last close of the day before.
        value: value at the last close.
        breached: the loss limit was reached on this day; stays until the next one begins.
        reached: the profit target was reached on this day; stays likewise.
    """

    day: int
    value_start: float
    value: float
    breached: bool = False
    reached: bool = False

    @property
    def pnl(self) -> float:
        """Return the day's realised and unrealised result."""
        return self.value - self.value_start

    def closed(self, day: int, value: float, limits: RiskLimits) -> "DayBook":
        """Return the book after a bar of UTC day `day` closed with the account worth `value`."""
        book = replace(self, value=value) if day == self.day else DayBook(day, self.value, value)
        target = limits.daily_profit_target
        return replace(
            book,
            breached=book.breached or must_flatten(book.pnl, limits),
            reached=book.reached or (target is not None and book.pnl >= target),
        )

    def judged_pnl(self, limits: RiskLimits) -> float:
        """Return the day's result as entries are judged by it: a limit once reached counts as reached until midnight.

        Without this the forced exits of a breach, or a give-back after the target, would open the same day again.
        """
        if self.breached:
            return min(self.pnl, -limits.daily_loss_max)
        if self.reached and limits.daily_profit_target is not None:
            return max(self.pnl, limits.daily_profit_target)
        return self.pnl
