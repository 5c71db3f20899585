"""The whole analysis of a policy's trades: what adds up, what is refused, what is a stated gap."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.analyse import Analysed, Group, analyse
from huracan.analysis.outcome import TOP, TRADES_MIN
from huracan.analysis.paths import path_of
from huracan.analysis.similar import embedding_of
from huracan.errors import DataError, UsageError
from huracan.memory import TradeRows
from huracan.memory.analyses import HORIZONS
from huracan.trading import KernelSettings, Tape
from tests.analysis.worlds import shadow_world
from tests.memory.samples import joined
from tests.patterns.worlds import SCALER
from tests.shadow.worlds import LIMITS

WORLD = shadow_world(coins=2, days=14)
LAYOUT = 7


def _group(trades: TradeRows, tapes: Sequence[Tape], kernel: KernelSettings) -> Group:
    paths = {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}
    return Group(trades, paths, embedding_of(tapes, kernel.base_ms, int(trades.entry_time.min()), SCALER))


def _analyse(trades: TradeRows, tapes: Sequence[Tape] | None = None, layout: int = LAYOUT) -> Analysed:
    _, own, kernel, _ = WORLD
    chosen = own if tapes is None else tapes
    group = _group(trades, chosen, kernel)
    return analyse([group], chosen, kernel, LIMITS, layout=layout, resamples=100)


@pytest.fixture(scope="module")
def found() -> Analysed:
    """All trades of a random policy on two martingales."""
    return _analyse(WORLD[0])


def test_everything_adds_up(found: Analysed) -> None:
    """Wins and losses are the analysed trades; each has one row; the identity is exact, the excursions are the same."""
    summary, trades = found.summary, WORLD[0]
    ended = ~np.isin(trades.exit_reason, ("end_of_data", "kill_switch"))
    assert summary.trades == len(trades)
    assert summary.analysed == ended.sum() == len(found.rows)
    assert summary.wins == (trades.net[ended] > 0).sum() == sum(row.won for row in found.rows)
    assert summary.wins + summary.losses == summary.analysed
    assert (summary.identity_error, summary.excursions_differ) == (0, 0)
    assert sum(row.trades for row in summary.regimes) == summary.analysed
    assert sum(row.first for row in summary.causes) + summary.unexplained_losses == summary.losses
    assert sum(row.first for row in summary.factors) + summary.unexplained_wins == summary.wins
    for row in (*summary.causes, *summary.factors):
        assert row.first <= row.found <= row.tested


def test_a_random_policy_on_martingales_has_no_skill(found: Analysed) -> None:
    """Its interval against chance holds zero, nothing is validated, no hold pays."""
    skill = found.summary.skill
    assert skill is not None
    assert skill.low is not None
    assert skill.high is not None
    assert skill.low <= 0.0 <= skill.high
    assert all(not proposal.usable for proposal in found.summary.proposals)
    assert len(found.proposals) == len(found.summary.proposals) == 3
    assert not found.summary.curve.proven


def test_rows_carry_evidence(found: Analysed) -> None:
    """Findings are ranked; features and contributions go together; what comes after is there."""
    for row in found.rows:
        findings = json.loads(row.findings_json)
        assert [strength for _, strength, _ in findings] == sorted((one[1] for one in findings), reverse=True)
        assert len(row.features) == len(row.contributions) <= TOP
        assert len(row.move_bps) == len(row.mfe_bps) == len(row.mae_bps) == len(HORIZONS)
        assert row.p_value is not None
        assert 0.0 < row.p_value <= 1.0


def test_twice_is_the_same(found: Analysed) -> None:
    """Every draw is seeded: the same trades give the same analysis."""
    assert _analyse(WORLD[0]) == found or _analyse(WORLD[0]).rows == found.rows
    assert _analyse(WORLD[0]).summary == found.summary


def test_no_trade_is_refused() -> None:
    """There is nothing to say."""
    with pytest.raises(UsageError, match="there is no closed trade"):
        analyse([], WORLD[1], WORLD[2], LIMITS, layout=LAYOUT)


def test_several_policies_at_once_are_refused() -> None:
    """Who earned what would be anybody's guess."""
    trades = WORLD[0]
    other = replace(trades, policy=np.full(len(trades), "flat"))
    with pytest.raises(UsageError, match="2 policies, accounts and modes"):
        _analyse(joined(trades, other))


