"""One policy's closed trades through every part of the analysis: a row a trade, and a summary."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.cases import Case, Finding, Similar, Tested, cases_of, ranked
from huracan.analysis.causes import CAUSES, ask_causes
from huracan.analysis.factors import FACTORS, LUCK, ask_factors
from huracan.analysis.holds import HoldCurve, curves_by, hold_bars_grid, hold_values, post_exit
from huracan.analysis.identity import check_identity
from huracan.analysis.luck import random_pool, skill_of
from huracan.analysis.outcome import TRADES_MIN, Outcome, explain
from huracan.analysis.paths import GAP_BARS_MAX, MarketPath, horizons
from huracan.analysis.proposals import Proposal, propose
from huracan.analysis.quality import excursions_agree
from huracan.analysis.regimes import RegimeRow, by_regime, regime_of_path
from huracan.analysis.replay import entries_of
from huracan.analysis.similar import similar_of
from huracan.analysis.summary import Analysis, FeatureRow, ModelRow, QualityMedians, RuleRow
from huracan.analysis.telling import telling
from huracan.errors import DataError, UsageError
from huracan.features import CATALOGUE
from huracan.memory import StoredProposal, TradeAnalysis, TradeRows, join_trades
from huracan.patterns.embedding import Embedding
from huracan.shadow import DAY_MS
from huracan.trading import KernelSettings, Limits, Tape

__all__ = ["Analysed", "Group", "analyse"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Said = Mapping[Any, Tested | None]

RESAMPLES = 500
LEVEL = 0.9
_NOTHING = "[]"
_FEATURES_SHOWN = 10
_NOT_OURS = ("end_of_data", "kill_switch")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Trades that were decided on the features of one fit.

    Attributes:
        trades: closed, of one policy, account and mode.
        paths: their markets by symbol, with the regimes of that fit.
        embedding: of states to points as known before the first of them; None: similar trades cannot be asked.
    """

    trades: TradeRows
    paths: Mapping[str, MarketPath]
    embedding: Embedding | None


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """A summary, and what the database keeps of each analysed trade and each proposal."""

    summary: Analysis
    rows: tuple[TradeAnalysis, ...]
    proposals: tuple[StoredProposal, ...]


