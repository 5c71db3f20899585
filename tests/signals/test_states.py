"""The account part of states is bit for bit what portfolio shadow writes, over restarts in the middle as well."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.baselines import MeanReversion, Momentum
from huracan.config import RiskSettings
from huracan.errors import InvariantError
from huracan.execution.commands import Close
from huracan.execution.grid import Grid
from huracan.execution.positions import Position
from huracan.features import MARKET_SIZE, STATE_SIZE
from huracan.features.layout import S_DATA_AGE, S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEALTH, S_HEAT, S_IS_LONG
from huracan.policy import Policy
from huracan.shadow.portfolio import _Account
from huracan.signals.model import FitRows, MarketClose
from huracan.signals.states import Seat, StateBook
from huracan.trading import Limits, Tape
from huracan.trading.account import ACCOUNT_SIZE
from huracan.trading.settings import View
from huracan.trading.tape import NUMBER
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.klines import Kline
from tests.shadow.worlds import rules, wild_world, window_of

KERNEL = rules()


def _joined(tape: Tape) -> Tape:
    """Return a tape whose gaps end no stretch, for an account that trades through them, and without memory."""
    features = tape.features.copy()
    features[:, MARKET_SIZE:] = 0.0
    ready = np.arange(len(tape)) >= 100
    return replace(tape, segment=np.zeros_like(tape.segment), ready=ready).with_features(features)


TAPES = [_joined(tape) for tape in wild_world(KERNEL)]
TIGHT = RiskSettings(daily_loss_max=60.0, heat_max_frac=0.02, gross_exposure_max_frac=0.5, dry_run_wallet=5_000.0)
LOOSE = RiskSettings(daily_loss_max=1e9, heat_max_frac=1.0, symbol_notional_max=1e9, drawdown_max_frac=1.0)
FIT = "fit"


def close_of(tape: Tape, bar: int) -> Close:
    """Return a bar of a tape as live trading sees it."""
    instrument, day = tape.instrument, int(tape.day[bar])
    ratio = instrument.quote_ratio
    terms = Terms(
        spread=int(tape.costs.spread[day]),
        impact=float(tape.costs.impact[day]),
        maker_ppm=instrument.fee_maker_ppm,
        taker_ppm=instrument.fee_taker_ppm,
        fee_in_quote=instrument.fee_in_quote,
        step_units=instrument.step_units,
        quote_num=ratio.numerator,
        quote_den=ratio.denominator,
        share_num=KERNEL.share_num,
        share_den=KERNEL.share_den,
        kappa=KERNEL.stop_slip_range_frac,
    )
    view = View(
        float(tape.sigma[bar]),
        int(tape.costs.qcap[day]),
        instrument.stake_ticks_steps(KERNEL.stake_quote),
        instrument.min_notional_ticks_steps,
    )
    return Close(Bar(*tape.bars[bar].tolist()), terms, view)


def seats_of(account: _Account) -> dict[str, Seat]:
    """Return the lanes as seats: each market's slot, health and last closed bar."""
    found = {}
    for lane, stretch in enumerate(account.lanes_of):
        tape = account.tapes[stretch.coin]
        slot = account.lanes.slots[lane : lane + 1].copy().view(np.recarray)[0]
        health = np.zeros((1, ACCOUNT_SIZE))
        health[0] = account.lanes._arrays.accounts[lane]
        position = Position(Grid.of(tape.instrument), KERNEL.base_ms, slot, account=health)
        close = close_of(tape, int(account.lanes.bar[lane]))
        begun = account.lanes.bar_no[lane] <= account.now
        worth = float(tape.instrument.tick_step_quote)
        found[tape.symbol] = Seat(position, close if begun else None, KERNEL.rules, worth, FIT)
    return found


