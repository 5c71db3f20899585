"""The pattern library: planted groups are found with true figures, noise is unclear, the future changes nothing."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from huracan.errors import DataError, UsageError
from huracan.insights import find_patterns
from huracan.insights.library import bar_ms
from huracan.memory import join_trades
from huracan.patterns.clusters import embedding_of_bytes
from tests.insights.worlds import LAYOUT, MINUTE_MS, RISK_FRAC, START_MS, planted_trades


def test_a_winning_and_a_losing_pattern_are_found_with_their_true_figures() -> None:
    """Both found, each trade in its own, figures equal to those counted by hand, the truth within bounds."""
    trades, group = planted_trades((0.5, -0.5), 800, 3)
    library = find_patterns(trades, 1)
    assert len(library.found.patterns) == 2
    placed = dict(
        zip(zip(library.members.symbol, library.members.seq, strict=True), library.members.number, strict=True)
    )
    number = np.array([placed[key] for key in zip(trades.symbol, trades.seq, strict=True)])
    for pattern in library.found.patterns:
        mine = number == pattern.number
        truth = np.bincount(group[mine]).argmax()
        assert (group[mine] == truth).mean() > 0.97
        assert pattern.stage == ("good", "bad")[truth]
        result = trades.net[mine] / (trades.entry_price[mine] * trades.quantity[mine] * RISK_FRAC)
        assert pattern.trades == mine.sum()
        assert pattern.wins == (result > 0).sum()
        assert pattern.mean_r == pytest.approx(result.mean())
        assert pattern.mean_r_low is not None
        assert pattern.mean_r_high is not None
        assert pattern.mean_r_low < (0.5, -0.5)[truth] < pattern.mean_r_high
        true_rate = (0.6915, 0.3085)[truth]  # normal with mean 0.5 and deviation 1 above zero
        assert pattern.win_low < true_rate < pattern.win_high
        assert pattern.net == pytest.approx(trades.net[mine].sum())
        assert pattern.fees == pytest.approx(-0.2 * mine.sum())
        assert pattern.slippage == pytest.approx(-0.1 * mine.sum())
        assert sum(count for _, count in pattern.coins) == mine.sum()
        assert dict(pattern.exits)["take_profit"] == pytest.approx((result > 0).mean())
        assert {name for name, _ in pattern.traits} == {"ret_60", "ret_240", "ret_1440"}
        assert all((away > 0) == bool(truth) for _, away in pattern.traits)
        assert pattern.nature.startswith(("low", "high")[truth])


def test_patterns_of_noise_are_called_unclear() -> None:
    """In 60 worlds whose groups of entries mean nothing, no more than one in ten calls one of them good or bad."""
    claimed = 0
    for seed in range(60):
        trades, _ = planted_trades((0.0, 0.0), 160, seed, days=30, day_spread=0.5, shift=4.0)
        found = find_patterns(trades, 1, seed=seed).found
        assert len(found.patterns) == 2
        claimed += any(pattern.stage != "unclear" for pattern in found.patterns)
    print(f"{claimed} of 60 worlds claim a pattern")
    assert claimed <= 12


def test_a_cloud_without_structure_is_one_pattern_that_claims_nothing() -> None:
    """Entries that form no groups are not cut into any, and the one group is not called bad for losing like itself."""
    trades, _ = planted_trades((-0.5,), 400, 5)
    (pattern,) = find_patterns(trades, 1).found.patterns
    assert pattern.stage == "unclear"
    assert pattern.nature.startswith("all entries")
    assert pattern.rest_r is None


def test_what_comes_later_changes_nothing_that_was_said() -> None:
    """The library as of a moment is bit for bit the same with all the future in the table, in whatever order."""
    past, _ = planted_trades((0.4, -0.4), 500, 7, days=40)
    later, _ = planted_trades((-2.0, 2.0), 500, 8, days=40, first_day=41, shift=6.0)
    later = replace(later, seq=later.seq + 1_000)
    as_of = START_MS + 41 * 86_400_000
    alone = find_patterns(past, 1, as_of_ms=as_of)
    order = np.random.default_rng(1).permutation(1_000).tolist()
    among = find_patterns(join_trades([past, later]).rows(order), 1, as_of_ms=as_of)
    assert alone.found == among.found
    assert alone.members.embedding == among.members.embedding
    for column in ("symbol", "seq", "known_ms", "number", "points"):
        assert np.array_equal(getattr(alone.members, column), getattr(among.members, column))
    assert find_patterns(join_trades([past, later]), 1).found.trades == 1_000


def test_a_trade_is_known_two_bars_after_its_last_began() -> None:
    """At its exit a trade is not part of the library yet."""
    trades, _ = planted_trades((0.0, 0.0), 300, 9)
    last = int(trades.exit_time.max())
    assert find_patterns(trades, 1, as_of_ms=last + MINUTE_MS).found.trades == 299
    assert find_patterns(trades, 1, as_of_ms=last + 2 * MINUTE_MS).found.trades == 300


def test_states_find_their_pattern_by_what_is_stored() -> None:
    """Embedding and groups that went through bytes give each entry the pattern it was counted in."""
    trades, _ = planted_trades((0.5, -0.5), 300, 3)
    library = find_patterns(trades, 1)
    again = replace(library.clusters, embedding=embedding_of_bytes(library.members.embedding))
    key = {pair: n for n, pair in enumerate(zip(trades.symbol, trades.seq, strict=True))}
    rows = [key[pair] for pair in zip(library.members.symbol, library.members.seq, strict=True)]
    assert np.array_equal(again.of(trades.entry_state[rows]) + 1, library.members.number)
    assert asdict(library.found) == asdict(find_patterns(trades, 1).found)


def test_what_cannot_be_compared_is_left_out_and_counted() -> None:
    """Another layout, no risk, ended by the data: not in the library, but in its count."""
    trades, _ = planted_trades((0.0, 0.0), 300, 11)
    layout, risk, reason = trades.layout.copy(), trades.risk_frac.copy(), trades.exit_reason.astype("U12")
    layout[:20], layout[20:25], risk[25:40], reason[40:47] = LAYOUT + 1, 0, 0.0, "end_of_data"
    found = find_patterns(replace(trades, layout=layout, risk_frac=risk, exit_reason=reason), 1).found
    assert (found.trades, found.left_out, found.layout) == (253, 47, LAYOUT)


def test_too_little_is_refused_with_what_is_missing() -> None:
    """Too few trades, an unknown layout, several policies, a number that is none: each says so."""
    trades, _ = planted_trades((0.0, 0.0), 150, 13)
    with pytest.raises(DataError, match=r"run 5: 60 of 60 closed trades can be compared, need 100; trade longer"):
        find_patterns(trades.rows(range(60)), 5)
    with pytest.raises(DataError, match=r"0 of 150 .* need 100, 150 do not say which feature layout"):
        find_patterns(replace(trades, layout=np.zeros(150, np.int64)), 5)
    mixed = replace(trades, layout=np.where(np.arange(150) < 80, LAYOUT + 1, LAYOUT))
    with pytest.raises(DataError, match=r"70 of 150 .* 80 were entered on states of another feature layout"):
        find_patterns(mixed, 5)
    with pytest.raises(UsageError, match="no closed trade"):
        find_patterns(trades.rows([]), 5)
    with pytest.raises(UsageError, match="2 policies, accounts and modes"):
        find_patterns(join_trades([trades, replace(trades, policy=np.full(150, "other"))]), 5)
    net = trades.net.copy()
    net[3] = np.nan
    with pytest.raises(DataError, match="a net is not a finite number"):
        find_patterns(replace(trades, net=net), 5)
    state = trades.entry_state.copy()
    state[3, 7] = np.inf
    with pytest.raises(DataError, match="a state of ensemble-3 is not finite"):
        find_patterns(replace(trades, entry_state=state), 5)


def test_the_length_of_a_bar_is_found_from_the_trades() -> None:
    """On a five-minute grid it is five minutes; times on no grid are refused."""
    trades, _ = planted_trades((0.0,), 150, 13)
    assert bar_ms(trades) == MINUTE_MS
    grid = replace(
        trades, entry_time=trades.entry_time // 300_000 * 300_000, exit_time=trades.exit_time // 300_000 * 300_000
    )
    assert bar_ms(grid) in (300_000, 900_000)
    with pytest.raises(DataError, match="lie on no timeframe's grid"):
        bar_ms(replace(trades, exit_time=trades.exit_time + 1))
