"""The dataset: what is read, what is refused and why, and tapes that carry one fold's features."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.clock import MarketClock
from huracan.config import Settings, load_settings
from huracan.env import Dataset, TradingVectorEnv, Window
from huracan.errors import DataError, InvariantError, RefusedError
from huracan.features import MARKET_SIZE
from huracan.features.layout import (
    MEMORY_SLICE,
    S_AVAILABLE,
    S_BOOK_IMBALANCE,
    S_KNN_N_EFF,
    S_LGBM_EDGE,
    S_MICROPRICE,
    S_OFI,
    S_QUOTED_SPREAD,
)
from huracan.market import (
    RECORDED,
    MarketShape,
    SyntheticSpec,
    books_folder,
    day_file,
    load_candles,
    martingale,
    read_candles,
    symbol_to_stem,
    write_candles,
    write_day,
    write_synthetic,
)
from huracan.patterns import Outcomes
from huracan.trading import with_rules
from tests.patterns.worlds import past_of

NOW_MS = 4_000_000_000_000
DAY_MS = 86_400_000
SHARED_CANDLES = Path(__file__).parents[3] / "shared" / "data" / "candles"


def settings_of(folder: Path, **overrides: object) -> Settings:
    """Return the configuration for one folder, nothing read from the environment."""
    return load_settings(None, {"data.folder": folder} | overrides, environ={})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four synthetic coins, twenty days of 5-minute candles."""
    path = tmp_path_factory.mktemp("candles")
    write_synthetic(path, SyntheticSpec(timeframe="5m", bars=20 * 288, planted=2, null=2), seed=3)
    return path


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    """Return the dataset of the whole folder."""
    return Dataset.load(settings_of(folder), MarketClock(NOW_MS))


def test_every_sound_coin_becomes_a_tape(dataset: Dataset) -> None:
    """The summary tells timeframe, symbols, leader, bars and span, and each symbol has its tape in sorted order."""
    summary = dataset.summary
    assert summary.timeframe == "5m"
    assert summary.symbols == tuple(tape.symbol for tape in dataset.bare) == tuple(sorted(summary.symbols))
    assert len(summary.symbols) == 4
    assert summary.leader == "BTC/USDT"
    assert summary.refused == ()
    assert summary.bars == sum(len(tape) for tape in dataset.bare) == 4 * 20 * 288
    assert summary.end_ms - summary.start_ms == 20 * DAY_MS


def test_fold_tapes_carry_the_fits_features_and_an_empty_memory(dataset: Dataset) -> None:
    """A fold's tapes hold 52 finite market entries and ten zeros; two fits give different ones; the bare stay bare."""
    start = dataset.summary.start_ms
    early = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    late = dataset.fit(start + 12 * DAY_MS, start + 20 * DAY_MS, seed=1)
    tapes, others = dataset.fold_tapes(early), dataset.fold_tapes(late)
    warm = [tape.ready[tape.rows] for tape in tapes]
    for tape, ready in zip(tapes, warm, strict=True):
        assert ready.any()
        assert np.isfinite(tape.features).all()
        assert tape.features[ready, :MARKET_SIZE].std() > 0.1
        assert not tape.features[:, MARKET_SIZE:].any()
    assert any(not np.array_equal(a.features, b.features) for a, b in zip(tapes, others, strict=True))
    assert not any(tape.features.any() for tape in dataset.bare)


def test_tapes_remember_what_was_known_at_each_close(dataset: Dataset) -> None:
    """Every row's ten entries are the memory's word on that state at that close; later trades change none of them."""
    start = dataset.summary.start_ms
    past = past_of(dataset)
    fit = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    memory = dataset.remembering(past).memory(fit)
    assert memory is not None
    assert len(memory) == int((past.known_ms <= fit.end_ms).sum()) < len(past)
    assert dataset.remembering(past.until(fit.end_ms)).memory(fit).sha256 == memory.sha256
    tapes, without = dataset.fold_tapes(fit, memory), dataset.fold_tapes(fit)
    for tape, bare in zip(tapes, without, strict=True):
        assert np.array_equal(tape.features[:, :MARKET_SIZE], bare.features[:, :MARKET_SIZE])
        close_ms = (tape.bars[tape.rows, 0] + 1) * dataset.kernel.base_ms
        for row in range(0, len(tape.rows), 37):
            live = memory.entries(bare.features[row], int(close_ms[row]), tape.symbol)
            assert np.array_equal(tape.features[row, MEMORY_SLICE], live)
        known = np.searchsorted(past.known_ms, close_ms, side="right")
        assert not tape.features[known < 5, S_KNN_N_EFF].any()
        assert (tape.features[known > 50, S_KNN_N_EFF] > 0).all()
        assert not tape.features[:, S_LGBM_EDGE].any()


