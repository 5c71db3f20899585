"""Remedies in action: done once, within limits, in dry runs not at all, and never a step that allows more."""

import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from huracan.errors import UsageError
from huracan.health.detector import Blind, Looked
from huracan.memory.health import Anomaly
from tests.health.remedies.worlds import COINS, HOUR, MINUTE, T0, World, anomaly, rule, world

pytestmark = pytest.mark.postgres
SMALL = rule("slippage", "reduce_size", value=0.5)


def test_the_same_anomaly_is_acted_on_once(database: Engine) -> None:
    """A turn comes every few seconds: one row, however often it is said."""
    account = world(database)
    remedies = account.remedies(SMALL)
    rows = [row for step in range(20) for row in remedies.act([anomaly(account, "slippage")], T0 + 5_000 * step)]
    assert [row.state for row in rows] == ["applied"]
    assert account.rows() == rows


def test_while_the_anomaly_lasts_the_expiry_is_put_off(database: Engine) -> None:
    """Three hours of an anomaly under a remedy of one: in force throughout, and an hour longer than the anomaly."""
    account = world(database)
    remedies = account.remedies(SMALL)
    for minute in range(181):
        assert len(remedies.act([anomaly(account, "slippage")], T0 + minute * MINUTE)) == (minute == 0)
    (row,) = account.rows()
    assert row.renewed == 5
    assert row.expires_ms is not None
    assert T0 + 3 * HOUR < row.expires_ms <= T0 + 4 * HOUR
    assert [one.state for one in remedies.act([], row.expires_ms)] == ["expired"]


def test_a_detector_that_cannot_look_ends_no_remedy(database: Engine) -> None:
    """What it said stands: the expiry is put off until it can look, and finds nothing."""
    account = world(database)
    remedies = account.remedies(SMALL)
    remedies.turn(Looked((anomaly(account, "slippage"),), frozenset({"slippage"}), ()), T0)
    for minute in range(181):
        blind = Looked((), frozenset({"other"}), (Blind(frozenset({"slippage"}), "the database is away"),))
        assert remedies.turn(blind, T0 + minute * MINUTE) == ()
    seen = [remedies.turn(Looked((), frozenset({"slippage"}), ()), T0 + n * MINUTE) for n in range(181, 300)]
    assert [row.state for rows in seen for row in rows] == ["expired"]


def test_a_flapping_remedy_is_refused_and_a_critical_anomaly_reduces_instead(database: Engine) -> None:
    """Begun three times within six hours it is not begun again; the safe state that cannot flap takes its place."""
    account = world(database)
    remedies = account.remedies(SMALL)
    seen = []
    for time in range(4):
        at_ms = T0 + time * 70 * MINUTE
        seen += remedies.act([anomaly(account, "slippage", at_ms=at_ms)], at_ms)
        seen += remedies.act([], at_ms + 65 * MINUTE)
    assert [(row.kind, row.state) for row in seen] == [
        ("reduce_size", "applied"),
        ("reduce_size", "expired"),
        ("reduce_size", "applied"),
        ("reduce_size", "expired"),
        ("reduce_size", "applied"),
        ("reduce_size", "expired"),
        ("reduce_size", "refused"),
        ("reducing", "applied"),
    ]
    assert "flaps" in seen[6].error
    assert account.newest_state() == ("REDUCING", "monitor")


def test_a_kind_is_applied_so_often_in_an_hour(database: Engine) -> None:
    """The third coin of an hour is the last; the next hour has its own."""
    account = world(database)
    remedies = account.remedies(rule("coin", "pause_coin"), coins_paused_max_frac=1.0, escalate=False)
    wrong = [anomaly(account, "coin", symbol) for symbol in COINS]
    rows = remedies.act(wrong, T0)
    assert [row.state for row in rows] == ["applied"] * 3 + ["refused"]
    assert "remedies.per_hour" in rows[3].error
    assert remedies.act(wrong, T0 + 45 * MINUTE) == (), "what is in force stays so, what was refused was said"
    assert [(row.state, row.subject) for row in remedies.act(wrong, T0 + HOUR)] == [("applied", COINS[3])]
    assert account.newest_state() == ("ACTIVE", "")


