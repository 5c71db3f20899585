"""Why closed trades won or lost, what came after them, and which rules would have served them better.

Pure: trades (`huracan.memory.TradeRows`) and markets (`MarketPath`, made of tapes by `path_of`) come in, frozen values
go out. `analyse` is the whole of it for one policy, account and mode: a summary (`Analysis`), a row a trade for the
database (`huracan.memory.write_analyses`), and proposals of other brackets. Its parts stand alone too: `cases_of` puts
each trade beside its candles, `ask_causes` and `ask_factors` ask every rule about it, `check_identity` proves the
books.
"""

from huracan.analysis.analyse import Analysed, Group, analyse
from huracan.analysis.cases import Case, Figure, Finding, Similar, Tested, cases_of, ranked
from huracan.analysis.causes import CAUSES, Cause, ask_causes
from huracan.analysis.factors import FACTORS, LUCK, Factor, ask_factors
from huracan.analysis.holds import HoldCurve, PostExit, curve_of, hold_values, post_exit
from huracan.analysis.identity import Identity, check_identity
from huracan.analysis.luck import Skill, random_pool, skill_of
from huracan.analysis.outcome import Outcome, explain
from huracan.analysis.paths import MarketPath, horizons, path_of
from huracan.analysis.proposals import Proposal, Rule, propose
from huracan.analysis.quality import Quality, quality_of
from huracan.analysis.regimes import RegimeRow, by_regime
from huracan.analysis.replay import Entries, Replayed, entries_of, replay
from huracan.analysis.similar import embedding_of, similar_of
from huracan.analysis.summary import Analysis, RuleRow

__all__ = [
    "CAUSES",
    "FACTORS",
    "LUCK",
    "Analysed",
    "Analysis",
    "Case",
    "Cause",
    "Entries",
    "Factor",
    "Figure",
    "Finding",
    "Group",
    "HoldCurve",
    "Identity",
    "MarketPath",
    "Outcome",
    "PostExit",
    "Proposal",
    "Quality",
    "RegimeRow",
    "Replayed",
    "Rule",
    "RuleRow",
    "Similar",
    "Skill",
    "Tested",
    "analyse",
    "ask_causes",
    "ask_factors",
    "by_regime",
    "cases_of",
    "check_identity",
    "curve_of",
    "embedding_of",
    "entries_of",
    "explain",
    "hold_values",
    "horizons",
    "path_of",
    "post_exit",
    "propose",
    "quality_of",
    "random_pool",
    "ranked",
    "replay",
    "similar_of",
    "skill_of",
]