def test_a_number_that_is_none_is_refused() -> None:
    """In results and in states."""
    trades = WORLD[0]
    net, states = trades.net.copy(), trades.entry_state.copy()
    net[3], states[3, 5] = np.nan, np.inf
    for wrong in (replace(trades, net=net), replace(trades, entry_state=states)):
        with pytest.raises(DataError, match="is not a finite number"):
            _analyse(wrong)


def test_trades_of_other_candles_are_refused() -> None:
    """None of them lies on the candles: which folder is asked for."""
    trades = WORLD[0]
    day = 400 * 86_400_000
    with pytest.raises(DataError, match="give the folder of the candles"):
        _analyse(replace(trades, entry_time=trades.entry_time + day, exit_time=trades.exit_time + day))


def test_a_handful_of_trades_is_analysed_and_says_what_is_missing() -> None:
    """Causes and factors need no number; model and proposals do, and say so."""
    few = WORLD[0].rows(range(12))
    found = _analyse(few)
    assert found.summary.model is None
    assert any(f"{TRADES_MIN} are needed" in gap for gap in found.summary.gaps)
    assert {proposal.status for proposal in found.summary.proposals} == {"undecided"}
    assert len(found.rows) == 12
    single = _analyse(WORLD[0].rows([0]))
    assert single.summary.analysed == 1
    assert single.summary.curve.points[0].low is None


def test_trades_of_another_layout_are_judged_but_not_compared() -> None:
    """Their states mean something else: no neighbours, no contributions, and the gap is stated."""
    found = _analyse(WORLD[0], layout=LAYOUT + 1)
    assert all(row.neighbours is None and row.features == () for row in found.rows)
    assert any("another feature layout" in gap for gap in found.summary.gaps)
    assert found.summary.causes


def test_candles_that_end_with_the_trades_are_a_stated_gap() -> None:
    """What came after the last trades is not known; the rest is analysed."""
    trades, tapes, kernel, _ = WORLD
    end = int(trades.exit_time.max()) // kernel.base_ms + 2
    cut = [tape.between(0, int(np.searchsorted(tape.bars[:, 0], end))) for tape in tapes]
    found = _analyse(trades, cut)
    assert any("up to the longest horizon" in gap for gap in found.summary.gaps)
    assert any(row.move_bps[-1] is None for row in found.rows)
    assert any(row.move_bps[-1] is not None for row in found.rows)


def test_a_market_that_hardly_moves_costs_what_trading_costs() -> None:
    """Nearly constant results: every loss is explained by its costs, and no model claims anything."""
    trades, tapes, kernel, _ = shadow_world(coins=1, days=6, sigma_bps=0.2)
    found = analyse([_group(trades, tapes, kernel)], tapes, kernel, LIMITS, layout=LAYOUT, resamples=100)
    cost = next(row for row in found.summary.causes if row.name == "cost")
    assert found.summary.wins == 0
    assert cost.tested == cost.found == found.summary.losses
    assert found.summary.model is None or not found.summary.model.explains


def test_a_coin_without_candles_is_a_stated_gap() -> None:
    """The other coin is analysed."""
    trades, tapes, _, _ = WORLD
    found = _analyse(trades, tapes[:1])
    assert {row.symbol for row in found.rows} == {tapes[0].symbol}
    assert any("do not lie on these candles" in gap for gap in found.summary.gaps)


def test_a_warning_tells_only_when_it_separates_losses_from_wins() -> None:
    """On martingales a losing neighbourhood is chance; where the state decides, it is a warning."""
    trades = WORLD[0]
    rows = np.flatnonzero(trades.exit_reason != "end_of_data")
    plain = _analyse(trades.rows(rows.tolist())).summary
    assert sum(row.telling for row in (*plain.causes, *plain.factors)) <= 1
    states, won = trades.entry_state.copy(), trades.net > 0
    states[:, :52] += np.where(won, 2.0, -2.0)[:, None].astype(np.float32)  # what the market looked like decides
    planted = _analyse(replace(trades, entry_state=states).rows(rows.tolist())).summary
    similar = next(row for row in planted.causes if row.name == "similar_losing")
    assert similar.telling
    assert similar.warned is not None
    assert similar.warned_others is not None
    assert similar.warned > 0.5 > similar.warned_others
    assert planted.preventable_losses > 0.5 * planted.losses > plain.preventable_losses
    assert planted.model is not None
    assert planted.model.explains