def test_tapes_have_the_opinion_of_a_tree_that_did_not_see_them(dataset: Dataset) -> None:
    """Inside the window entry 61 is out of fold, behind it the final model's; cold rows and other entries stay."""
    start = dataset.summary.start_ms
    fit = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    assert dataset.tree(fit, dataset.summary.symbols, 1) is None, "off by default"
    wanting = _with_tree(dataset)
    trained = wanting.tree(fit, dataset.summary.symbols, 1)
    assert trained is not None
    assert trained.labels.end_ms.max() <= fit.end_ms
    told, served, without = (dataset.fold_tapes(fit, None, tree) for tree in (trained, trained.model, None))
    inside = 0
    for ours, theirs, bare in zip(told, served, without, strict=True):
        close_ms = (ours.bars[ours.rows, 0] + 1) * dataset.kernel.base_ms
        warm, late = ours.ready[ours.rows], close_ms > fit.end_ms
        np.testing.assert_array_equal(theirs.features[warm, S_LGBM_EDGE], trained.model.edge(bare.features[warm]))
        np.testing.assert_array_equal(ours.features[late], theirs.features[late])
        assert not ours.features[~warm, S_LGBM_EDGE].any()
        inside += np.count_nonzero(ours.features[~late, S_LGBM_EDGE] != theirs.features[~late, S_LGBM_EDGE])
        for features in (ours.features, theirs.features):
            np.testing.assert_array_equal(features[:, :S_LGBM_EDGE], bare.features[:, :S_LGBM_EDGE])
    assert inside > 100


def test_a_tree_knows_nothing_of_what_lies_behind_its_window(dataset: Dataset) -> None:
    """Five more days of candles change no byte of the model, and no entry of a state before them."""
    start, cut = dataset.summary.start_ms, dataset.summary.start_ms + 15 * DAY_MS
    fit = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    found = load_candles(Path(dataset.summary.source), dataset.settings.data, dataset.settings.quality, NOW_MS)
    candles = {symbol: one.between(0, cut) for symbol, one in found.candles.items()}
    short = _with_tree(Dataset.build(replace(found, candles=candles), dataset.settings, "cut"))
    whole = _with_tree(dataset)
    ours, theirs = (one.tree(fit, one.summary.symbols, 1) for one in (short, whole))
    assert ours is not None
    assert theirs is not None
    assert ours.model.to_files() == theirs.model.to_files()
    for before, after in zip(short.fold_tapes(fit, None, ours), whole.fold_tapes(fit, None, theirs), strict=True):
        assert 0 < len(before.rows) < len(after.rows)
        np.testing.assert_array_equal(before.features, after.features[: len(before.rows)])


def test_a_window_that_no_tree_can_be_learnt_from_is_refused(dataset: Dataset) -> None:
    """Training asks for the tree model, so it is told why there is none."""
    start = dataset.summary.start_ms
    fit = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    no_exits = _with_tree(dataset).under(dataset.trading)
    bare = replace(no_exits, kernel=replace(no_exits.kernel, stops_enabled=False))
    with pytest.raises(DataError, match="stops_enabled"):
        bare.tree(fit, dataset.summary.symbols, 1)


def _with_tree(dataset: Dataset) -> Dataset:
    features = dataset.settings.features.model_copy(update={"tree": True})
    return replace(dataset, settings=dataset.settings.model_copy(update={"features": features}))


