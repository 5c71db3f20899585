"""A version beside the served one trades as portfolio shadow does, to the last bit, and goes on where it was."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.config import RiskSettings, TradingSettings
from huracan.errors import InvariantError
from huracan.execution.commands import Close
from huracan.features.layout import MARKET_SIZE, MEMORY_SLICE, S_LGBM_EDGE
from huracan.memory import TradeRows, join_trades
from huracan.policy import Decision
from huracan.risk import DenialCode
from huracan.shadow.portfolio import PortfolioResult, shadow_portfolio
from huracan.shadow.rows import trade_rows
from huracan.signals.beside import BesideAccount, BesideClose
from huracan.signals.model import FitRows, MarketClose, ServedVersion
from huracan.signals.policies import LoadedVersion
from huracan.trading import Tape, legal_actions, resolve_settings
from huracan.trading.deck import build_deck
from huracan.trading.tape import NUMBER
from huracan.trees import MemoryBlock
from tests.patterns.worlds import fitted, random_outcomes
from tests.shadow.worlds import wild_world, window_of
from tests.signals.test_states import close_of
from tests.trees.worlds import fitted as fitted_tree
from tests.trees.worlds import made_labels

TRADING = TradingSettings(decision_interval_bars=5, hold_bars=60)
KERNEL = resolve_settings(TRADING, "1m")
LOOSE = RiskSettings(
    daily_loss_max=1e9, heat_max_frac=1.0, symbol_notional_max=1e9, drawdown_max_frac=1.0, dry_run_wallet=1e6
)
FIT = "f" * 64
WARM_BARS = 100


class Restless:
    """Decides by the state alone: enters and leaves often, in every size."""

    def decide(self, states: NDArray[np.float32]) -> Decision:
        """Return the legal action of highest score, which differs from state to state."""
        scores = np.stack([states[:, n] + 0.3 * states[:, n + 20] for n in range(6)], axis=1)
        scores[~legal_actions(states)] = -np.inf
        action = scores.argmax(axis=1).astype(np.int64)
        confidence = (0.5 + 0.4 * np.tanh(states[:, 7])).astype(np.float32)
        zeros = np.zeros(len(states), np.float32)
        return Decision(action, zeros, np.zeros((len(states), 6), np.float32), zeros, confidence)

    def act(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the actions alone."""
        return self.decide(states).action


