"""Why closed trades won or lost, what came after them, and which rules would have served them better.

Pure: trades (`huracan.memory.TradeRows`) and markets (`MarketPath`, made of tapes by `path_of`) come in, frozen values
go out; `cases_of` puts each trade beside its candles, `ask_causes` and `ask_factors` ask every rule about it.
"""

from huracan.analysis.cases import Case, Figure, Finding, Similar, Tested, cases_of, ranked
from huracan.analysis.causes import CAUSES, Cause, ask_causes
from huracan.analysis.factors import FACTORS, Factor, ask_factors
from huracan.analysis.identity import Identity, check_identity
from huracan.analysis.paths import MarketPath, horizons, path_of
from huracan.analysis.quality import Quality, quality_of

__all__ = [
    "CAUSES",
    "FACTORS",
    "Case",
    "Cause",
    "Factor",
    "Figure",
    "Finding",
    "Identity",
    "MarketPath",
    "Quality",
    "Similar",
    "Tested",
    "ask_causes",
    "ask_factors",
    "cases_of",
    "check_identity",
    "horizons",
    "path_of",
    "quality_of",
    "ranked",
]