def test_a_dataset_that_may_remember_nothing_gives_the_same_tapes(dataset: Dataset) -> None:
    """No trade at all, or none before the window ended: no memory, and tapes as without any."""
    start = dataset.summary.start_ms
    fit = dataset.fit(start, start + 14 * DAY_MS, seed=1)
    past = past_of(dataset)
    late = past.joined([]).until(0)
    for nothing in (Outcomes.none(dataset.layout, dataset.kernel.base_ms), late):
        remembering = dataset.remembering(nothing)
        assert remembering.memory(fit) is None
        for ours, theirs in zip(remembering.fold_tapes(fit, None), dataset.fold_tapes(fit), strict=True):
            assert np.array_equal(ours.features, theirs.features)


def test_trades_on_states_of_another_layout_are_refused(dataset: Dataset) -> None:
    """Other windows or another timeframe: the line names both layouts."""
    foreign = Outcomes.none(dataset.layout + 1, dataset.kernel.base_ms)
    with pytest.raises(DataError, match=rf"another feature layout \({dataset.layout + 1}\)"):
        dataset.remembering(foreign)


def test_the_fit_uses_as_many_rows_as_configured(dataset: Dataset) -> None:
    """`features.fit_sample_max` bounds the rows behind the scalers: fewer rows, other constants."""
    start, end = dataset.summary.start_ms, dataset.summary.end_ms
    features = dataset.settings.features.model_copy(update={"fit_sample_max": 150})
    few = replace(dataset, settings=dataset.settings.model_copy(update={"features": features}))
    assert few.fit(start, end, seed=1).sha256 != dataset.fit(start, end, seed=1).sha256


def test_other_rules_give_what_building_with_them_gives(dataset: Dataset, folder: Path) -> None:
    """Rules a search may choose change decisions, fit and tapes exactly as if they had been configured."""
    chosen = with_rules(dataset.settings.trading, {"decision_interval_bars": 12, "hold_bars": 48, "stop_sigmas": 0.8})
    found = dataset.under(chosen)
    overrides = {"trading.decision_interval_bars": 12, "trading.hold_bars": 48, "trading.stop_sigmas": 0.8}
    built = Dataset.load(settings_of(folder, **overrides), MarketClock(NOW_MS))
    assert found.kernel == built.kernel
    assert found.trading == built.trading
    assert found.rules == dataset.rules
    start = dataset.summary.start_ms
    fit = found.fit(start, start + 14 * DAY_MS, seed=1)
    assert fit.sha256 == built.fit(start, start + 14 * DAY_MS, seed=1).sha256
    assert fit.sha256 != dataset.fit(start, start + 14 * DAY_MS, seed=1).sha256
    for ours, theirs in zip(found.fold_tapes(fit), built.fold_tapes(fit), strict=True):
        assert np.array_equal(ours.rows, theirs.rows)
        assert np.array_equal(ours.features, theirs.features)


def test_rules_that_no_search_chooses_stay_as_built(dataset: Dataset) -> None:
    """Another fee belongs to another dataset, and an interval that is no multiple of the shortest has no features."""
    with pytest.raises(InvariantError, match="no search chooses"):
        dataset.under(dataset.settings.trading.model_copy(update={"fee_taker_ppm": 1}))
    slow = dataset.under(with_rules(dataset.settings.trading, {"decision_interval_bars": 4}))
    with pytest.raises(InvariantError, match="every 3 bars do not hold those every 4"):
        slow.fit(dataset.summary.start_ms, dataset.summary.end_ms, seed=1)


def test_a_coin_that_some_searched_stop_could_not_trade_is_left_out(tmp_path: Path) -> None:
    """Every trial trades the same coins: a tick too coarse for the nearest stop is refused, if stops are searched."""
    shape = MarketShape(symbol="DOGE/USDT", timeframe="5m", price=0.5, price_decimals=3)
    for symbol in ("BTC/USDT", "DOGE/USDT"):
        own = replace(shape, symbol=symbol, price_decimals=3 if symbol == "DOGE/USDT" else 6)
        stem = symbol.replace("/", "-")
        write_candles(martingale(own, 12 * 288, seed=1, sigma_bps=25.0), tmp_path / f"{stem}.parquet")
    searched = Dataset.load(settings_of(tmp_path), MarketClock(NOW_MS))
    (refusal,) = searched.summary.refused
    assert (refusal.symbol, refusal.by) == ("DOGE/USDT", "kernel")
    assert "stop_sigmas 0.75 and hold_bars 48" in refusal.reason
    fixed = Dataset.load(settings_of(tmp_path, **{"search.trading_rules": False}), MarketClock(NOW_MS))
    assert fixed.summary.refused == ()