def test_limits_hold_between_monitors_that_act_at_once(database: Engine) -> None:
    """Eight of them see the same and each other's rows: one applies, and no limit is passed."""
    account = world(database)
    wrong = [anomaly(account, "coin", symbol) for symbol in COINS]
    failures: list[BaseException] = []

    def turn() -> None:
        try:
            remedies = account.remedies(rule("coin", "pause_coin"), coins_paused_max_frac=1.0)
            remedies.act(wrong, T0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=turn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    states = [(row.kind, row.state) for row in account.rows()]
    assert states.count(("pause_coin", "applied")) == 3
    assert states.count(("reducing", "applied")) == 1


@pytest.mark.parametrize("everything", [True, False])
def test_a_dry_run_writes_down_and_does_nothing(database: Engine, everything: bool) -> None:
    """By rule or for all of them: a row an anomaly says what would be done, or why it would be refused."""
    account = world(database)
    account.lock("A/USDT")
    before = account.control()
    mode = "act" if everything else "dry_run"
    lines = [rule("slippage", "halt", mode), rule("slippage", "pause_coin", mode), rule("coin", "pause_coin", mode)]
    remedies = account.remedies(*lines, dry_run=everything)
    wrong = [anomaly(account, "slippage"), anomaly(account, "coin", "Z/USDT")]
    rows = [row for step in range(3) for row in remedies.act(wrong, T0 + step * 5_000)]
    assert [(row.kind, row.state) for row in rows] == [("halt", "dry_run"), ("pause_coin", "dry_run")]
    assert (rows[0].error, "no market" in rows[1].error) == ("", True)
    assert len(remedies.act(wrong, T0 + 2 * HOUR)) == 2
    assert account.control() == before


def test_a_dry_run_and_a_refusal_are_written_down_once_an_anomaly(database: Engine) -> None:
    """However long it lasts; one that comes anew is said anew, but not within the hour."""
    account = world(database)
    remedies = account.remedies(rule("slippage", "halt", "dry_run"), rule("slippage", "pause_coin"))
    wrong = [anomaly(account, "slippage", "Z/USDT")]
    account.store(wrong[0])
    for hour in range(30):
        assert len(remedies.act(wrong, T0 + hour * HOUR)) == (2 if hour == 0 else 0)
    account.end(wrong[0])
    account.store(wrong[0])
    assert [row.state for row in remedies.act(wrong, T0 + 30 * HOUR)] == ["dry_run", "refused"]
    account.end(wrong[0])
    account.store(wrong[0])
    assert remedies.act(wrong, T0 + 30 * HOUR + MINUTE) == ()


def test_what_would_be_done_can_be_asked_without_a_trace(database: Engine) -> None:
    """`dry_run` answers and writes nothing; it says what acting would come to, and so it does."""
    account = world(database)
    account.lock("A/USDT")
    lines = [SMALL, rule("slippage", "halt", "dry_run"), rule("coin", "pause_coin")]
    wrong = [anomaly(account, "slippage"), anomaly(account, "coin", "Z/USDT")]
    found = account.remedies(*lines).dry_run(wrong, T0)
    assert [(row.kind, row.state, row.number) for row in found] == [
        ("reduce_size", "applied", 0),
        ("halt", "dry_run", 0),
        ("pause_coin", "refused", 0),
    ]
    everything = account.remedies(*lines, dry_run=True).dry_run(wrong, T0)
    assert {row.state for row in everything} == {"dry_run"}
    assert account.rows() == []
    done = account.remedies(*lines).act(wrong, T0)
    assert [(row.kind, row.state) for row in done] == [(row.kind, row.state) for row in found]
    assert account.remedies(*lines).dry_run(wrong, T0 + 1)[0].kind == "halt", "what is in force is done already"


def test_what_a_person_has_undone_is_left_so_while_the_anomaly_lasts(database: Engine) -> None:
    """For a day; then the rule holds again. An anomaly that begins after the undo is a new one."""
    account = world(database)
    remedies, wrong = account.remedies(SMALL), [anomaly(account, "slippage")]
    (row,) = remedies.act(wrong, T0)
    remedies.undo(row.number, "ann", "known", T0 + MINUTE)
    (refused,) = remedies.act(wrong, T0 + 2 * MINUTE)
    assert (refused.state, "ann has undone it" in refused.error) == ("refused", True)
    assert account.newest_state() == ("ACTIVE", ""), "a person's word is no limit to escalate from"
    assert [row.state for row in remedies.act(wrong, T0 + 25 * HOUR)] == ["applied"]
    other = world(database)
    remedies = other.remedies(SMALL)
    (row,) = remedies.act([anomaly(other, "slippage")], T0)
    remedies.undo(row.number, "ann", "known", T0 + MINUTE)
    fresh = anomaly(other, "slippage", at_ms=T0 + 2 * MINUTE)
    assert [row.state for row in remedies.act([fresh], T0 + 2 * MINUTE)] == ["applied"]


def test_the_anomalys_row_is_named_and_its_age_counts(database: Engine) -> None:
    """`after_s` counts from the first notice that is stored, whatever later turns say."""
    account = world(database)
    remedies = account.remedies(rule("slippage", "reduce_size", value=0.5, after_s=60))
    with database.begin() as connection:
        number = connection.execute(
            text(
                "INSERT INTO anomalies (account, detector, subject, severity, words, means, noticed_at, seen_at) "
                "VALUES (:account, 'slippage', '', 'critical', 'w', 'm', to_timestamp(:s), to_timestamp(:s)) "
                "RETURNING anomaly_id"
            ),
            {"account": account.account, "s": T0 / 1_000},
        ).scalar()
    for age_s in (0, 30, 59):
        now_ms = T0 + age_s * 1_000
        assert remedies.act([anomaly(account, "slippage", at_ms=now_ms)], now_ms) == ()
    (row,) = remedies.act([anomaly(account, "slippage", at_ms=T0 + MINUTE)], T0 + MINUTE)
    assert (row.state, row.anomaly_id) == ("applied", number)


def test_only_a_person_with_a_reason_undoes(database: Engine) -> None:
    """No number, no reason, a part of the program: refused, and the remedy stands."""
    account = world(database)
    remedies = account.remedies(SMALL)
    (row,) = remedies.act([anomaly(account, "slippage")], T0)
    for number, author, reason in ((row.number, "ann", " "), (row.number, "monitor", "x"), (999_999, "ann", "x")):
        with pytest.raises(UsageError):
            remedies.undo(number, author, reason, T0 + 1)
    assert account.rows()[0].in_force


def test_an_anomaly_of_another_account_is_none_of_ours(database: Engine) -> None:
    """Its own monitor acts on it: nothing is done to either account."""
    mine, other = world(database), world(database)
    before = mine.control(), other.control()
    assert mine.remedies(SMALL).act([anomaly(other, "slippage")], T0) == ()
    assert (mine.control(), other.control()) == before


TURNS = st.lists(
    st.tuples(
        st.sampled_from(["wrong", "well", "undo", "reduce", "halt"]),
        st.integers(1, 90),
        st.sampled_from(["slippage", "coin", "critical"]),
    ),
    min_size=1,
    max_size=12,
)


def allowed(account: World) -> tuple[int, frozenset[str], float, float]:
    """Return how much an account may do: its state, coins, size, and confidence asked for; larger is freer."""
    state = {"ACTIVE": 2, "REDUCING": 1, "HALTED": 0}[account.newest_state()[0]]
    rows = [row for row in account.rows() if row.in_force]
    coins = frozenset(COINS) - {row.subject for row in rows if row.kind == "pause_coin"}
    size = min([row.value or 0.0 for row in rows if row.kind == "reduce_size"], default=1.5)
    return state, coins, size, -max([row.value or 1.0 for row in rows if row.kind == "raise_confidence"], default=0.0)


def freer(after: tuple[int, frozenset[str], float, float], before: tuple[int, frozenset[str], float, float]) -> bool:
    """Return whether anything is allowed that was not."""
    return after[0] > before[0] or not after[1] <= before[1] or after[2] > before[2] or after[3] > before[3]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=TURNS)
