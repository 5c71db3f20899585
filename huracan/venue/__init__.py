"""The only door to exchanges (through ccxt): public candles, listings, and the shared request-weight budget."""

from huracan.venue.budget import WeightBudget
from huracan.venue.history import DownloadSummary, Progress, SymbolDownload, download
from huracan.venue.public import PAGE_BARS, Listing, PublicVenue

__all__ = [
    "PAGE_BARS",
    "DownloadSummary",
    "Listing",
    "Progress",
    "PublicVenue",
    "SymbolDownload",
    "WeightBudget",
    "download",
]
