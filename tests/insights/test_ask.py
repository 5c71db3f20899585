"""Questions to the memory: the right trades answer, planted patterns come out, noise makes no claim, gaps are named."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DataError, UsageError
from huracan.insights import ask, learn_patterns
from huracan.memory import StoredProposal, open_run, read_trades, write_analyses, write_trades
from huracan.memory.remembered import Asked
from tests.insights.stored import analysed, losses, store
from tests.insights.worlds import START_MS, planted_trades

pytestmark = pytest.mark.postgres


def test_a_planted_pattern_is_what_stands_out_and_coins_do_not(database: Engine) -> None:
    """Of two hundred trades each that win and lose by their state, the two patterns are claimed, each by its name."""
    run_id, trades = store(database, (0.6, -0.6), 600, 3)
    (learnt,) = learn_patterns(database, Asked(run_id=run_id))
    assert learnt.rows_written == 1 + 2 + 600
    assert learn_patterns(database, Asked(run_id=run_id))[0].rows_written == 0
    found = ask(database, Asked(run_id=run_id))
    assert {(setup.by, setup.stage) for setup in found.claims} == {("pattern", "good"), ("pattern", "bad")}
    assert found.total.trades == 600
    assert found.total.wins == int((trades.net > 0).sum())
    assert found.total.net == pytest.approx(trades.net.sum())
    assert found.total.fees == pytest.approx(-0.2 * 600)
    assert found.total.cost_bps == pytest.approx(1e4 * 0.3 / 200)
    by = {section.by: section for section in found.sections}
    assert list(by) == ["mode", "version", "coin", "regime", "pattern", "exit reason", "hour"]
    for section in found.sections:
        assert sum(one.trades for one in section.slices) == 600
        assert sum(one.net for one in section.slices) == pytest.approx(trades.net.sum())
    for one in by["coin"].slices:
        mine = trades.symbol == one.name
        assert (one.trades, one.wins) == (int(mine.sum()), int((trades.net[mine] > 0).sum()))
        assert one.result is not None
        assert one.result.mean == pytest.approx((trades.net[mine] / 2.0).mean())  # an R is 1 % of 100 x 2
    assert {one.name: one.trades for one in by["exit reason"].slices}["take_profit"] == found.total.wins


def test_noise_makes_no_claim(database: Engine) -> None:
    """In ten memories of noise with its weather no more than three claim a setup, of forty or so compared in each."""
    claims = 0
    for seed in range(10):
        run_id, _ = store(database, (0.0, 0.0), 300, 50 + seed, day_spread=0.4)
        learn_patterns(database, Asked(run_id=run_id))
        found = ask(database, Asked(run_id=run_id))
        assert len(found.setups) >= 15
        claims += bool(found.claims)
    assert claims <= 3


def test_the_best_evidence_answers_and_each_filter_narrows(database: Engine) -> None:
    """Paper before shadow; of shadow the newest run's ensemble; version, coin, day and mode as asked."""
    first, _ = store(database, (0.0,), 120, 1)
    newest, _ = store(database, (0.0,), 130, 2)
    store(database, (0.0,), 140, 3, policy="seed-1")
    shadow = ask(database, Asked("shadow"))
    assert (shadow.run_ids, shadow.total.trades) == ((newest,), 130)
    assert ask(database, Asked("shadow", run_id=first)).total.trades == 120
    assert ask(database, Asked("shadow", policy="seed-1")).total.trades == 140
    _, paper = store(database, (0.0,), 150, 4, policy="v7", mode="paper", account="anna")
    store(database, (0.0,), 20, 5, policy="v8", mode="paper", account="anna")
    found = ask(database, Asked())
    assert (found.mode, found.total.trades, len(found.run_ids)) == ("paper", 170, 2)
    assert dict(found.by_mode)["paper"] == 170
    assert [(one.name, one.trades) for one in found.sections[1].slices] == [("v7", 150), ("v8", 20)]
    assert ask(database, Asked(policy="v8")).total.trades == 20
    assert ask(database, Asked(symbol="C1/USDT", policy="v7")).total.trades == int((paper.symbol == "C1/USDT").sum())
    middle = START_MS + 30 * 86_400_000
    assert ask(database, Asked(since_ms=middle, policy="v7")).total.trades == int((paper.entry_time >= middle).sum())