def test_whatever_comes_nothing_ever_allows_more_than_a_person_had_set(
    database: Engine, turns: list[tuple[str, int, str]]
) -> None:
    """Any order of anomalies, ends, undos and people's states.

    A turn that is not an expiry only tightens; what is left when everything has expired is what people set.
    """
    account = world(database)
    lines = [rule("slippage", "reduce_size", value=0.5), rule("coin", "pause_coin"), rule("critical", "reducing")]
    remedies = account.remedies(*lines)
    now_ms, person = T0, "ACTIVE"
    for what, minutes, detector in turns:
        now_ms += minutes * MINUTE
        remedies.act([], now_ms)
        before = allowed(account)
        wrong: Anomaly = replace(anomaly(account, detector, COINS[minutes % 4]), noticed_ms=now_ms)
        if what == "wrong":
            remedies.act([wrong], now_ms)
        elif what == "well":
            remedies.act([], now_ms)
        elif what == "undo":
            for row in account.rows():
                if row.in_force:
                    remedies.undo(row.number, "ann", "known", now_ms)
            continue
        else:
            person = {"reduce": "REDUCING", "halt": "HALTED"}[what]
            account.state(person, "ann")
            continue
        assert not freer(allowed(account), before)
    for row in account.rows():
        if row.in_force and row.expires_ms is None and row.kind == "reducing":
            assert account.newest_state()[0] != "ACTIVE"
    remedies.act([], now_ms + 1_000 * HOUR)
    state = account.newest_state()
    assert allowed(account)[1:] == (frozenset(COINS), 1.5, 0.0)
    assert state[0] in (person, "REDUCING", "HALTED") or state[1] == "ann"
