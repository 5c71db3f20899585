"""Episodes: inside the window, warm at the start, balanced, and a function of (seed, slot, count) alone."""

import numpy as np
import pytest

from huracan.config import EnvSettings
from huracan.env import EpisodeSampler, Window
from huracan.env.episodes import EpisodeBook, EpisodePlan
from huracan.errors import ConfigError, DataError
from huracan.market import MarketShape, martingale
from huracan.trading import Tape
from tests.env.worlds import kernel_settings, short_episodes, tape_of, whole, wild_tapes

KERNEL = kernel_settings()
BAR_MS = 60_000


def sampler(tapes: list[Tape], window: Window, settings: EnvSettings | None = None) -> EpisodeSampler:
    """Return the sampler of the tests' rules."""
    return EpisodeSampler(tapes, window, settings or short_episodes(), KERNEL.decision_interval_bars, KERNEL.hold_bars)


def many(source: EpisodeSampler, count: int = 4_000, seed: int = 5) -> EpisodePlan:
    """Return the first episode of many slots."""
    return source.plan(seed, np.arange(count), np.zeros(count, np.int64))


def inner_window(tapes: list[Tape]) -> Window:
    """Return the middle half of the history."""
    span = whole(tapes)
    quarter = (span.end_ms - span.start_ms) // 4
    return Window(span.start_ms + quarter, span.end_ms - quarter)


def test_every_episode_stays_inside_window_and_segment() -> None:
    """No bar of an episode lies outside the window, in another segment, or before the features are warm."""
    tapes = wild_tapes(KERNEL)
    window = inner_window(tapes)
    plan = many(sampler(tapes, window))
    for tape_index, start, stop in zip(plan.tape, plan.start, plan.stop, strict=True):
        tape = tapes[tape_index]
        open_ms = tape.bars[start:stop, 0] * BAR_MS
        assert open_ms[0] >= window.start_ms
        assert open_ms[-1] < window.end_ms
        assert tape.segment[start] == tape.segment[stop - 1]
        assert tape.ready[start]
        assert start in tape.rows
        assert stop >= start + 2


def test_an_episode_is_an_end_only_where_the_window_closes() -> None:
    """`at_end` holds exactly for episodes that stop one past the window's last bar; the others end at a decision."""
    tapes = wild_tapes(KERNEL)
    window = inner_window(tapes)
    plan = many(sampler(tapes, window))
    ends = np.array([np.searchsorted(tape.bars[:, 0] * BAR_MS, window.end_ms) for tape in tapes])[plan.tape]
    assert plan.at_end.any()
    assert not plan.at_end.all()
    assert np.array_equal(plan.at_end, plan.stop == ends)
    for tape_index, stop in zip(plan.tape[~plan.at_end], plan.stop[~plan.at_end], strict=True):
        assert stop - 1 in tapes[tape_index].rows


def test_lengths_follow_the_setting() -> None:
    """Episodes away from the end of window and segment last 60 to 120 bars, all whole decision intervals."""
    tape = tape_of(martingale(MarketShape("M/USDT", notional_per_bar=1e7), 20_000, 3), KERNEL)
    plan = many(sampler([tape], whole([tape])))
    lengths = (plan.stop - 1 - plan.start)[~plan.at_end]
    assert lengths.min() == 60
    assert lengths.max() == 120
    assert set(np.unique(lengths)) == set(range(60, 121, 5))


def test_default_length_is_four_to_eight_holds() -> None:
    """Without `episode_bars` an episode lasts 4 to 8 times the hold limit."""
    tape = tape_of(martingale(MarketShape("M/USDT", notional_per_bar=1e7), 20_000, 3), KERNEL)
    plan = many(sampler([tape], whole([tape]), EnvSettings()))
    lengths = (plan.stop - 1 - plan.start)[~plan.at_end]
    assert (lengths.min(), lengths.max()) == (4 * KERNEL.hold_bars, 8 * KERNEL.hold_bars)


def test_coins_and_volatility_terciles_are_balanced() -> None:
    """A coin with a sixth of another's history is drawn as often, and so is each volatility tercile of a coin."""
    tapes = [
        tape_of(martingale(MarketShape(f"M{n}/USDT", notional_per_bar=1e7), bars, n, kind="garch"), KERNEL)
        for n, bars in ((1, 20_000), (2, 3_500))
    ]
    source = sampler(tapes, whole(tapes))
    plan = many(source, 12_000)
    drawn = np.bincount(plan.tape, minlength=2)
    assert abs(drawn[0] - 6_000) < 4 * np.sqrt(3_000)  # four standard errors
    legal = tapes[0].rows[tapes[0].ready[tapes[0].rows] & (tapes[0].rows + 60 < len(tapes[0]))]
    cuts = np.quantile(tapes[0].sigma[legal], [1 / 3, 2 / 3])
    counts = np.bincount(np.searchsorted(cuts, tapes[0].sigma[plan.start[plan.tape == 0]]), minlength=3)
    assert (np.abs(counts - drawn[0] / 3) < 4 * np.sqrt(drawn[0] * 2 / 9)).all()