def record_books(folder: Path, symbol: str, share: float) -> None:
    """Record a book beside every candle of the last `share` of a symbol's history."""
    candles = read_candles(folder / f"{symbol_to_stem(symbol)}.parquet")
    rng = np.random.default_rng(2)
    late = candles.timestamp[int(len(candles) * (1.0 - share)) :]
    for day in np.unique(late // DAY_MS):
        times = late[late // DAY_MS == day]
        rows = rng.uniform(0.0, 1e-3, (len(times), len(RECORDED)))
        write_day(day_file(books_folder(folder, symbol), int(times[0])), "5m", times, rows)


def test_recorded_books_become_inputs_of_the_fit(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    """Beside one coin's candles: its rows have a book and the flag up where one was recorded, the fit names the input.

    Candles alone give what they gave, and so does a record of too few rows for a fit to learn from, but for its trace
    in the fingerprint.
    """
    rich, poor = tmp_path / "rich", tmp_path / "poor"
    for path in (rich, poor):
        shutil.copytree(folder, path)
    coin = dataset.summary.symbols[-1]
    record_books(rich, coin, 0.6)
    record_books(poor, coin, 0.05)
    start, end = dataset.summary.start_ms, dataset.summary.end_ms
    bare = dataset.fit(start, end, seed=1)
    found = {path: Dataset.load(settings_of(path), MarketClock(NOW_MS)) for path in (rich, poor)}
    fits = {path: found[path].fit(start, end, seed=1) for path in found}
    assert "book" not in bare.inputs
    assert (fits[rich].inputs, fits[poor].inputs) == (("trades", "taker", "book", "leader"), bare.inputs)
    tapes = {
        path: dict(zip(dataset.summary.symbols, found[path].fold_tapes(fits[path]), strict=True)) for path in found
    }
    books = [S_QUOTED_SPREAD, S_OFI, S_BOOK_IMBALANCE, S_MICROPRICE]
    tape = tapes[rich][coin]
    seen = tape.features[:, S_AVAILABLE] == 1.0
    assert 0.5 < seen.mean() < 0.7
    assert (tape.features[seen][:, books] != 0).all()
    assert not tape.features[~seen][:, books].any()
    for name in set(tapes[rich]) - {coin}:
        assert not tapes[rich][name].features[:, books].any()
        assert (tapes[rich][name].features[:, S_AVAILABLE] < 1.0).all()
    for ours, theirs in zip(tapes[poor].values(), dataset.fold_tapes(bare), strict=True):
        assert ours.features.tobytes() == theirs.features.tobytes()
    assert len({one.summary.fingerprint for one in (dataset, *found.values())}) == 3


def test_an_environment_plays_on_it(dataset: Dataset) -> None:
    """From candles to steps: random actions on a fold's tapes give finite states and episodes that end."""
    start, end = dataset.summary.start_ms, dataset.summary.end_ms
    tapes = dataset.fold_tapes(dataset.fit(start, end, seed=1))
    env = TradingVectorEnv(tapes, dataset.kernel, dataset.settings.env, Window(start, end), num_envs=16, seed=1)
    env.reset()
    rng, ends = np.random.default_rng(0), 0
    for _ in range(400):
        obs, reward, terminated, truncated, _ = env.step(rng.integers(0, 6, 16))
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
        ends += int((terminated | truncated).sum())
    assert ends > 0


def test_fingerprint_follows_the_data_and_nothing_else(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    """The same files under another path have the same fingerprint; one more coin or another cost table changes it."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.glob("*.parquet"):
        (copy / file.name).write_bytes(file.read_bytes())
    clock = MarketClock(NOW_MS)
    assert Dataset.load(settings_of(copy), clock).summary.fingerprint == dataset.summary.fingerprint
    dearer = Dataset.load(settings_of(copy, **{"trading.spread_floor_bps": 5.0}), clock)
    assert dearer.summary.fingerprint != dataset.summary.fingerprint
    (copy / "REV1-USDT.parquet").unlink()
    fewer = Dataset.load(settings_of(copy), clock)
    assert fewer.summary.fingerprint != dataset.summary.fingerprint
    for other in (dearer, fewer):  # known as the same history all the same
        assert set(other.summary.marks) <= set(dataset.summary.marks)


def test_symbols_filter_keeps_the_leader_as_a_feature_only(folder: Path) -> None:
    """With `data.symbols` only those are traded; the leader is still read for the features of the others."""
    found = Dataset.load(settings_of(folder, **{"data.symbols": ["REV1/USDT"]}), MarketClock(NOW_MS))
    assert found.summary.symbols == ("REV1/USDT",)
    assert found.summary.leader == "BTC/USDT"
    assert set(found.raw) == {"REV1/USDT", "BTC/USDT"}


def test_a_coin_the_rules_cannot_trade_is_left_out_with_its_reason(folder: Path, tmp_path: Path) -> None:
    """A coin whose quantity step is worth a whole stake is refused by the kernel; named explicitly it is an error."""
    for file in folder.glob("REV1*.parquet"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    coarse = MarketShape("LUMP/USDT", timeframe="5m", price=900.0, price_decimals=2, volume_decimals=0)
    write_candles(martingale(coarse, 20 * 288, 5), tmp_path / "LUMP-USDT.parquet")
    clock = MarketClock(NOW_MS)
    summary = Dataset.load(settings_of(tmp_path), clock).summary
    assert summary.symbols == ("REV1/USDT",)
    assert [(refusal.symbol, refusal.by) for refusal in summary.refused] == [("LUMP/USDT", "kernel")]
    assert "one step is worth" in summary.refused[0].reason
    with pytest.raises(DataError, match="one step is worth"):
        Dataset.load(settings_of(tmp_path, **{"data.symbols": ["LUMP/USDT"]}), clock)


def test_the_gates_refusals_are_reported(folder: Path) -> None:
    """When the quality gate refuses every coin the load is refused; when one, it is listed with its figures."""
    clock = MarketClock(NOW_MS)
    with pytest.raises(RefusedError, match="history_min_bars"):
        Dataset.load(settings_of(folder, **{"quality.history_min_bars": 100_000}), clock)
    found = Dataset.load(settings_of(folder, **{"quality.zero_volume_max_frac": 0.001}), clock)
    refused = [refusal for refusal in found.summary.refused if refusal.by == "quality"]
    assert refused
    assert all("zero_volume_max_frac" in refusal.reason for refusal in refused)


def test_without_a_folder_it_says_what_to_give(tmp_path: Path) -> None:
    """No folder, a missing one and an empty one are each one line that names the remedy."""
    with pytest.raises(DataError, match=r"data\.folder"):
        Dataset.load(load_settings(None, {}, environ={}))
    with pytest.raises(DataError, match="no such folder"):
        Dataset.load(settings_of(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no \.parquet"):
        Dataset.load(settings_of(tmp_path))


def test_real_candles_become_a_dataset() -> None:
    """Where real daily candles are at hand, they load, pass the gates and get finite features."""
    folder = Path(os.environ.get("HURACAN_TEST_CANDLES", str(SHARED_CANDLES))) / "1d"
    if not folder.is_dir():
        return
    found = Dataset.load(settings_of(folder), MarketClock(NOW_MS))
    assert len(found.summary.symbols) >= 8
    tapes = found.fold_tapes(found.fit(found.summary.start_ms, found.summary.end_ms, seed=1))
    assert all(np.isfinite(tape.features).all() for tape in tapes)
    assert sum(int(tape.ready.sum()) for tape in tapes) > 1_000
