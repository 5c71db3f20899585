"""The monitor's rows: written once however often they are sent, anomalies opened, seen and ended."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from huracan.errors import DatabaseError
from huracan.memory import lazy_engine
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import (
    Batch,
    ErrorGroup,
    first_sample_ms,
    open_anomalies,
    prune_health,
    read_errors,
    read_samples,
    write_batch,
)

pytestmark = pytest.mark.postgres

T = 1_760_000_040_000
MINUTE = 60_000
SILENT = Anomaly("feed_silent", "", "BTC/USDT", "critical", "no candle for 90 s", "prices are old", T - 90_000, T)
GROUP = ErrorGroup("ab" * 8, "feed", "error", "feed.waits", T, T + 1, T + 5, 3, {"reason": "away"})


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, anomalies, errors, error_counts, heartbeats CASCADE"))


def batch(at_ms: int = T, **given: object) -> Batch:
    """Return a batch of two samples."""
    samples = (
        Sample(at_ms, "feed", "feed.candle_age_s", "BTC/USDT", 1.5),
        Sample(at_ms, "database", "database.up", "", 1.0),
    )
    return replace(Batch(uuid4(), at_ms, samples), **given)  # type: ignore[arg-type]


def count(engine: Engine, table: str) -> int:
    """Return the rows of a table."""
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def test_a_batch_is_written_once_however_often_it_is_sent(database: Engine) -> None:
    """Nobody knew whether the first time succeeded: samples, counts of errors and anomalies are as after one time."""
    one = batch(names=frozenset({"feed_silent"}), anomalies=(SILENT,), errors=(GROUP,))
    assert [write_batch(database, one) for _ in range(3)] == ["", "", ""]
    assert read_samples(database, "feed.candle_age_s") == one.samples[:1]
    assert read_samples(database, "feed.candle_age_s", "ADA/USDT") == ()
    assert read_samples(database, "feed.candle_age_s", since_ms=T + 1) == ()
    assert first_sample_ms(database, "database.up", 0) == T
    assert first_sample_ms(database, "database.up", T + 1) is None
    assert count(database, "health_signals") == 2
    (error,) = read_errors(database, T)
    assert (error.count, error.minutes, error.example) == (3, ((T, 3),), {"reason": "away"})


def test_an_anomaly_is_opened_seen_again_and_ended_when_it_is_no_longer_named(database: Engine) -> None:
    """Its number and the time it was noticed stay; another one of the same name later is another row."""
    names = frozenset({"feed_silent"})
    write_batch(database, batch(names=names, anomalies=(SILENT,)))
    later = replace(SILENT, noticed_ms=T + 5_000, words="no candle for 95 s", observed=float("nan"))
    write_batch(database, batch(T + 5_000, names=names, anomalies=(later,)))
    (found,) = open_anomalies(database)
    assert (found.anomaly.words, found.anomaly.noticed_ms, found.seen_ms) == ("no candle for 95 s", T, T + 5_000)
    assert found.anomaly.since_ms == T - 90_000
    write_batch(database, batch(T + 10_000, names=frozenset({"other"})))
    assert open_anomalies(database), "a detector that could not look ends nothing"
    write_batch(database, batch(T + 15_000, names=names))
    assert open_anomalies(database) == ()
    write_batch(database, batch(T + 20_000, names=names, anomalies=(later,)))
    assert open_anomalies(database)[0].anomaly_id != found.anomaly_id
    assert count(database, "anomalies") == 2


def test_only_the_subject_that_is_well_again_ends(database: Engine) -> None:
    """Two silent markets, one of which is heard again; the most serious stands first."""
    other = replace(SILENT, subject="ADA/USDT", severity="warning", evidence={"bars": 2, "p": float("inf")})
    names = frozenset({"feed_silent"})
    write_batch(database, batch(names=names, anomalies=(other, SILENT)))
    assert [one.anomaly.subject for one in open_anomalies(database)] == ["BTC/USDT", "ADA/USDT"]
    write_batch(database, batch(T + 1, names=names, anomalies=(other,)))
    (left,) = open_anomalies(database)
    assert (left.anomaly.subject, left.anomaly.evidence) == ("ADA/USDT", {"bars": 2, "p": None})


def test_errors_add_up_over_minutes_and_keep_their_newest_example(database: Engine) -> None:
    """Three in one minute, two in the same one later, one in the next."""
    write_batch(database, batch(errors=(GROUP,)))
    again = replace(GROUP, first_ms=T + 6, last_ms=T + 9, count=2, example={"reason": "still away"})
    write_batch(database, batch(errors=(again,)))
    write_batch(database, batch(errors=(replace(again, minute_ms=T + MINUTE, last_ms=T + MINUTE, count=1),)))
    (found,) = read_errors(database, T)
    assert (found.count, found.first_ms, found.last_ms) == (6, T + 1, T + MINUTE)
    assert found.minutes == ((T, 5), (T + MINUTE, 1))
    assert found.example == {"reason": "still away"}
    assert read_errors(database, T + 2 * MINUTE) == ()


@pytest.mark.parametrize("words", ["", "with a \0 in it"])
def test_what_the_schema_will_never_take_is_a_word_and_not_an_exception(database: Engine, words: str) -> None:
    """An anomaly without words, and one with a character that no text may hold: nothing of the batch is written."""
    bad = batch(anomalies=(replace(SILENT, words=words),))
    assert write_batch(database, bad)
    assert count(database, "health_signals") == 0
    assert write_batch(database, replace(bad, anomalies=())) == ""


def test_a_server_that_is_away_is_an_exception(database: Engine) -> None:
    """It may be tried again."""
    elsewhere = database.url.set(database="no_such_database")
    with pytest.raises(DatabaseError):
        write_batch(lazy_engine(elsewhere.render_as_string(hide_password=False)), batch())


def test_what_is_old_is_forgotten_and_what_is_open_or_referred_to_stays(database: Engine) -> None:
    """Samples and errors of years ago; an anomaly about which something was done."""
    names = frozenset({"feed_silent"})
    both = (SILENT, replace(SILENT, subject="ADA/USDT"))
    write_batch(database, batch(names=names, anomalies=both, errors=(GROUP,)))
    kept = open_anomalies(database)[0].anomaly_id
    with database.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO remediations (anomaly_id, kind, state, reason, author)
                VALUES (:kept, 'pause_coin', 'dry_run', 'x', 'test')"""
            ),
            {"kept": kept},
        )
    assert prune_health(database, 1, 1, 1) == 4, "two samples, a count, an error: no open anomaly"
    write_batch(database, batch(names=names))
    assert prune_health(database, 1, 1, 1) == 3
    assert count(database, "anomalies") == 1
    assert prune_health(database, 1e6, 1, 1) == 0