def analyse(
    groups: Sequence[Group],
    tapes: Sequence[Tape],
    kernel: KernelSettings,
    limits: Limits,
    *,
    layout: int,
    seed: int = 1,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Analysed:
    """Analyse the closed trades of one policy, account and mode.

    Args:
        groups: the trades, by the fit behind their features (folds, versions).
        tapes: the markets; entries are traded again on them.
        kernel: the rules they were traded by.
        limits: the account's limits.
        layout: of the states (`huracan.patterns.state_layout`); trades on others are not compared with these.
        seed: of everything that is drawn.
        resamples: draws of days.
        level: of all intervals.

    Raises:
        UsageError: there is no closed trade, or they are of several policies, accounts or modes.
        DataError: none of them lies on the candles, or a number in them is none.
        InvariantError: the books of a trade are wrong.
    """
    everything = join_trades([group.trades for group in groups])
    whose = _whose(everything)
    identity = check_identity(everything)
    similar = _similar(groups, layout, kernel)
    cases = [case for group, near in zip(groups, similar, strict=True) for case in _cases(group, near, kernel)]
    gaps = _gaps(everything, cases, groups, layout)
    if identity.others.any():
        gaps.append(f"{int((identity.others != 0).sum())} trades paid fees in a third asset, beside their integers")
    kept = np.array([c is not None for c in cases]) & ~np.isin(everything.exit_reason, _NOT_OURS)
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise DataError(
            f"none of {len(everything)} trades of {whose[0]} can be analysed ({'; '.join(gaps)}); give the folder of "
            "the candles they were made on"
        )
    trades, mine = everything.rows(rows.tolist()), [case for case, keep in zip(cases, kept, strict=True) if keep]
    judged = _Judged.of(trades, [case for case in mine if case is not None])
    draws = {"resamples": resamples, "level": level, "seed": seed}
    ground = _around(trades, tapes, kernel)
    entries = entries_of(trades, ground, kernel.base_ms)
    pool = random_pool(entries, ground, kernel, limits, seed)
    skill = skill_of(entries.tape, trades.entry_time, judged.net_bps, pool, resamples=resamples, level=level, seed=seed)
    purge_ms = kernel.hold_bars * kernel.base_ms
    same = np.flatnonzero((trades.layout == layout) & np.isfinite(judged.net_r))
    outcome = explain(
        trades.entry_state[same], judged.net_r[same], trades.entry_time[same], trades.exit_time[same],
        purge_ms=purge_ms, resamples=resamples, level=level, seed=seed,
    )  # fmt: skip
    if outcome is None:
        gaps.append(f"{len(same)} trades are too few to explain results by features; {TRADES_MIN} are needed")
    curve, regimes = _holds(trades, judged, kernel, draws)
    proposals = propose(entries, trades.entry_time, ground, kernel, limits, resamples=resamples, seed=seed)
    placed = dict(zip(same.tolist(), range(len(same)), strict=True)) if outcome is not None else {}
    p_values = pool.p_values(entries.tape, judged.net_r)
    won = judged.net_bps > 0
    told = telling(
        {rule: (_warnings(judged.causes, rule), ~won) for rule in CAUSES}
        | {rule: (_warnings(judged.factors, rule), won) for rule in FACTORS},
        trades.entry_time // DAY_MS,
    )
    warning = frozenset(str(cause) for cause in CAUSES if cause in told)
    stored = tuple(
        judged.row(number, trades, float(p_values[number]), outcome, placed.get(number), warning)
        for number in range(len(trades))
    )
    summary = Analysis(
        policy=whose[0],
        account=whose[1],
        mode=whose[2],  # type: ignore[arg-type]  # the database's own words
        trades=len(everything),
        analysed=len(trades),
        wins=int(won.sum()),
        losses=int((~won).sum()),
        unexplained_wins=sum(row.won and row.findings_json == _NOTHING for row in stored),
        unexplained_losses=sum(not row.won and row.findings_json == _NOTHING for row in stored),
        preventable_losses=sum(not row.won and row.foreseen for row in stored),
        identity_error=max(map(abs, identity.error), default=0),
        excursions_differ=judged.excursions_differ(trades),
        level=level,
        hold_bars=kernel.hold_bars,
        wins_quality=judged.quality(won),
        losses_quality=judged.quality(~won),
        skill=skill,
        model=None if outcome is None else _model(outcome),
        causes=_rule_rows(CAUSES, judged.causes, ~won, judged.net_r, told),
        factors=_rule_rows(FACTORS, judged.factors, won, judged.net_r, told),
        regimes=regimes,
        curve=curve,
        proposals=proposals,
        gaps=tuple(gaps),
    )
    return Analysed(summary, stored, tuple(_stored(proposal, whose) for proposal in proposals))


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Every analysed trade with what the rules say of it."""

    cases: list[Case]
    causes: list[Said]
    factors: list[Said]
    net_bps: Floats
    net_r: Floats

    @classmethod
    def of(cls, trades: TradeRows, cases: list[Case]) -> "_Judged":
        notional = trades.entry_price * trades.quantity
        risk = notional * trades.risk_frac
        net_r = np.where(risk > 0, trades.net / np.where(risk > 0, risk, 1.0), np.nan)
        causes: list[Said] = [ask_causes(case) for case in cases]
        factors: list[Said] = [ask_factors(case) for case in cases]
        return cls(cases, causes, factors, 1e4 * trades.net / notional, net_r)

    def findings(self, number: int) -> tuple[Finding, ...]:
        return ranked(self.factors[number] if self.net_bps[number] > 0 else self.causes[number])

    def row(
        self,
        number: int,
        trades: TradeRows,
        p_value: float,
        outcome: Outcome | None,
        place: int | None,
        warning: Collection[str],
    ) -> TradeAnalysis:
        """Return what the database keeps of one trade; `warning`: causes whose warning separates losses from wins."""
        case, findings = self.cases[number], self.findings(number)
        won, quality, after = bool(self.net_bps[number] > 0), case.quality, post_exit(case)
        top = () if outcome is None or place is None else outcome.top(place)
        if won:
            foreseen = any(finding.name in LUCK for finding in findings)
        else:
            foreseen = any(
                finding.name in warning and _warned(self.causes[number], finding.name) for finding in findings
            )
        return TradeAnalysis(
            policy=str(trades.policy[number]),
            account=str(trades.account[number]),
            symbol=str(trades.symbol[number]),
            fold=int(trades.fold[number]),
            mode=trades.mode[number].item(),
            seq=int(trades.seq[number]),
            won=won,
            p_value=p_value if np.isfinite(p_value) else None,
            predicted_r=None if outcome is None or place is None else float(outcome.predicted[place]),
            captured_frac=quality.captured_frac,
            entry_quality=quality.entry,
            exit_quality=quality.exit,
            mae_used=quality.mae_used,
            neighbours=None if case.similar is None else case.similar.count,
            neighbour_wins=None if case.similar is None else case.similar.wins,
            features=tuple(entry for entry, _ in top),
            contributions=tuple(share for _, share in top),
            foreseen=foreseen,
            findings_json=json.dumps([finding.to_json() for finding in findings], separators=(",", ":")),
            hold_bars=case.hold_bars,
            tracked_bars=after.tracked_bars,
            high_bars=after.high_bars,
            low_bars=after.low_bars,
            missed_bps=after.missed_bps,
            move_bps=after.move_bps,
            mfe_bps=after.mfe_bps,
            mae_bps=after.mae_bps,
        )

    def quality(self, chosen: NDArray[np.bool_]) -> QualityMedians:
        """Return the medians over the chosen trades, each over those of which it is known."""

        def median(name: str) -> float | None:
            values = [getattr(self.cases[number].quality, name) for number in np.flatnonzero(chosen).tolist()]
            known = [value for value in values if value is not None]
            return float(np.median(known)) if known else None

        return QualityMedians(median("entry"), median("exit"), median("captured_frac"), median("mae_used"))

    def excursions_differ(self, trades: TradeRows) -> int:
        """Return how many trades met other extremes on the candles than their ledger says."""
        stored = zip(trades.high_ticks.tolist(), trades.low_ticks.tolist(), strict=True)
        return sum(
            not excursions_agree(case.path, case.last, (case.quality.high, case.quality.low), kept)
            for case, kept in zip(self.cases, stored, strict=True)
        )


def _whose(trades: TradeRows) -> tuple[str, str, str]:
    if not len(trades):
        raise UsageError("there is no closed trade to analyse; trade first, or name another policy, account or mode")
    whose = sorted(set(zip(trades.policy.tolist(), trades.account.tolist(), trades.mode.tolist(), strict=True)))
    if len(whose) > 1:
        raise UsageError(f"trades of {len(whose)} policies, accounts and modes at once; analyse one after the other")
    for name in ("net", "entry_price", "exit_price", "quantity", "risk_frac", "price_part", "fee", "entry_state"):
        if not np.isfinite(getattr(trades, name)).all():
            raise DataError(f"trades of {whose[0][0]}: a {name} is not a finite number; do not trust these rows")
    return whose[0]


def _similar(groups: Sequence[Group], layout: int, kernel: KernelSettings) -> list[list[Similar | None]]:
    """Return what past trades like each one had come to; those of all groups are remembered."""
    known = join_trades([group.trades for group in groups])
    return [
        [None] * len(group.trades)
        if group.embedding is None
        else similar_of(group.trades, known, group.embedding, layout, kernel.base_ms, kernel.hold_bars)
        for group in groups
    ]


def _cases(group: Group, similar: Sequence[Similar | None], kernel: KernelSettings) -> list[Case | None]:
    return cases_of(group.trades, group.paths, kernel, similar)


def _gaps(trades: TradeRows, cases: Sequence[Case | None], groups: Sequence[Group], layout: int) -> list[str]:
    """Return in words what cannot be said of some of the trades."""
    found = []

    def note(count: int, what: str) -> None:
        if count:
            found.append(f"{count} of {len(trades)} trades {what}")

    note(int(np.isin(trades.exit_reason, _NOT_OURS).sum()), "ended with their data or by the kill switch: not analysed")
    note(sum(case is None for case in cases), "do not lie on these candles: not analysed")
    note(int((trades.layout != layout).sum()), "were entered on states of another feature layout: not compared")
    note(int((~(trades.risk_frac > 0)).sum()), "have no initial risk: no results in R")
    note(sum(len(group.trades) for group in groups if group.embedding is None), "have no history to find similar ones")
    placed = [(case, int(regime)) for case, regime in zip(cases, trades.regime, strict=True) if case is not None]
    note(sum(regime_of_path(case) < 0 for case, _ in placed), "have no known regime of their market")
    other = sum(0 <= regime_of_path(case) != regime for case, regime in placed)
    note(other, "carry another regime than their market had at the last decision before the fill")
    cut = sum(
        case.path.known_at(int(case.path.number[case.last]) + horizons(case.hold_bars)[-1]) is None
        for case, _ in placed
    )
    note(cut, "have no candles up to the longest horizon behind their exit")
    return found


def _around(trades: TradeRows, tapes: Sequence[Tape], kernel: KernelSettings) -> list[Tape]:
    """Return the part of the tapes of traded coins from the first decision to the longest hold behind the last."""
    symbols = set(trades.symbol.tolist())
    margin = 4 * kernel.hold_bars + 200
    first, last = int(trades.entry_time.min()) // kernel.base_ms, int(trades.exit_time.max()) // kernel.base_ms
    found = []
    for tape in tapes:
        if tape.symbol in symbols:
            begin, stop = np.searchsorted(tape.bars[:, 0], (first - margin, last + margin))
            found.append(tape.between(int(begin), int(stop)))
    return found


def _holds(
    trades: TradeRows, judged: _Judged, kernel: KernelSettings, draws: Mapping[str, Any]
) -> tuple[HoldCurve, tuple[RegimeRow, ...]]:
    """Return the hold curve of all entries, and the results by regime with the best hold of each."""
    lengths = hold_bars_grid(kernel.hold_bars)
    values = hold_values(judged.cases, trades.steps_in, lengths)
    purge_ms = (lengths[-1] + GAP_BARS_MAX) * kernel.base_ms
    curve, own = curves_by(values, trades.entry_time, trades.regime, lengths, purge_ms=purge_ms, **draws)
    rows = by_regime(trades.regime, trades.entry_time, judged.net_bps, **draws)
    return curve, tuple(
        replace(row, best_hold_bars=own[row.regime].best_bars, hold_proven=own[row.regime].proven) for row in rows
    )


def _rule_rows(
    rules: Mapping[Any, object],
    said: Sequence[Said],
    chosen: NDArray[np.bool_],
    net_r: Floats,
    told: Collection[object],
) -> tuple[RuleRow, ...]:
    """Return one row for each rule over the chosen trades, the most found first."""
    mine = np.flatnonzero(chosen).tolist()
    first = [findings[0].name if (findings := ranked(said[number])) else "" for number in mine]
    rows = []
    for rule in rules:
        found = [number for number in mine if (one := said[number][rule]) is not None and one.found]
        warned = _warnings(said, rule)
        results = net_r[found][np.isfinite(net_r[found])]
        rows.append(
            RuleRow(
                name=str(rule),
                tested=sum(said[number][rule] is not None for number in mine),
                found=len(found),
                first=first.count(str(rule)),
                mean_r=float(results.mean()) if len(results) else None,
                warned=_share(warned[chosen]),
                warned_others=_share(warned[~chosen]),
                telling=rule in told,
                luck=rule in LUCK,
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.found))


def _warnings(said: Sequence[Said], rule: object) -> Floats:
    """Return float64[N], whether a rule's part known at the entry held: 1, 0, or NaN where it was not asked."""
    asked = (one[rule] for one in said)
    return np.array([np.nan if one is None or one.warned is None else float(one.warned) for one in asked])


def _share(warned: Floats) -> float | None:
    known = warned[np.isfinite(warned)]
    return float(known.mean()) if len(known) else None


def _warned(said: Said, name: str) -> bool:
    return any(str(rule) == name and one is not None and bool(one.warned) for rule, one in said.items())


def _model(outcome: Outcome) -> ModelRow:
    order = np.argsort(-outcome.importance, kind="stable")[:_FEATURES_SHOWN].tolist()
    shown = [FeatureRow(i, CATALOGUE[i].name, float(outcome.importance[i])) for i in order if outcome.importance[i] > 0]
    return ModelRow(
        len(outcome.predicted), outcome.gain, outcome.gain_low, outcome.gain_high, outcome.explains, tuple(shown)
    )


def _stored(proposal: Proposal, whose: tuple[str, str, str]) -> StoredProposal:
    evidence = {
        "now": asdict(proposal.now),
        "early": None if proposal.early is None else asdict(proposal.early),
        "late": None if proposal.late is None else asdict(proposal.late),
        "tried": proposal.tried,
    }
    return StoredProposal(
        policy=whose[0],
        account=whose[1],
        mode=whose[2],  # type: ignore[arg-type]  # the database's own words
        kind=proposal.kind,
        status=proposal.status,
        rule=asdict(proposal.rule),
        evidence_json=json.dumps(evidence),
        reason=proposal.reason,
    )
