"""Meters: what passes through a trader's ports is counted once, and passes through unchanged."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from huracan.clock import WallClock
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import IntentStatus, Lease, Record, Transfer, Trigger
from huracan.risk.live import DayBook
from huracan.trader.decided import Decided, MemoryDecisions
from huracan.trader.meters import METRICS, MeteredDecisions, MeteredStore, MeteredViews, Since
from huracan.trader.views import AccountState, MemoryViews
from tests.execution.samples import D, buy, fact, intent, reserve


class Paper:
    """A meter that writes down what it is told."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[float, dict[str, str]]]] = {}

    def _tell(self, name: str, value: float, labels: dict[str, str]) -> None:
        assert set(labels) == set(METRICS[name].labels)
        self.told.setdefault(name, []).append((value, labels))

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Write down."""
        assert METRICS[name].kind == "counter"
        self._tell(name, by, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Write down."""
        assert METRICS[name].kind == "gauge"
        self._tell(name, value, labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Write down."""
        assert METRICS[name].kind == "histogram"
        self._tell(name, seconds, labels)

    def values(self, name: str) -> list[float]:
        """Return the values told under a name."""
        return [value for value, _ in self.told.get(name, [])]


def decided(heard_ms: int, decided_ms: int) -> Decided:
    """Return a decision on two markets."""
    return Decided(
        1, heard_ms, decided_ms, ("A/USDT", "B/USDT"), np.array([2, 0]), np.zeros(2, np.float32), ("v", "v"),
        np.zeros((2, 80), np.float32), b"",
    )  # fmt: skip


def test_decisions_are_counted_by_action_with_their_latency() -> None:
    """From the candle that was heard last to the decision, in seconds."""

    async def steps() -> None:
        meter, since, inner = Paper(), Since(), MemoryDecisions()
        log = MeteredDecisions(inner, meter, "main", since)
        row = decided(1_000, 1_250)
        await log.keep(row)
        assert await log.newest() is row
        assert meter.values("huracan_decision_seconds") == [0.25]
        actions = [labels["action"] for _, labels in meter.told["huracan_decisions_total"]]
        assert actions == ["ENTER_LONG_NORMAL", "DO_NOTHING"]
        assert since.heard_ms == 1_000

    asyncio.run(steps())


def test_orders_rejects_denials_and_fills_are_counted() -> None:
    """An order counts when it is marked as sent, with its side; the venue's refusal and risk's denial by themselves."""

    async def steps() -> None:
        meter, since = Paper(), Since()
        now_ms = WallClock().now_ms()
        since.heard_ms = now_ms - 2_000
        inner: Any = MemoryStore(MemoryDatabase(WallClock()), "main")
        store: Any = MeteredStore(inner, meter, WallClock(), since)
        lease = await store.acquire("me", 60.0)
        assert isinstance(lease, Lease)
        await store.record(lease, Record(transfers=(Transfer("USDT", D(10_000), now_ms, "opening"),)))
        wanted = intent()
        await store.put_intent(wanted)
        draft = buy(wanted)
        assert await store.begin_order(lease, [draft], reserve(draft))
        assert meter.values("huracan_orders_total") == []
        await store.mark_sent(lease, [draft.cid], now_ms - 500)
        assert meter.told["huracan_orders_total"] == [(1.0, {"account": "main", "side": "BUY"})]
        assert meter.values("huracan_sent_seconds") == [1.5]
        await store.record(lease, Record(facts=(fact(draft, Trigger.REJECT),)))
        assert meter.values("huracan_rejects_total") == [1]
        assert meter.values("huracan_fills_total") == []
        other = intent(candle_ms=wanted.candle_ms + 60_000, quantity=None)
        await store.put_intent(other)
        await store.update_intent(lease, other.intent_id, IntentStatus.DENIED, "HEAT")
        assert meter.told["huracan_denials_total"] == [(1.0, {"account": "main", "code": "HEAT"})]
        assert await store.children(wanted.intent_id) == await inner.children(wanted.intent_id)

    asyncio.run(steps())


def test_the_view_of_an_account_becomes_gauges() -> None:
    """Equity, the day's result, heat and open trades of the last close; what is not known is not told."""

    async def steps() -> None:
        meter = Paper()
        views = MeteredViews(MemoryViews(), meter, "main")
        limits = [{"name": "heat_frac", "used": 0.02, "limit": 0.1}, {"name": "open_trades", "used": 3, "limit": 5}]
        report = {"equity": "1010.5", "limits": limits}
        state = AccountState(1, 60_000, 1, "paper", DayBook(0, 1_000.0, 1_010.5), Decimal(1_010), report)
        await views.keep(state)
        assert await views.load() == state
        assert meter.values("huracan_equity") == [1010.5]
        assert meter.values("huracan_pnl_day") == [10.5]
        assert meter.values("huracan_heat_frac") == [0.02]
        assert meter.values("huracan_open_trades") == [3.0]
        assert meter.values("huracan_market_seconds") == [60.0]
        await views.keep(replace(state, report={"equity": None, "limits": []}))
        assert meter.values("huracan_equity") == [1010.5]

    asyncio.run(steps())


def test_every_metric_says_what_it_is() -> None:
    """Prometheus' rules: counters end in _total, times are seconds, every name is ours."""
    for name, metric in METRICS.items():
        assert name.startswith("huracan_")
        assert name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert metric.words.endswith(".")


def test_the_page_on_serving_lists_every_metric() -> None:
    """The table in docs/serving.md is that of the code."""
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        assert f"| `{name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.words} |" in page
    assert page.count("| `huracan_") == len(METRICS)