def test_remedies_are_forgotten_with_their_anomalies_once_no_limit_asks_for_them(database: Engine) -> None:
    """Of those that are over by a week and more; what is in force stays, however old."""
    names = frozenset({"feed_silent"})
    write_batch(database, batch(names=names, anomalies=(SILENT,)))
    (found,) = open_anomalies(database)
    write_batch(database, batch(names=names))
    with database.begin() as connection:
        for days, state in (
            (9, "dry_run"),
            (9, "refused"),
            (9, "failed"),
            (9, "undone"),
            (7, "refused"),
            (999, "applied"),
        ):
            connection.execute(
                text(
                    """INSERT INTO remediations
                        (at, anomaly_id, kind, subject, state, reason, author, ended_at, ended_by)
                    VALUES (now() - make_interval(days => :days), :anomaly, 'pause_coin', :state, :state, 'x', 'test',
                        CASE :state WHEN 'undone' THEN now() - make_interval(days => :days) END,
                        CASE :state WHEN 'undone' THEN 'ann' END)"""
                ),
                {"days": days, "state": state, "anomaly": found.anomaly_id if days == 9 else None},
            )
    prune_health(database, 1, 1, 1)
    assert (count(database, "remediations"), count(database, "anomalies")) == (2, 0)


def test_batches_have_names_of_their_own() -> None:
    """The key is the batch's name, not its time."""
    assert isinstance(batch().batch, UUID)
    assert batch().batch != batch().batch