@dataclass(frozen=True)
class World:
    """Tapes whose memory entries are zero, as a feed would tell them bar by bar."""

    tapes: tuple[Tape, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets, sorted."""
        return tuple(tape.symbol for tape in self.tapes)

    def closes(self, start_ms: int, end_ms: int) -> Iterator[tuple[MarketClose, dict[str, Close]]]:
        """Yield every close of the span with the rows of the fit and the bars of the laws."""
        ages = np.split(build_deck(self.tapes, KERNEL).age, np.cumsum([len(tape.rows) for tape in self.tapes])[:-1])
        numbers = sorted({int(n) for tape in self.tapes for n in tape.bars[:, NUMBER]})
        for number in numbers:
            close_ms = (number + 1) * KERNEL.base_ms
            if not start_ms <= close_ms <= end_ms:
                continue
            rows = FitRows(
                np.zeros((len(self.tapes), MARKET_SIZE), np.float32),
                np.zeros(len(self.tapes), np.bool_),
                np.zeros(len(self.tapes), np.float32),
                np.full(len(self.tapes), np.nan),
                np.zeros(len(self.tapes), np.bool_),
            )
            closes = {}
            for n, tape in enumerate(self.tapes):
                bar = int(np.searchsorted(tape.bars[:, NUMBER], number))
                if bar == len(tape.bars) or tape.bars[bar, NUMBER] != number:
                    continue
                closes[tape.symbol] = close_of(tape, bar)
                rows.sigma[n], rows.ready[n] = tape.sigma[bar], bool(tape.ready[bar])
                row = int(np.searchsorted(tape.rows, bar))
                if row < len(tape.rows) and tape.rows[row] == bar:
                    rows.due[n], rows.market[n], rows.age[n] = True, tape.features[row, :MARKET_SIZE], ages[n][row]
            yield MarketClose(close_ms, False, self.symbols, {}, {FIT: rows}, close_ms), closes


def _world() -> World:
    """Return wild markets as one stretch each: a long gap ends an episode of shadow, not a live account."""
    tapes = []
    for tape in wild_world(KERNEL):
        features = tape.features.copy()
        features[:, MARKET_SIZE:] = 0.0
        whole = np.zeros_like(tape.segment), np.arange(len(tape)) >= WARM_BARS
        tapes.append(replace(tape.with_features(features), segment=whole[0], ready=whole[1]))
    return World(tuple(tapes))


WORLD = _world()
LAYOUT = 77
WINDOW = window_of(list(WORLD.tapes), 1, 4)


def version_of(name: str = "restless", sha256: str = "a" * 64) -> LoadedVersion:
    """Return a version of all coins in stage `shadow` that decides restlessly."""
    served = ServedVersion(name, "*", "shadow", False, sha256, FIT, LAYOUT)
    rules = {name: getattr(TRADING, name) for name in ("stop_sigmas", "target_sigmas")}
    policy = Restless()
    return LoadedVersion(served, policy, None, WORLD.symbols, "1m", rules)  # type: ignore[arg-type]


def _account(risk: RiskSettings) -> BesideAccount:
    instruments = {tape.symbol: tape.instrument for tape in WORLD.tapes}
    return BesideAccount(version_of(), instruments, TRADING, risk, "paper")


def _run(account: BesideAccount, start_ms: int = WINDOW.start_ms, end_ms: int = WINDOW.end_ms) -> list[BesideClose]:
    return [account.on_close(close, closes) for close, closes in WORLD.closes(start_ms, end_ms)]


def _trades(found: list[BesideClose]) -> TradeRows:
    return join_trades([one.trades for one in found if one.trades is not None])


def _shadow(risk: RiskSettings) -> PortfolioResult:
    return shadow_portfolio(Restless(), WORLD.tapes, WINDOW, KERNEL, risk, name="restless", fold=0)


def _same(found: TradeRows, wanted: TradeRows, least: int = 150) -> None:
    """Hold every figure of two sets of trades equal, in order of exit and symbol."""
    wanted = wanted.rows([n for n in range(len(wanted)) if wanted.exit_reason[n] != "end_of_data"])
    ours, theirs = (np.lexsort((rows.symbol, rows.entry_time, rows.exit_time)) for rows in (found, wanted))
    assert len(found) == len(wanted) > least
    assert set(found.layout.tolist()) == {LAYOUT}
    exact = (
        "symbol", "exit_reason", "action", "regime", "entry_time", "exit_time", "steps_in", "steps_out",
        "tick_steps_in", "tick_steps_out", "fee_base_e8", "fee_quote_e8", "dust_in_e8", "dust_out_e8",
        "high_ticks", "low_ticks", "entry_state", "confidence",
    )  # fmt: skip
    for name in exact:
        assert np.array_equal(getattr(found, name)[ours], getattr(wanted, name)[theirs]), name
    for name in ("net", "price_part", "spread_part", "slippage_part", "fee", "mfe_frac", "mae_frac", "quantity"):
        assert np.allclose(getattr(found, name)[ours], getattr(wanted, name)[theirs], rtol=1e-12, atol=1e-9), name


def test_with_loose_limits_its_trades_and_states_are_those_of_portfolio_shadow() -> None:
    """Missing and silent bars, jumps, all exit reasons: every integer and every entry state is the same."""
    found, wanted = _run(_account(LOOSE)), _shadow(LOOSE)
    _same(_trades(found), trade_rows(wanted.result, "portfolio"))
    assert not any(one.denied for one in found)


@pytest.mark.parametrize(
    ("limit", "code"),
    [({"max_open_trades": 1}, DenialCode.OPEN_TRADES), ({"symbol_notional_max": 1_200.0}, DenialCode.SYMBOL_NOTIONAL)],
)
def test_where_limits_bind_it_is_denied_what_portfolio_shadow_is_denied(
    limit: dict[str, float], code: DenialCode
) -> None:
    """Denials agree by moment, market and code, and so do the trades that are left."""
    risk = LOOSE.model_copy(update=limit)
    account, wanted = _account(risk), _shadow(risk)
    denied, trades = [], []
    for close, closes in WORLD.closes(WINDOW.start_ms, WINDOW.end_ms):
        found = account.on_close(close, closes)
        denied += [(close.close_ms, symbol, verdict.code) for symbol, verdict in sorted(found.denied.items())]
        trades += [] if found.trades is None else [found.trades]
    denied = [one for one in denied if one[0] < WINDOW.end_ms]  # shadow decides nothing at its last close
    assert {one[2] for one in denied} == {code}
    assert denied == [(one.time_ms, one.symbol, one.code) for one in wanted.denials]
    _same(join_trades(trades), trade_rows(wanted.result, "portfolio"))


def test_a_day_that_loses_too_much_is_sold_as_in_portfolio_shadow() -> None:
    """Every position is forced out at the same bar, and the day stays closed."""
    risk = LOOSE.model_copy(update={"daily_loss_max": 15.0})
    found, wanted = _trades(_run(_account(risk))), _shadow(risk)
    assert wanted.breach_ms
    assert "risk_exit" in found.exit_reason
    _same(found, trade_rows(wanted.result, "portfolio"), least=20)


def test_a_version_that_remembers_has_its_memory_in_every_state() -> None:
    """Shadow's precomputed entries 52 to 61 and the live look-up of each close are the same bits; trades follow."""
    memory = fitted(random_outcomes(1_500, 7))
    tapes = []
    for tape in WORLD.tapes:
        features = tape.features.copy()
        close_ms = (tape.bars[tape.rows, NUMBER] + 1) * KERNEL.base_ms
        features[:, MEMORY_SLICE] = memory.history(features[:, :MARKET_SIZE], close_ms, tape.symbol)
        tapes.append(tape.with_features(features))
    wanted = shadow_portfolio(Restless(), tapes, WINDOW, KERNEL, LOOSE, name="restless", fold=0)
    instruments = {tape.symbol: tape.instrument for tape in WORLD.tapes}
    account = BesideAccount(replace(version_of(), memory=memory), instruments, TRADING, LOOSE, "paper")
    found = _trades(_run(account))
    assert found.entry_state[:, MEMORY_SLICE].any(axis=0).sum() >= 8
    _same(found, trade_rows(wanted.result, "portfolio"))


def test_bad_results_of_similar_entries_lower_its_confidence_as_in_portfolio_shadow() -> None:
    """With the rule on and a least confidence: the same confidences to the last bit, denials and trades."""
    outcomes = random_outcomes(1_500, 7)
    memory = fitted(replace(outcomes, result=outcomes.result - 0.4))
    risk = LOOSE.model_copy(update={"bad_pattern_factor_min": 0.3, "confidence_min": 0.3})
    tapes = []
    for tape in WORLD.tapes:
        features = tape.features.copy()
        close_ms = (tape.bars[tape.rows, NUMBER] + 1) * KERNEL.base_ms
        features[:, MEMORY_SLICE] = memory.history(features[:, :MARKET_SIZE], close_ms, tape.symbol)
        tapes.append(tape.with_features(features))
    wanted = shadow_portfolio(Restless(), tapes, WINDOW, KERNEL, risk, name="restless", fold=0)
    instruments = {tape.symbol: tape.instrument for tape in WORLD.tapes}
    account = BesideAccount(replace(version_of(), memory=memory), instruments, TRADING, risk, "paper")
    denied, trades = [], []
    for close, closes in WORLD.closes(WINDOW.start_ms, WINDOW.end_ms):
        found = account.on_close(close, closes)
        denied += [(close.close_ms, symbol, one.code, one.value) for symbol, one in sorted(found.denied.items())]
        trades += [] if found.trades is None else [found.trades]
    denied = [one for one in denied if one[0] < WINDOW.end_ms]
    assert len(denied) > 20
    assert denied == [(one.time_ms, one.symbol, DenialCode.LOW_CONFIDENCE, one.value) for one in wanted.denials]
    rows = join_trades(trades)
    _same(rows, trade_rows(wanted.result, "portfolio"), least=20)
    plain = Restless().decide(np.ascontiguousarray(rows.entry_state, np.float32)).confidence
    assert (rows.confidence <= plain).all()
    assert (rows.confidence < plain).sum() > 10


def test_a_version_with_a_tree_model_has_its_opinion_in_every_state() -> None:
    """Shadow's precomputed entry 61, beside a memory, and the live look-up of each close are the same bits."""
    block = MemoryBlock(fitted(random_outcomes(1_500, 7)), fitted_tree(made_labels(2_000, 1, 1.0)).model)
    tapes = []
    for tape in WORLD.tapes:
        features = tape.features.copy()
        close_ms = (tape.bars[tape.rows, NUMBER] + 1) * KERNEL.base_ms
        features[:, MEMORY_SLICE] = block.history(features[:, :MARKET_SIZE], close_ms, tape.symbol)
        tapes.append(tape.with_features(features))
    wanted = shadow_portfolio(Restless(), tapes, WINDOW, KERNEL, LOOSE, name="restless", fold=0)
    instruments = {tape.symbol: tape.instrument for tape in WORLD.tapes}
    account = BesideAccount(replace(version_of(), memory=block), instruments, TRADING, LOOSE, "paper")
    found = _trades(_run(account))
    assert np.unique(found.entry_state[:, S_LGBM_EDGE]).size > 20
    _same(found, trade_rows(wanted.result, "portfolio"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stopped_anywhere_and_restored_it_goes_on_bit_for_bit(seed: int) -> None:
    """Bytes taken between two closes hold everything: three restarts change nothing."""
    whole = _trades(_run(_account(LOOSE)))
    rng = np.random.default_rng(seed)
    print("seed", seed)
    stops = set(rng.choice(np.arange(50, 5_000), 3, replace=False).tolist())
    account, parts = _account(LOOSE), []
    for n, (close, closes) in enumerate(WORLD.closes(WINDOW.start_ms, WINDOW.end_ms)):
        found = account.on_close(close, closes)
        parts += [] if found.trades is None else [found.trades]
        if n in stops:
            data, account = account.to_bytes(), _account(LOOSE)
            account.restore(data)
            assert account.to_bytes() == data
    again = join_trades(parts)
    assert again.entry_state.tobytes() == whole.entry_state.tobytes()
    assert again.net.tobytes() == whole.net.tobytes()
    assert again.seq.tolist() == list(range(len(again)))


def test_a_late_close_is_kept_house_at_and_nothing_is_decided() -> None:
    """Catching up after an outage enters nothing on old news."""
    account = _account(LOOSE)
    for close, closes in WORLD.closes(WINDOW.start_ms, WINDOW.start_ms + 600 * KERNEL.base_ms):
        late = MarketClose(close.close_ms, True, close.symbols, close.bars, close.fits, close.heard_ms)
        assert account.on_close(late, closes).decided == ()
    assert account.value == LOOSE.dry_run_wallet


def test_a_close_told_twice_and_foreign_bytes_are_refused() -> None:
    """Neither a repeated close nor another version's account is taken for its own."""
    account = _account(LOOSE)
    close, closes = next(WORLD.closes(WINDOW.start_ms, WINDOW.end_ms))
    account.on_close(close, closes)
    with pytest.raises(InvariantError, match="comes after"):
        account.on_close(close, closes)
    other = BesideAccount(
        version_of(sha256="b" * 64), {tape.symbol: tape.instrument for tape in WORLD.tapes}, TRADING, LOOSE, "paper"
    )
    for data in (account.to_bytes(), b"{}", b"nonsense"):
        with pytest.raises(InvariantError, match="saved account"):
            other.restore(data)