def close_at(account: _Account) -> MarketClose:
    """Return what a feed tells at the lanes' close."""
    count = len(account.tapes)
    market = np.zeros((count, MARKET_SIZE), np.float32)
    age = np.zeros(count, np.float32)
    bars: dict[str, Kline] = {}
    for place, tape in enumerate(account.tapes):
        numbers = tape.bars[:, NUMBER]
        at = int(np.searchsorted(numbers, account.now))
        row = int(np.searchsorted(tape.rows, at, side="right")) - 1
        market[place] = tape.features[row, :MARKET_SIZE]
        if row > 0:
            last, before = int(tape.rows[row]), int(tape.rows[row - 1])
            age[place] = int(numbers[last] - numbers[before]) - (last - before)
    flags = np.ones(count, np.bool_)
    rows = FitRows(market, flags, age, np.ones(count), flags)
    symbols = tuple(tape.symbol for tape in account.tapes)
    return MarketClose(account.close_ms, False, symbols, bars, {FIT: rows}, 0)


def walk(policy: Policy, risk: RiskSettings) -> Iterator[tuple[_Account, tuple[str, ...], NDArray[np.float32]]]:
    """Trade in portfolio shadow; yields account, deciding markets and their states at each decision."""
    account = _Account(TAPES, window_of(TAPES, 1, 4), KERNEL, risk, 1.0)
    assert len(account.lanes_of) == len(TAPES), "one stretch a coin"
    while account.live.any():
        deciding = account.deciding()
        if deciding.any():
            account.write_states(deciding)
            symbols = tuple(TAPES[account.lanes_of[lane].coin].symbol for lane in np.flatnonzero(deciding))
            yield account, symbols, account.lanes.obs[deciding].copy()
            account.judge(policy.act(account.lanes.obs), np.ones(account.lanes.num_lanes, np.float32), deciding)
        account.advance()


@pytest.mark.parametrize("risk", [LOOSE, TIGHT], ids=["loose", "tight"])
@pytest.mark.parametrize("policy", [Momentum(), MeanReversion()], ids=lambda p: type(p).__name__)
def test_every_state_is_shadows_bit_for_bit_whenever_it_is_restored(policy: Policy, risk: RiskSettings) -> None:
    """All 80 entries at every decision of a wild window, missing bars included; the book goes through its bytes."""
    limits, rng = Limits.of(risk), np.random.default_rng(5)
    book, decisions, held = StateBook(limits, limits.wallet), 0, 0
    seen = np.zeros(STATE_SIZE, np.bool_)
    for account, symbols, expected in walk(policy, risk):
        seats, close = seats_of(account), close_at(account)
        before = book.to_bytes()
        looked = book.look(close, seats, symbols)
        assert book.to_bytes() == before
        states = book.write(close, seats, symbols)
        assert states.tobytes() == looked.tobytes() == expected.tobytes(), _where(states, expected)
        if rng.random() < 0.3:
            book = StateBook.from_bytes(book.to_bytes(), limits)
        decisions += len(symbols)
        held += int((states[:, S_IS_LONG] > 0).sum())
        seen |= (states != 0).any(axis=0)
    assert decisions > 2_000
    assert held > 50
    assert seen[[S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_HEALTH, S_DATA_AGE]].all()


def _where(states: NDArray[np.float32], expected: NDArray[np.float32]) -> str:
    rows, entries = np.nonzero(states.view(np.uint32) != expected.view(np.uint32))
    row, entry = int(rows[0]), int(entries[0])
    return f"entry {entry} of row {row}: {states[row, entry]!r}, shadow has {expected[row, entry]!r}"


def test_bytes_that_are_no_account_are_refused() -> None:
    """Before the first decision there is nothing to restore; other bytes are no account."""
    limits = Limits.of(LOOSE)
    assert StateBook(limits, 1.0).to_bytes() == b""
    for data in (b"", b"x" * 63):
        with pytest.raises(InvariantError, match="no saved account"):
            StateBook.from_bytes(data, limits)


def test_a_market_that_nobody_decides_on_has_no_state() -> None:
    """It counts towards the account, and is not decided on."""
    account, symbols, _ = next(walk(Momentum(), LOOSE))
    seats, close = seats_of(account), close_at(account)
    one = seats[symbols[0]]
    seats[symbols[0]] = Seat(one.position, one.close, one.rules, one.tick_step, None)
    book = StateBook(Limits.of(LOOSE), 1.0)
    with pytest.raises(InvariantError, match="no version decides"):
        book.write(close, seats, symbols)
    assert book.write(close, seats, symbols[1:]).shape == (len(symbols) - 1, STATE_SIZE)
