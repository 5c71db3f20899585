"""Each cause of a loss has a planted case that it must find, and controls in which it must not."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.cases import Case, Similar, ranked
from huracan.analysis.causes import CAUSES, Cause, ask_causes
from tests.analysis.worlds import case, flat_path, ramp, with_closes

LOSING = Similar(count=20, wins=3, mean=-0.4, low=-0.6, high=-0.2, base=-0.1)
FAIR = Similar(count=20, wins=9, mean=-0.05, low=-0.3, high=0.2, base=-0.1)


def _regime(at: int, closes: np.ndarray) -> Case:
    """A hold over a market whose volatility regime turns at one bar."""
    path = with_closes(flat_path(), closes)
    high = np.where(np.arange(400) >= at, 0.9, 0.1)
    return case(replace(path, high_vol=high), leave=9_900.0)


def _trend(closes: np.ndarray) -> Case:
    path = with_closes(flat_path(), closes)
    trend = np.where(np.arange(400) >= 215, -0.6, 0.5)
    return case(replace(path, trend=trend), leave=9_900.0)


DROP = ramp((230, 10_000), (231, 9_900))
SLIDE = ramp((200, 10_000), (260, 9_900))
EARLY = ramp((200, 10_000), (209, 9_900))
AT_ONCE = ramp((199, 10_000), (202, 9_950), (260, 9_900))
RETURNS = ramp((200, 10_000), (230, 9_889), (280, 10_080))
STAYS = ramp((200, 10_000), (230, 9_889), (280, 9_880))
HALFWAY = ramp((200, 10_000), (230, 10_110), (260, 9_940))
RUN = ramp((180, 9_900), (199, 10_000), (260, 9_900))
AFTER_RUN = ramp((180, 9_900), (199, 10_000), (215, 10_060), (260, 9_900))

PLANTED = {
    Cause.COST: case(flat_path(), leave=10_010.0, cost=20.0),
    Cause.SHOCK: case(with_closes(flat_path(), DROP), last=231, leave=9_900.0),
    Cause.REGIME_CHANGE: _regime(210, SLIDE),
    Cause.ADVERSE_SELECTION: case(with_closes(flat_path(), AT_ONCE), entry=9_999.0, leave=9_900.0),
    Cause.STOP_IN_NOISE: case(with_closes(flat_path(), RETURNS), last=230, leave=9_889.0, reason="stop_loss"),
    Cause.TARGET_TOO_FAR: case(with_closes(flat_path(), HALFWAY), leave=9_940.0),
    Cause.LATE_ENTRY: case(with_closes(flat_path(), RUN), leave=9_900.0),
    Cause.SIMILAR_LOSING: case(with_closes(flat_path(), SLIDE), leave=9_900.0, similar=LOSING),
}
CONTROLS = [
    (Cause.COST, "the move lost most of it", case(with_closes(flat_path(), SLIDE), leave=9_900.0, cost=20.0)),
    (Cause.COST, "it won", case(flat_path(), leave=10_050.0, cost=20.0)),
    (Cause.SHOCK, "the same fall, bar by bar", case(with_closes(flat_path(), SLIDE), leave=9_900.0)),
    (Cause.SHOCK, "usual for this market", case(with_closes(flat_path(sigma=0.01), DROP), last=231, leave=9_900.0)),
    (Cause.SHOCK, "an outlier that cost little", case(with_closes(flat_path(), ramp((205, 10_000), (206, 9_930), (207, 10_000), (260, 9_800))), leave=9_800.0)),  # noqa: E501
    (Cause.REGIME_CHANGE, "nothing turned", case(with_closes(flat_path(), SLIDE), leave=9_900.0)),
    (Cause.REGIME_CHANGE, "it turned when all was lost", _regime(250, EARLY)),
    (Cause.REGIME_CHANGE, "it turned before the entry", _regime(150, SLIDE)),
    (Cause.ADVERSE_SELECTION, "taken, not rested", case(with_closes(flat_path(), AT_ONCE), leave=9_900.0)),
    (Cause.ADVERSE_SELECTION, "rested, fell much later", case(with_closes(flat_path(), SLIDE), entry=9_999.0, leave=9_900.0)),  # noqa: E501
    (Cause.STOP_IN_NOISE, "the price did not come back", case(with_closes(flat_path(), STAYS), last=230, leave=9_889.0, reason="stop_loss")),  # noqa: E501
    (Cause.STOP_IN_NOISE, "a wide stop", case(with_closes(flat_path(), RETURNS), last=230, leave=9_889.0, reason="stop_loss", risk=300.0)),  # noqa: E501
    (Cause.STOP_IN_NOISE, "the policy left", case(with_closes(flat_path(), RETURNS), last=230, leave=9_889.0)),
    (Cause.TARGET_TOO_FAR, "a near target", case(with_closes(flat_path(), HALFWAY), leave=9_940.0, target=120.0)),
    (Cause.TARGET_TOO_FAR, "it was never half-way", case(with_closes(flat_path(), SLIDE), leave=9_900.0)),
    (Cause.LATE_ENTRY, "no run before", case(with_closes(flat_path(), SLIDE), leave=9_900.0)),
    (Cause.LATE_ENTRY, "the run went on", case(with_closes(flat_path(), AFTER_RUN), leave=9_900.0)),
    (Cause.SIMILAR_LOSING, "a fair neighbourhood", case(with_closes(flat_path(), SLIDE), leave=9_900.0, similar=FAIR)),
    (Cause.SIMILAR_LOSING, "no worse than trades at large", case(with_closes(flat_path(), SLIDE), leave=9_900.0, similar=replace(LOSING, base=-0.3))),  # noqa: E501
    (Cause.SIMILAR_LOSING, "it won", case(flat_path(), leave=10_100.0, similar=LOSING)),
]  # fmt: skip


def test_every_cause_is_planted_and_controlled() -> None:
    """No rule without a case that it must find and one that it must not."""
    assert set(PLANTED) == {cause for cause, _, _ in CONTROLS} == set(Cause) == set(CAUSES)


@pytest.mark.parametrize("cause", PLANTED, ids=str)
def test_a_planted_cause_is_found_first(cause: Cause) -> None:
    """The planted cause is there, is the strongest, and says by which figures."""
    found = ranked(ask_causes(PLANTED[cause]))
    assert [str(finding.name) for finding in found][:1] == [str(cause)]
    assert 0.0 < found[0].strength <= 1.0
    assert any(figure.threshold is not None for figure in found[0].figures)


@pytest.mark.parametrize(("cause", "why", "control"), CONTROLS, ids=[f"{c}: {why}" for c, why, _ in CONTROLS])
def test_a_control_does_not_have_it(cause: Cause, why: str, control: Case) -> None:
    """The same loss without what makes the cause."""
    said = ask_causes(control)[cause]
    assert said is not None, why
    assert not said.found, why


def test_a_trend_that_turns_is_a_regime_change() -> None:
    """The trend chain counts like the volatility chain."""
    said = ask_causes(_trend(ramp((215, 10_000), (260, 9_900))))[Cause.REGIME_CHANGE]
    assert said is not None
    assert said.found


def test_a_loss_may_be_unexplained() -> None:
    """A slow slide without any warning has no cause, and none is made up."""
    assert ranked(ask_causes(case(with_closes(flat_path(), SLIDE), leave=9_900.0, similar=FAIR))) == ()


def test_what_was_known_at_the_entry_does_not_depend_on_what_came_after() -> None:
    """Other candles behind the entry: every warning stays as it was."""
    seen = case(with_closes(flat_path(), RUN), leave=9_900.0, similar=LOSING)
    path = with_closes(flat_path(), np.where(np.arange(400) < 200, RUN, 12_345))
    other = case(path, leave=12_345.0, similar=LOSING)
    before, after = ask_causes(seen), ask_causes(other)
    warned = {name: said.warned for name, said in before.items() if said is not None and said.warned is not None}
    assert set(warned) == {Cause.STOP_IN_NOISE, Cause.TARGET_TOO_FAR, Cause.LATE_ENTRY, Cause.SIMILAR_LOSING}
    for name, value in warned.items():
        said = after[name]
        assert said is not None
        assert said.warned == value


def test_a_rule_without_its_data_says_nothing() -> None:
    """No sigma, no regimes, no neighbours, no candles behind a stop: not tested, which is not the same as not found."""
    cold = replace(with_closes(flat_path(), SLIDE), sigma=np.full(400, np.nan), high_vol=np.full(400, np.nan))
    said = ask_causes(case(cold, leave=9_900.0))
    assert {name for name, value in said.items() if value is None} == set(Cause) - {Cause.COST}
    short = with_closes(flat_path(bars=231), RETURNS[:231])
    assert ask_causes(case(short, last=230, leave=9_889.0, reason="stop_loss"))[Cause.STOP_IN_NOISE] is None


def test_evidence_is_json_with_values_and_thresholds() -> None:
    """What is stored names the figure, what it was, and what it was held against."""
    said = ranked(ask_causes(PLANTED[Cause.COST]))[0].to_json()
    assert said[:2] == ["cost", 1]
    assert said[2]["share"] == [1, 0.5]
    assert said[2]["gross_bps"] == pytest.approx(9.0, abs=0.1)