def test_a_slot_plays_the_same_episodes_whatever_stands_beside_it() -> None:
    """Episode (seed, slot, count) does not depend on the other slots asked for; another seed gives others."""
    tapes = wild_tapes(KERNEL)
    source = sampler(tapes, whole(tapes), short_episodes(cost_scale=(1.0, 2.0)))
    counts = np.arange(64) % 7
    together = source.plan(11, np.arange(64), counts)
    alone = source.plan(11, np.array([40]), counts[40:41])
    for name in ("tape", "start", "stop", "at_end", "load", "cost_scale"):
        assert np.array_equal(getattr(together, name)[40:41], getattr(alone, name))
    assert not np.array_equal(together.start, source.plan(12, np.arange(64), counts).start)


def test_the_book_reads_the_samplers_plans_in_order() -> None:
    """Slots that end at different times each get their episodes 0, 1, 2, ... across pages, whatever the others do."""
    tapes = wild_tapes(KERNEL)
    source = sampler(tapes, whole(tapes))
    book, rng, count = EpisodeBook(source, 6), np.random.default_rng(2), np.zeros(6, np.int64)
    book.open(17)
    for _ in range(3 * EpisodeBook.PAGE):
        slots = np.flatnonzero(rng.random(6) < 0.7)
        got, expected = book.next(slots), source.plan(17, slots, count[slots])
        count[slots] += 1
        for name in ("tape", "start", "stop", "at_end", "load", "cost_scale"):
            assert np.array_equal(getattr(got, name), getattr(expected, name))
    assert count.min() > EpisodeBook.PAGE
    book.open(18)
    assert np.array_equal(book.next(np.arange(6)).start, source.plan(18, np.arange(6), np.zeros(6, np.int64)).start)


def test_portfolio_load_covers_free_and_binding_limits() -> None:
    """The asked share of episodes is loaded; loads lie in the ranges of state 72-75; few bind a limit, and only one."""
    tapes = wild_tapes(KERNEL)
    load = many(sampler(tapes, whole(tapes), short_episodes(portfolio_frac=0.5)), 20_000).load
    loaded = (load != 0).any(axis=1)
    assert abs(loaded.mean() - 0.5) < 0.02
    binding = np.column_stack([load[:, 0] >= 1, load[:, 1] >= 1, load[:, 2] <= -1, load[:, 3] >= 1])
    assert abs(binding.any(axis=1).mean() - 0.05) < 0.01
    assert (binding.sum(axis=1) <= 1).all()
    assert binding.any(axis=0).all()
    assert (load[:, [0, 1, 3]] >= 0).all()
    assert (np.abs(load) <= 2).all()


def test_no_load_when_the_account_is_empty() -> None:
    """`portfolio_frac` 0 leaves every episode an account of its own."""
    tapes = wild_tapes(KERNEL)
    assert not many(sampler(tapes, whole(tapes), short_episodes(portfolio_frac=0.0))).load.any()


def test_cost_scale_is_uniform_over_its_range() -> None:
    """The cost multiplier of the episodes fills the configured range evenly."""
    tapes = wild_tapes(KERNEL)
    scale = many(sampler(tapes, whole(tapes), short_episodes(cost_scale=(0.5, 2.0))), 20_000).cost_scale
    assert scale.min() >= 0.5
    assert scale.max() < 2.0
    assert abs(scale.mean() - 1.25) < 0.01


def test_short_history_still_plays() -> None:
    """Where no start leaves room for the shortest episode, shorter ones are played rather than none."""
    tape = tape_of(martingale(MarketShape("M/USDT", notional_per_bar=1e7), 3_000, 3), KERNEL)
    end_ms = int(tape.bars[-1, 0] + 1) * BAR_MS
    plan = many(sampler([tape], Window(end_ms - 30 * BAR_MS, end_ms)), 100)
    assert plan.at_end.all()
    assert (plan.stop == len(tape)).all()


def test_a_window_without_warm_decisions_is_refused_by_name() -> None:
    """Nothing to play is an error that names the symbols, not an empty environment."""
    tape = tape_of(martingale(MarketShape("COLD/USDT", notional_per_bar=1e7), 3_000, 3), KERNEL)
    start_ms = int(tape.bars[0, 0]) * BAR_MS
    with pytest.raises(DataError, match="COLD/USDT"):
        sampler([tape], Window(start_ms, start_ms + 100 * BAR_MS))


def test_contradictory_settings_are_refused() -> None:
    """An empty window, a longest episode below the shortest, a cost range upside down: the user's mistakes."""
    tapes = wild_tapes(KERNEL, 1)
    with pytest.raises(ConfigError, match="episode_bars"):
        sampler(tapes, whole(tapes), short_episodes(episode_bars=(50, 40)))
    with pytest.raises(ConfigError, match="cost_scale"):
        sampler(tapes, whole(tapes), short_episodes(cost_scale=(1.5, 1.0)))
    with pytest.raises(ConfigError, match="empty"):
        Window(10, 10)