def test_causes_and_what_came_after_are_told_when_they_are_known(database: Engine) -> None:
    """Without analyses the gaps say what to run; with them each loss counts once, by its strongest cause."""
    run_id, trades = store(database, (0.0,), 200, 9)
    before = ask(database, Asked(run_id=run_id))
    assert (before.causes, before.after_exits, before.analysed) == ((), (), 0)
    assert any(f"huracan patterns find --run-id {run_id} --mode shadow" in gap for gap in before.gaps)
    assert any("200 of 200 trades are not analysed" in gap and "huracan analyse" in gap for gap in before.gaps)
    analysed(database, run_id, trades)
    found = ask(database, Asked(run_id=run_id))
    explained, unexplained = losses(trades)
    assert {(row.name, row.trades, row.foreseen) for row in found.causes} == {
        ("cost", explained, explained),
        ("unexplained", unexplained, 0),
    }
    assert sum(row.net for row in found.causes) == pytest.approx(trades.net[trades.net <= 0].sum())
    assert sum(row.trades for row in found.factors) == int((trades.net > 0).sum())
    assert sum(row.trades for row in found.after_exits) == 200
    for row in found.after_exits:
        assert row.missed_bps is not None
        assert row.move_bps is not None
        assert (row.missed_bps.mean, row.move_bps.mean) == (pytest.approx(40.0), pytest.approx(-12.0))
    assert not any("not analysed" in gap for gap in found.gaps)


def test_only_rules_that_later_days_confirmed_are_told_and_only_of_the_trades_meant(database: Engine) -> None:
    """Of a refused hold, a validated stop and another version's validated target the answer has the stop."""
    run_id, _ = store(database, (0.0,), 120, 31)
    rule = {"stop_sigmas": 0.5, "target_sigmas": 1.5, "hold_bars": 60}
    stop = StoredProposal("ensemble", "coin", "shadow", "stop", "validated", rule, '{"tried": 4}', "early and late")
    refused = replace(stop, kind="hold", status="refused")
    other = replace(stop, policy="seed-1", kind="target")
    write_analyses(database, run_id, (), [stop, refused, other])
    assert ask(database, Asked(run_id=run_id)).proposals == (stop,)
    write_analyses(database, run_id, (), [replace(stop, status="undecided")])
    assert ask(database, Asked(run_id=run_id)).proposals == ()


def test_trades_that_were_cut_off_are_counted_apart(database: Engine) -> None:
    """They are in the totals; no command could place or analyse them, so the gaps ask for none."""
    run_id = open_run(database, "train", Settings(), "data", "test")
    planted, _ = planted_trades((0.0,), 200, 21, policy="ensemble")
    cut = np.arange(200) % 10 == 0
    write_trades(database, run_id, replace(planted, exit_reason=np.where(cut, "end_of_data", planted.exit_reason)))
    trades = read_trades(database, run_id)
    learn_patterns(database, Asked(run_id=run_id))
    gaps = ask(database, Asked(run_id=run_id)).gaps
    assert any("180 of 200 trades are not analysed" in gap for gap in gaps)
    analysed(database, run_id, trades.rows(np.flatnonzero(trades.exit_reason != "end_of_data").tolist()))
    found = ask(database, Asked(run_id=run_id))
    assert found.total.trades == 200
    assert sum(setup.slice.trades for setup in found.setups if setup.by == "coin") == 180
    assert found.gaps == (
        "20 of 200 trades were cut off by the end of the data or the kill switch: in the totals, in no setup",
    )


def test_nothing_is_said_in_words(database: Engine) -> None:
    """No such trades: what was asked, what there is, what to do."""
    with pytest.raises(UsageError, match=r"no closed live trades of v9 yet; the memory has .* shadow trades: ask with"):
        ask(database, Asked("live", policy="v9"))
    with pytest.raises(UsageError, match=r"no closed shadow trades .*symbol NONE/USDT"):
        ask(database, Asked("shadow", symbol="NONE/USDT"))
    with pytest.raises(UsageError, match="no closed live trades"):
        learn_patterns(database, Asked("live"))


def test_an_owner_with_too_few_trades_does_not_stop_the_others(database: Engine) -> None:
    """Of two versions on paper the one with enough gets a library, the other its reason; none at all is refused."""
    store(database, (0.0,), 150, 11, policy="w1", mode="paper", account="bert")
    store(database, (0.0,), 40, 12, policy="w2", mode="paper", account="bert")
    done = {one.policy: one for one in learn_patterns(database, Asked("paper", account="bert"))}
    assert done["w1"].found is not None
    assert done["w2"].found is None
    assert "40 of 40 closed trades can be compared, need 100" in done["w2"].refused
    with pytest.raises(DataError, match="40 of 40"):
        learn_patterns(database, Asked("paper", policy="w2"))


def test_one_day_and_one_trade_are_answered_without_intervals(database: Engine) -> None:
    """A single trade has a result and no interval, and no setup is claimed."""
    store(database, (1.0,), 1, 13, policy="one", mode="live", account="eva", days=1)
    found = ask(database, replace(Asked("live"), account="eva"))
    assert found.total.result is not None
    assert found.total.result.low is None
    assert not found.claims
    assert np.isfinite(found.total.net)
