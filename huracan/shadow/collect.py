"""From the kernel's closed trades to the trade table, re-deriving every net result from the ledger's integers."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.policy import Decision
from huracan.shadow.trades import TradeTable, regime_of, tolerance_quote
from huracan.trading import Action, KernelSettings, Tape, Trades

__all__ = ["Confidences", "Confident", "collect_trades"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
UNIT = 1e-8
_ENTER_FIRST = int(Action.ENTER_LONG_SMALL)
_ENTER_LAST = int(Action.ENTER_LONG_LARGE)


@runtime_checkable
class Confident(Protocol):
    """A policy that says how sure it is, as the seed ensemble does."""

    def decide(self, states: npt.NDArray[np.float32]) -> Decision:
        """Return action, confidence and more for states float32[N, 80]."""
        ...


class Confidences:
    """What a policy gave each of its entries, found again by (lane, decision bar)."""

    def __init__(self) -> None:
        self._lane: list[Ints] = []
        self._bar: list[Ints] = []
        self._value: list[npt.NDArray[np.float32]] = []

    def note(self, bar: Ints, actions: Ints, confidence: npt.NDArray[np.float32]) -> None:
        """Keep the confidence of the lanes that enter; bar and actions int64[N], confidence float32[N]."""
        lanes = np.flatnonzero((actions >= _ENTER_FIRST) & (actions <= _ENTER_LAST))
        if lanes.size:
            self._lane.append(lanes)
            self._bar.append(bar[lanes])
            self._value.append(confidence[lanes])

    def of(self, lane: Ints, decision_bar: Ints) -> Floats:
        """Return float64[n], the confidence of each entry; 1 for a policy that noted none.

        Raises:
            InvariantError: an entry was noted by nobody although others were.
        """
        if not self._lane:
            return np.ones(lane.size)
        span = 1 << 32
        keys = np.concatenate(self._lane) * span + np.concatenate(self._bar)
        values = np.concatenate(self._value)
        order = np.argsort(keys, kind="stable")
        wanted = lane * span + decision_bar
        place = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
        if not np.array_equal(keys[order][place], wanted):
            raise InvariantError("a trade was entered at a decision that the policy never made")
        return values[order][place].astype(np.float64)


def collect_trades(
    trades: Trades, tapes: Sequence[Tape], kernel: KernelSettings, confidences: Confidences
) -> TradeTable:
    """Return the trades in physical units, ordered by coin and time.

    Args:
        trades: closed trades; `trades.tape` indexes `tapes`.
        tapes: coins of the block.
        kernel: the rules.
        confidences: of the entries.

    Raises:
        InvariantError: a net result is not what the ledger's integers give.
    """
    order = np.lexsort((trades.entry_ms, trades.tape))
    coin = trades.tape[order]
    tick = np.array([float(tape.instrument.tick) for tape in tapes])[coin]
    value = np.array([float(tape.instrument.tick_step_quote) for tape in tapes])[coin]
    entry_price, exit_price = trades.entry_price[order], trades.exit_price[order]
    table = TradeTable(
        coin=coin,
        seq=np.arange(coin.size) - np.searchsorted(coin, coin),
        entry_ms=trades.entry_ms[order],
        exit_ms=trades.exit_ms[order],
        hold_bars=(trades.exit_ms[order] - trades.entry_ms[order]) // kernel.base_ms,
        quantity=trades.quantity[order],
        entry_price=entry_price,
        exit_price=exit_price,
        notional_in=trades.value_in[order] * value,
        notional_out=trades.value_out[order] * value,
        price_part=trades.price_part[order],
        spread_part=trades.spread_part[order],
        slippage_part=trades.slippage_part[order],
        fee_part=trades.fee[order],
        net=trades.net[order],
        mfe_frac=np.maximum(trades.high[order] * tick / entry_price - 1.0, 0.0),
        mae_frac=np.minimum(trades.low[order] * tick / entry_price - 1.0, 0.0),
        risk_frac=(trades.ref[order] - trades.stop[order]) * tick / entry_price,
        reason=trades.reason[order],
        action=trades.action[order],
        regime=regime_of(trades.entry_state[order]),
        confidence=confidences.of(trades.lane[order], trades.decision_bar[order]),
        steps_in=trades.quantity_in[order],
        steps_out=trades.quantity_out[order],
        tick_steps_in=trades.value_in[order],
        tick_steps_out=trades.value_out[order],
        fee_base_e8=trades.fee_base[order],
        fee_quote_e8=trades.fee_quote[order],
        dust_in_e8=trades.dust_in[order],
        dust_out_e8=trades.dust_out[order],
        high_ticks=trades.high[order],
        low_ticks=trades.low[order],
        entry_state=trades.entry_state[order],
    )
    _check_ledger(table, tapes)
    return table


def _check_ledger(table: TradeTable, tapes: Sequence[Tape]) -> None:
    """Re-derive quantities and net results from the integers, whoever computed the floats.

    bought = sold + fee in coin + change of dust, exactly; net = received - paid + dust at exit price - fee in quote.
    """
    units = np.array([tape.instrument.step_units for tape in tapes], np.int64)[table.coin]
    dust = table.dust_out_e8 - table.dust_in_e8
    lost = (table.steps_in - table.steps_out) * units - table.fee_base_e8 - dust
    if lost.any():
        row = int(np.argmax(lost != 0))
        raise InvariantError(
            f"trade {table.seq[row]} on {tapes[table.coin[row]].symbol}: {lost[row]} e-8 coins are unaccounted for; "
            "the accounting of the kernel is broken, do not trust this run"
        )
    net = table.notional_out - table.notional_in + dust * UNIT * table.exit_price - table.fee_quote_e8 * UNIT
    wrong = ~(np.abs(net - table.net) <= tolerance_quote(table.notional_in))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvariantError(
            f"trade {table.seq[row]} on {tapes[table.coin[row]].symbol}: net {table.net[row]!r} but the ledger gives "
            f"{net[row]!r}; the accounting of the kernel is broken, do not trust this run"
        )
