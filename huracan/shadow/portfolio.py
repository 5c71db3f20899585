"""All coins of a fold in one account, in lockstep, every entry through the risk limits.

At each base close: the account is valued; if the UTC day's loss reached its limit, all positions are forced out
(`risk_exit`) and entries stay denied until midnight. Where decisions are due, states 72-75 carry the account's use of
its limits (the kernel's account function), the policy decides for all coins at once, and the entries are judged in the
order of the symbols' names, each approval counting for the next. A denied entry reaches the kernel as DO_NOTHING.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.baselines import Pace
from huracan.config import RiskSettings
from huracan.features.layout import S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEALTH, S_HEAT, STATE_SIZE
from huracan.policy import Policy, Sureness
from huracan.risk import (
    AccountView,
    Approved,
    DayBook,
    DenialCode,
    Denied,
    EntryIntent,
    RiskLimits,
    check_entry,
    reserve,
    sure_enough,
)
from huracan.shadow.collect import Confidences, Confident, collect_trades
from huracan.shadow.run import ShadowResult, daily_pnl
from huracan.shadow.splits import DAY_MS, Window
from huracan.shadow.stretches import open_lanes, stretches
from huracan.shadow.worst import Ask, entry_at_worst
from huracan.trading import Action, ExitReason, KernelSettings, Lanes, Limits, Tape
from huracan.trading.account import ACCOUNT_SIZE, PEAK, Exposure, begin_account, write_account
from huracan.trading.settings import View
from huracan.trading.tape import CLOSE

__all__ = ["Denial", "PortfolioResult", "shadow_portfolio"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_ENTER_FIRST = int(Action.ENTER_LONG_SMALL)
_ENTER_LAST = int(Action.ENTER_LONG_LARGE)
_ACCOUNT_ENTRIES = [S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_HEALTH]


@dataclass(frozen=True, slots=True)
class Denial:
    """One refused entry.

    Attributes:
        time_ms: close of the decision's bar, ms UTC.
        symbol: of the entry.
        action: the `Action` that was refused.
        code: the rule.
        value: the figure that broke it.
        limit: what it may be.
    """

    time_ms: int
    symbol: str
    action: int
    code: DenialCode
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class PortfolioResult:
    """What a policy did with one account.

    Attributes:
        result: trades and daily results, as for separate accounts.
        denials: refused entries in order of time and symbol.
        approvals: entries let through.
        breach_ms: closes at which a UTC day's loss reached its limit, ms UTC, at most one a day.
        wallet: start balance, quote currency.
        slots: by symbol the bytes of the position record at the end (`huracan.trading.slot`), of the last lane begun.
    """

    result: ShadowResult
    denials: tuple[Denial, ...]
    approvals: int
    breach_ms: tuple[int, ...]
    wallet: float
    slots: Mapping[str, bytes]


def shadow_portfolio(
    policy: Policy,
    tapes: Sequence[Tape],
    window: Window,
    kernel: KernelSettings,
    risk: RiskSettings,
    *,
    account_to_quote_rate: float = 1.0,
    name: str,
    fold: int,
    until_ms: int | None = None,
) -> PortfolioResult:
    """Trade all coins in one account behind the risk limits.

    Args:
        policy: decides for all lanes at once.
        tapes: coins with the features of the fold's fit, sorted by symbol.
        window: the test window.
        kernel: the rules the tapes were built with.
        risk: limits and start balance, account currency.
        account_to_quote_rate: quote units per account unit.
        name: of the policy.
        fold: index of the fold.
        until_ms: close before the window's end, ms UTC, at which trading stops without a decision and what is open
            stays open, as in a trader whose market ends; None: to the end, where everything is sold.

    Raises:
        DataError: a coin has no warm bar in the window.
        InvariantError: a trade's parts do not add up, or an equity is not finite.
    """
    account = _Account(tapes, window, kernel, risk, account_to_quote_rate)
    lanes, confidences, pace = account.lanes, Confidences(), Pace(account.lanes.num_lanes)
    confident, sureness = policy if isinstance(policy, Confident) else None, Sureness.of(risk)
    begun = time.perf_counter()
    while account.live.any() and (until_ms is None or account.close_ms < until_ms):
        deciding = account.deciding()
        if deciding.any():
            account.write_states(deciding)
            if confident is not None:
                decision = sureness.of_decision(confident.decide(lanes.obs), lanes.obs)
                wanted, confidence = decision.action, decision.confidence
            else:
                wanted, confidence = policy.act(lanes.obs), np.ones(lanes.num_lanes, np.float32)
            pace.observe(lanes.obs, wanted, deciding)
            actions = account.judge(wanted, confidence, deciding)
            confidences.note(lanes.bar, np.where(deciding, actions, Action.DO_NOTHING), confidence)
        account.advance()
    wall_s = time.perf_counter() - begun
    day_ms, pnl = daily_pnl(lanes, account.lanes_of, len(tapes), window, name)
    trades = collect_trades(lanes.trades(), tapes, kernel, confidences)
    symbols = tuple(tape.symbol for tape in tapes)
    trades.check_identity(name, symbols)
    bars = sum(stretch.stop - stretch.start - 1 for stretch in account.lanes_of)
    result = ShadowResult(name, fold, window, symbols, day_ms, pnl, trades, pace, bars, wall_s)
    reached = [n for n in range(lanes.num_lanes) if lanes.bar_no[n] <= account.now]  # by coin, then time
    slots = {tapes[account.lanes_of[n].coin].symbol: lanes.slots[n].tobytes() for n in reached}
    return PortfolioResult(
        result, tuple(account.denials), account.approvals, tuple(account.breach_ms), account.limits.wallet, slots
    )


class _Account:
    """The one account: its lanes in lockstep, its value, and what risk remembers."""

    def __init__(
        self, tapes: Sequence[Tape], window: Window, kernel: KernelSettings, risk: RiskSettings, rate: float
    ) -> None:
        self.tapes = tapes
        self.kernel = kernel
        self.limits = Limits.of(risk, rate)
        self.risk = RiskLimits.of(risk, rate)
        self._confidence_min = risk.confidence_min
        self.lanes_of = stretches(tapes, window, kernel.base_ms)
        self.lanes: Lanes = open_lanes(tapes, self.lanes_of, kernel, self.limits, every_bar=True)
        count = self.lanes.num_lanes
        self.live = np.ones(count, np.bool_)
        self.denials: list[Denial] = []
        self.approvals = 0
        self.breach_ms: list[int] = []
        self._by_symbol = sorted(range(count), key=lambda lane: (tapes[self.lanes_of[lane].coin].symbol, lane))
        self._actions = np.zeros(count, np.int64)
        self._forced = np.zeros(count, np.int64)
        self._columns = np.zeros((count, len(_ACCOUNT_ENTRIES)), np.float32)
        self._state = np.zeros((1, STATE_SIZE), np.float32)
        self._load = np.zeros((1, 4), np.float32)
        self._account = np.zeros((1, ACCOUNT_SIZE))
        self.now = int(self.lanes.bar_no.min())
        begin_account(self._account, 0, self.limits.wallet, self.day)
        self.book = DayBook(self.day, self.limits.wallet, self.limits.wallet)

    @property
    def day(self) -> int:
        """Return the UTC day of the bar just closed."""
        return self.now * self.kernel.base_ms // DAY_MS

    @property
    def close_ms(self) -> int:
        """Return the close time of the bar just closed, ms UTC."""
        return (self.now + 1) * self.kernel.base_ms

    @property
    def value(self) -> float:
        """Return wallet and result of all lanes, marked at their last closes, quote currency."""
        return self.limits.wallet + float(self.lanes.equity.sum())

    def deciding(self) -> Flags:
        """Return bool[N]: lanes whose bar closed just now and whose decision is due."""
        return self.live & self.lanes.due & (self.lanes.bar_no == self.now)

    def write_states(self, deciding: Flags) -> None:
        """Write the account's use of its limits into the states that are about to be decided on."""
        exposure = Exposure(float(self.lanes.heat.sum()), float(self.lanes.gross.sum()))
        write_account(self._account, 0, self.value, self.day, exposure, self.limits, self._load, self._state)
        self._columns[deciding] = self._state[0, _ACCOUNT_ENTRIES]
        self._columns[deciding, -1] = self.lanes.obs[deciding, S_HEALTH]  # trades of the coin itself, as in training
        self.lanes.set_account(self._columns)

    def judge(self, wanted: Ints, confidence: npt.NDArray[np.float32], deciding: Flags) -> Ints:
        """Return the actions after risk: entries in the order of symbols, each approval counting for the next."""
        self._actions[deciding] = wanted[deciding]
        entering = deciding & (wanted >= _ENTER_FIRST) & (wanted <= _ENTER_LAST)
        if not entering.any():
            return self._actions
        view = self._view()
        for lane in self._by_symbol:
            if not entering[lane]:
                continue
            sure = float(confidence[lane])
            verdict: Approved[EntryIntent] | Denied
            if not sure_enough(sure, self._confidence_min):
                verdict = Denied(DenialCode.LOW_CONFIDENCE, sure, self._confidence_min)
            else:
                verdict = check_entry(view, self._intent(lane, int(wanted[lane])), self.risk)
            if isinstance(verdict, Approved):
                self.approvals += 1
                view = reserve(view, verdict)
                continue
            self._actions[lane] = Action.DO_NOTHING
            self.denials.append(
                Denial(
                    time_ms=self.close_ms,
                    symbol=self.tapes[self.lanes_of[lane].coin].symbol,
                    action=int(wanted[lane]),
                    code=verdict.code,
                    value=verdict.value,
                    limit=verdict.limit,
                )
            )
        return self._actions

    def advance(self) -> None:
        """Step every lane that has a bar at the next base close; the others obey, and wait for theirs."""
        lanes = self.lanes
        begun = lanes.bar_no <= self.now
        upcoming = np.where(begun, lanes.next_bar_no, lanes.bar_no)
        upcoming = np.where(self.live, upcoming, np.iinfo(np.int64).max)
        self.now = int(upcoming.min())
        moving = self.live & begun & (upcoming == self.now)
        lanes.step(self._actions, self._forced, moving)
        self._actions[:] = Action.DO_NOTHING
        self._forced[:] = 0
        self.live = ~(lanes.terminated | lanes.truncated)
        before = self.book
        self.book = before.closed(self.day, self.value, self.risk)
        if self.book.breached:
            if not (before.breached and before.day == self.book.day):
                self.breach_ms.append(self.close_ms)
            self._forced[self.live & (lanes.gross > 0.0)] = ExitReason.RISK_EXIT

    def _view(self) -> AccountView:
        peak = max(float(self._account[0, PEAK]), self.value)
        gross = float(self.lanes.gross.sum())
        return AccountView(
            equity=self.value,
            equity_peak=peak,
            day_pnl=self.book.judged_pnl(self.risk),
            free_cash=self.value - gross,
            gross=gross,
            heat=float(self.lanes.heat.sum()),
            open_trades=int(np.count_nonzero(self.lanes.gross > 0.0)),
        )

    def _intent(self, lane: int, action: int) -> EntryIntent:
        coin, bar = self.lanes_of[lane].coin, int(self.lanes.bar[lane])
        tape = self.tapes[coin]
        stake = tape.instrument.stake_ticks_steps(self.kernel.stake_quote)
        least = tape.instrument.min_notional_ticks_steps
        view = View(float(tape.sigma[bar]), int(tape.costs.qcap[tape.day[bar]]), stake, least)
        held = float(self.lanes.gross[self.lanes.tape == coin].sum())
        return entry_at_worst(Ask(action, int(tape.bars[bar, CLOSE]), view, held), tape.instrument, self.kernel)
