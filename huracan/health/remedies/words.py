"""Remedies in words: the tables of the documentation, one row for each kind and for each rule."""

from collections.abc import Mapping
from typing import Final, get_args

from huracan.config import RemediesSettings, RemedyKind

__all__ = ["kind_table", "rule_table"]

# kind -> (what it does, refused where, how it ends, what undo brings back)
_KINDS: Final[Mapping[RemedyKind, tuple[str, str, str, str]]] = {
    "pause_coin": (
        "keeps entries out of a coin (`COIN_PAUSED`)",
        "the account has no such market; more than `coins_paused_max_frac` of its coins would be paused",
        "expiry",
        "entries of the coin",
    ),
    "pause_pattern": (
        "keeps out entries whose state's nearest group is this pattern (`PATTERN_PAUSED`), as the library had it then",
        "there is no such pattern, it is all entries, or it is of another feature layout than is traded",
        "expiry",
        "entries of the pattern",
    ),
    "raise_confidence": (
        "asks for more confidence of each entry (`LOW_CONFIDENCE`), of one version or of all",
        "above `confidence_max`; there is no such version",
        "expiry",
        "the threshold of before: `risk.confidence_min`, or another remedy's",
    ),
    "reduce_size": (
        "makes larger entries as small as 1 or 0.5 stakes; what could not be made smaller is denied (`SIZE_REDUCED`)",
        "there is no such version",
        "expiry",
        "the sizes that versions want",
    ),
    "reducing": (
        "trading state REDUCING: entries at work are cancelled, positions only shrink",
        "the account was never traded; the state is as strict already",
        "a person",
        "the state of before",
    ),
    "halt": (
        "trading state HALTED: no entry; exits go on and protective stops stay at the venue",
        "the account was never traded; trading is halted already",
        "a person",
        "the state of before",
    ),
    "roll_back": (
        "retires the champion and brings back the one that it had replaced",
        "it is not champion; there was none before, or that one is unproven, gone, changed on disk or has an open "
        "anomaly itself; the scope was rolled back within seven days",
        "a person",
        "the champion; a later rollback goes where it would have gone",
    ),
    "restart_feed": (
        "ends the feed actor; Ray starts it anew, and it goes on from its snapshot",
        "there is no cluster, or no feed",
        "at once; the row stands while it is given time to help",
        "nothing: a restart changes nothing that lasts, and undoing it is refused",
    ),
    "restart_replica": (
        "ends one replica of the endpoint; Serve puts a new one in its place",
        "there is no cluster; the anomaly's subject names not exactly one replica",
        "at once; the row stands while it is given time to help",
        "nothing: as above",
    ),
}
assert tuple(_KINDS) == get_args(RemedyKind)


def kind_table() -> str:
    """Return the kinds as a Markdown table."""
    rows = ["| remedy | does | refused where | ended by | undo brings back |", "|---|---|---|---|---|"]
    rows += [f"| `{kind}` | {' | '.join(cells)} |" for kind, cells in _KINDS.items()]
    return "\n".join(rows) + "\n"


def rule_table() -> str:
    """Return the rules that hold by default as a Markdown table."""
    rows = ["| anomaly | from | after | remedy | lasts | mode |", "|---|---|---|---|---|---|"]
    for rule in RemediesSettings().rules:
        value = "" if rule.value is None else f" {rule.value:g}"
        ended = _KINDS[rule.remedy][2] == "a person"
        lasts = "until a person" if ended else f"{rule.lasts_min:g} min"
        after = f"{rule.after_s:g} s" if rule.after_s else "at once"
        cells = (f"`{rule.detector}`", rule.severity, after, f"`{rule.remedy}`{value}", lasts, rule.mode)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
