"""The comparison finds every kind of difference, and takes nothing for a proof that is none."""

from dataclasses import fields, replace

import numpy as np
import pytest

from huracan.memory import TradeRows
from huracan.shadow.portfolio import shadow_portfolio
from huracan.shadow.rows import trade_rows
from huracan.signals.parity import DenialRow, compare, denials_of
from huracan.trading import ExitReason
from tests.shadow.test_portfolio import KERNEL, LOOSE, TAPES, WINDOW, Momentum

FEW = LOOSE.model_copy(update={"max_open_trades": 1})
SHADOW = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, FEW, name="p", fold=0)


def rows(mode: str = "shadow") -> TradeRows:
    """Return trades as either side stores them."""
    found = trade_rows(SHADOW.result, "portfolio")
    return replace(found, mode=np.full(len(found), mode))


def changed(name: str, row: int, by: float) -> TradeRows:
    """Return the other side's rows with one figure changed."""
    found = rows("paper")
    column = getattr(found, name).copy()
    column[row] += by
    return replace(found, **{name: column})


def pick(found: TradeRows, keep: np.ndarray) -> TradeRows:
    """Return some rows."""
    return TradeRows(**{field.name: getattr(found, field.name)[keep] for field in fields(TradeRows)})


def test_the_same_trades_agree_whatever_their_order() -> None:
    """Names of policy, account and mode differ, rows come in another order; end of data is nobody's trade."""
    other = replace(rows("paper"), policy=np.full(len(rows()), "v1"), account=np.full(len(rows()), "main"))
    order = np.random.default_rng(1).permutation(len(other))
    report = compare(rows(), pick(other, order), denials_of(SHADOW.denials), denials_of(SHADOW.denials))
    ended = int((rows().exit_reason == ExitReason.END_OF_DATA.name.lower()).sum())
    assert report.holds
    assert report.trades == len(rows()) - ended > 20
    assert sum(report.reasons.values()) == report.trades
    assert report.denials == {"OPEN_TRADES": len(SHADOW.denials)}
    assert "end_of_data" not in report.reasons


def test_an_empty_set_proves_nothing() -> None:
    """Nothing on both sides is no agreement, nor is end of data alone."""
    nothing = pick(rows(), np.zeros(len(rows()), np.bool_))
    assert not compare(nothing, nothing).holds
    ended = replace(rows(), exit_reason=np.full(len(rows()), "end_of_data"))
    assert not compare(ended, ended).holds


CHANGES = {
    "exit_time": 60_000,
    "steps_in": 1,
    "steps_out": -1,
    "tick_steps_in": 1,
    "tick_steps_out": 1,
    "fee_base_e8": 1,
    "fee_quote_e8": -1,
    "dust_in_e8": 1,
    "dust_out_e8": 1,
    "high_ticks": 1,
    "low_ticks": -1,
    "action": 1,
    "regime": 1,
    "confidence": 1e-6,
    "net": 1e-4,
    "fee": 1e-4,
    "spread_part": 1e-4,
    "slippage_part": -1e-4,
    "mfe_frac": 1e-7,
    "mae_frac": -1e-7,
    "entry_price": 1e-4,
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_figure_of_one_trade_is_found(name: str) -> None:
    """The smallest step of each figure is a difference, with its market and time."""
    row = int(np.flatnonzero(rows().exit_reason != "end_of_data")[3])
    report = compare(rows(), changed(name, row, CHANGES[name]))
    assert not report.holds
    found = report.differences[0]
    assert [one.what for one in report.differences] == [name]
    assert (found.symbol, found.at_ms) == (str(rows().symbol[row]), int(rows().entry_time[row]))
    assert name in report.lines()[1]


def test_another_reason_another_bar_and_a_missing_trade_are_found() -> None:
    """A trade that one side lacks is named; one that begins a bar later is two of them."""
    other = rows("paper")
    row = int(np.flatnonzero(other.exit_reason != "end_of_data")[0])
    reasons = other.exit_reason.copy()
    reasons[row] = "risk_exit"
    assert [one.what for one in compare(rows(), replace(other, exit_reason=reasons)).differences] == ["exit_reason"]
    keep = np.arange(len(other)) != row
    assert [one.what for one in compare(rows(), pick(other, keep)).differences] == ["trade"]
    assert [one.paper for one in compare(rows(), pick(other, keep)).differences] == ["none"]
    later = changed("entry_time", row, 60_000)
    assert [one.what for one in compare(rows(), later).differences] == ["trade", "trade"]


def test_one_bit_of_one_state_is_found() -> None:
    """The least bit of a state, and a zero of another sign."""
    row = int(np.flatnonzero(rows().exit_reason != "end_of_data")[2])
    for entry in range(0, 80, 7):
        states = rows().entry_state.copy()
        states.view(np.uint32)[row, entry] ^= 1 if entry % 2 else 1 << 31
        report = compare(rows(), replace(rows("paper"), entry_state=states))
        assert [one.what for one in report.differences] == [f"entry_state[{entry}]"]


def test_denials_are_compared_by_close_market_action_and_code() -> None:
    """Another code, one more and one less are differences; how often counts."""
    some = DenialRow(1, "A/USDT", 2, "HEAT")
    for other in ((), (some, some), (replace(some, code="BALANCE"),), (replace(some, action=1),)):
        report = compare(rows(), rows("paper"), (some,), other)
        assert not report.holds
        assert {one.what for one in report.differences} == {"denial"}
    assert compare(rows(), rows("paper"), (some, some), (some, some)).denials == {"HEAT": 2}
