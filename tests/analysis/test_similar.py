"""Past trades like an entry: known answers, as of the entry, and only of the same layout."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.similar import comparable, embedding_of, similar_of
from huracan.features import MARKET_SIZE
from huracan.memory import TradeRows
from huracan.patterns.embedding import Embedding
from tests.analysis.worlds import shadow_world
from tests.memory.samples import joined, sample_trades
from tests.patterns.worlds import SCALER, states

LAYOUT, BASE_MS, HOLD = 77, 60_000, 60
DAY_MS = 86_400_000
START = 20_000 * DAY_MS


def _trades(count: int, seed: int, symbol: str, shift: float, result_r: float, first_day: int) -> TradeRows:
    """One trade a day around a place in the market, with a result around `result_r`."""
    made = sample_trades(count, seed, symbol)
    rng = np.random.default_rng(seed)
    net = 10.0 * (result_r + 0.1 * rng.standard_normal(count))
    entry = START + (first_day + np.arange(count)) * DAY_MS + 600 * BASE_MS
    state = np.zeros((count, 80), np.float32)
    state[:, :MARKET_SIZE] = states(count, seed, shift)
    return replace(
        made,
        layout=np.full(count, LAYOUT),
        risk_frac=np.full(count, 0.01),
        entry_price=np.full(count, 100.0),
        quantity=np.full(count, 10.0),
        net=net,
        price_part=net + 2.0,
        entry_time=entry,
        exit_time=entry + 30 * BASE_MS,
        exit_reason=np.full(count, "time_limit"),
        entry_state=state,
    )


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    """Places as states are, unscaled."""
    return Embedding.fit(states(600, 1), SCALER)


PAST = joined(_trades(40, 3, "A/USDT", -2.0, -0.5, 0), _trades(40, 4, "B/USDT", 2.0, 0.5, 0))


def test_two_neighbourhoods_are_told_apart(embedding: Embedding) -> None:
    """Losing trades on one side, winning ones on the other, asked from a third coin a month later."""
    asked = joined(_trades(1, 5, "C/USDT", -2.0, 0.0, 60), _trades(1, 6, "C/USDT", 2.0, 0.0, 61))
    losing, winning = similar_of(asked, PAST, embedding, LAYOUT, BASE_MS, HOLD)
    assert losing is not None
    assert winning is not None
    assert (losing.count, losing.wins) == (32, 0)
    assert losing.losing
    assert not losing.winning
    assert losing.base == pytest.approx(0.0, abs=0.1)
    assert losing.mean == pytest.approx(-0.5, abs=0.1)
    assert winning.winning
    assert winning.low < winning.mean < winning.high


def test_future_trades_change_nothing(embedding: Embedding) -> None:
    """What closed after the entry is not asked, whatever it says."""
    asked = _trades(5, 7, "C/USDT", -2.0, 0.0, 20)
    future = _trades(50, 8, "D/USDT", -2.0, 9.0, 25)
    before = similar_of(asked, PAST, embedding, LAYOUT, BASE_MS, HOLD)
    assert before == similar_of(asked, joined(PAST, future), embedding, LAYOUT, BASE_MS, HOLD)
    assert all(found is not None and found.count < 80 for found in before)


def test_the_first_trade_has_no_past(embedding: Embedding) -> None:
    """Nothing known is no evidence."""
    asked = _trades(1, 7, "C/USDT", -2.0, 0.0, -5)
    assert similar_of(asked, PAST, embedding, LAYOUT, BASE_MS, HOLD) == [None]
    assert similar_of(asked, PAST.rows([]), embedding, LAYOUT, BASE_MS, HOLD) == [None]


def test_other_layouts_are_neither_asked_nor_remembered(embedding: Embedding) -> None:
    """Nor are trades without risk, or those that their data ended."""
    asked = _trades(1, 7, "C/USDT", -2.0, 0.0, 60)
    foreign = replace(asked, layout=np.full(1, 78))
    assert similar_of(foreign, PAST, embedding, LAYOUT, BASE_MS, HOLD) == [None]
    mixed = replace(
        PAST.rows(range(4)),
        layout=np.array([LAYOUT, 78, LAYOUT, LAYOUT]),
        risk_frac=np.array([0.01, 0.01, 0.0, 0.01]),
        exit_reason=np.array(["stop_loss", "stop_loss", "stop_loss", "end_of_data"]),
    )
    assert comparable(mixed, LAYOUT).tolist() == [0]


def test_the_embedding_reads_what_was_closed() -> None:
    """Later decisions do not move it; before there are enough there is none."""
    _, tapes, kernel, window = shadow_world(days=3)
    early = embedding_of(tapes, kernel.base_ms, window.start_ms, SCALER)
    changed = []
    for tape in tapes:
        late = (tape.bars[tape.rows, 0] + 1) * kernel.base_ms > window.start_ms
        changed.append(tape.with_features(np.where(late[:, None], 9.0, tape.features).astype(np.float32)))
    again = embedding_of(changed, kernel.base_ms, window.start_ms, SCALER)
    assert early is not None
    assert again is not None
    assert (early.axes == again.axes).all()
    first_ms = int(tapes[0].bars[0, 0]) * kernel.base_ms
    assert embedding_of(tapes, kernel.base_ms, first_ms, SCALER) is None
