"""The only door to exchanges (through ccxt): public candles, orders of an account, and the shared weight budget."""

from huracan.venue.binance import SKEW_MAX_MS, BinanceVenue
from huracan.venue.budget import AsyncGate, WeightBudget
from huracan.venue.check import CARDS, check_venue
from huracan.venue.client import (
    RECV_WINDOW_MS,
    AsyncBinance,
    InProcessBinance,
    Transport,
    WireReply,
    client_config,
)
from huracan.venue.credentials import Credentials, load_credentials
from huracan.venue.history import DownloadSummary, Progress, SymbolDownload, download
from huracan.venue.orders import (
    TERMINAL,
    Accepted,
    Balance,
    BalanceUpdate,
    ListStatus,
    MarketFilters,
    OcoRequest,
    OrderKind,
    OrderRequest,
    Outcome,
    RejectCode,
    Rejected,
    Side,
    Unknown,
    UserEvent,
    VenueList,
    VenueOrder,
    VenueStatus,
    VenueTrade,
)
from huracan.venue.protocol import TradingVenue, UserEvents
from huracan.venue.public import PAGE_BARS, Listing, PublicVenue
from huracan.venue.user_stream import UserStream

__all__ = [
    "CARDS",
    "PAGE_BARS",
    "RECV_WINDOW_MS",
    "SKEW_MAX_MS",
    "TERMINAL",
    "Accepted",
    "AsyncBinance",
    "AsyncGate",
    "Balance",
    "BalanceUpdate",
    "BinanceVenue",
    "Credentials",
    "DownloadSummary",
    "InProcessBinance",
    "ListStatus",
    "Listing",
    "MarketFilters",
    "OcoRequest",
    "OrderKind",
    "OrderRequest",
    "Outcome",
    "Progress",
    "PublicVenue",
    "RejectCode",
    "Rejected",
    "Side",
    "SymbolDownload",
    "TradingVenue",
    "Transport",
    "Unknown",
    "UserEvent",
    "UserEvents",
    "UserStream",
    "VenueList",
    "VenueOrder",
    "VenueStatus",
    "VenueTrade",
    "WeightBudget",
    "WireReply",
    "check_venue",
    "client_config",
    "download",
    "load_credentials",
]
