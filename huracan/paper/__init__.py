"""A Binance-spot-compatible exchange over candles, for loopback: pure core, own clock and random generator."""

from huracan.paper.exchange import AckOutcome, LockStage, PaperExchange
from huracan.paper.faults import NO_FAULTS, FaultKind, Faults, ScriptedFault
from huracan.paper.market import PaperMarket, paper_market, venue_symbol
from huracan.paper.settings import Latency, PaperAccount, PaperSettings, RateLimits
from huracan.paper.wire import DropHow, Reply, Request, StreamEvent

__all__ = [
    "NO_FAULTS",
    "AckOutcome",
    "DropHow",
    "FaultKind",
    "Faults",
    "Latency",
    "LockStage",
    "PaperAccount",
    "PaperExchange",
    "PaperMarket",
    "PaperSettings",
    "RateLimits",
    "Reply",
    "Request",
    "ScriptedFault",
    "StreamEvent",
    "paper_market",
    "venue_symbol",
]
