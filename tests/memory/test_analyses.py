"""Analyses in Postgres: whole or not at all, the same again changes nothing, and no more room than is allowed."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.errors import DatabaseError, UsageError
from huracan.memory import TradeRows, open_run, write_trades
from huracan.memory.analyses import (
    StoredProposal,
    TradeAnalysis,
    read_proposals,
    usable_proposals,
    write_analyses,
)
from tests.memory.samples import count_analyses, joined, sample_trades

pytestmark = pytest.mark.postgres

EVIDENCE = (
    '[["stop_in_noise",0.317,{"touch_probability":[0.317,0.25],"recovered_bps":[31.2,0],"stop_bps":251}]]',
    '[["cost",0.51,{"share":[0.51,0.5],"gross_bps":-20.1,"cost_bps":28.3}],'
    '["late_entry",0.5,{"run_sigmas":[2.2,2],"place":[0.93,0.9],"gained_r":[0.1,0.25]}]]',
    "[]",
)
PROPOSAL = StoredProposal(
    "ensemble-3", "coin", "shadow", "hold", "refused", {"hold_bars": 120, "stop_sigmas": 0.7}, '{"tried": 3}', "no"
)


@pytest.fixture
def run_id(database: Engine) -> int:
    """A run of its own."""
    return open_run(database, "test", Settings(), "data", "test")


def _analyses(trades: TradeRows) -> list[TradeAnalysis]:
    return [
        TradeAnalysis(
            policy=str(trades.policy[n]),
            account=str(trades.account[n]),
            symbol=str(trades.symbol[n]),
            fold=int(trades.fold[n]),
            mode="shadow",
            seq=int(trades.seq[n]),
            won=bool(trades.net[n] > 0),
            p_value=0.25 + n / 1e4,
            predicted_r=-0.1,
            captured_frac=None if n % 7 == 0 else 0.4,
            entry_quality=0.3,
            exit_quality=0.6,
            mae_used=0.9,
            neighbours=32,
            neighbour_wins=12,
            features=(22, 25, 76),
            contributions=(0.1, -0.05, 0.03),
            foreseen=n % 2 == 0,
            findings_json=EVIDENCE[(0, 1, 1, 1, 2)[n % 5]],
            hold_bars=720,
            tracked_bars=1_440,
            high_bars=60,
            low_bars=1_300,
            missed_bps=12.5,
            move_bps=(1.0, -2.0, 3.0, None),
            mfe_bps=(5.0, 6.0, 7.0, None),
            mae_bps=(-5.0, -6.0, -7.0, None),
        )
        for n in range(len(trades))
    ]


def _everything(engine: Engine, run_id: int) -> list[tuple[object, ...]]:
    """Return every row of the tables, with the transaction that wrote it."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for table in ("win_analysis", "loss_analysis", "post_exit_tracking")
            for row in connection.execute(
                text(f"SELECT a.xmin, a.* FROM {table} a JOIN trade_memory USING (trade_id) WHERE run_id = :run_id"),  # noqa: S608
                {"run_id": run_id},
            )
        ]


def test_wins_and_losses_go_to_their_tables_and_a_second_time_changes_nothing(database: Engine, run_id: int) -> None:
    """Every trade has one of the two and its track; the same again touches no row, not even with equal values."""
    trades = joined(sample_trades(50, 1), sample_trades(50, 2, "ETH/USDT:USDT"))
    write_trades(database, run_id, trades)
    analyses = _analyses(trades)
    assert write_analyses(database, run_id, analyses, [PROPOSAL]) == 201
    counts = count_analyses(database, run_id)
    assert counts["win_analysis"] == (trades.net > 0).sum()
    assert counts["win_analysis"] + counts["loss_analysis"] == counts["post_exit_tracking"] == 100
    before = _everything(database, run_id)
    assert write_analyses(database, run_id, analyses, [PROPOSAL]) == 0
    assert _everything(database, run_id) == before


def test_what_changed_is_replaced_alone(database: Engine, run_id: int) -> None:
    """One figure of one trade: one row."""
    trades = sample_trades(20, 3)
    write_trades(database, run_id, trades)
    analyses = _analyses(trades)
    write_analyses(database, run_id, analyses)
    analyses[4] = replace(analyses[4], p_value=0.9)
    assert write_analyses(database, run_id, analyses) == 1
    assert write_analyses(database, run_id, analyses[:3]) == 0


def test_a_failure_in_the_middle_leaves_nothing(database: Engine, run_id: int) -> None:
    """A trade that is not there, and evidence that is no JSON: no row of any table is written."""
    trades = sample_trades(20, 4)
    write_trades(database, run_id, trades)
    analyses = _analyses(trades)
    with pytest.raises(UsageError, match="1 of 20 analysed trades are not in the database"):
        write_analyses(database, run_id, [*analyses[:-1], replace(analyses[-1], seq=99)], [PROPOSAL])
    with pytest.raises(DatabaseError):
        write_analyses(database, run_id, [*analyses[:-1], replace(analyses[-1], findings_json="{")], [PROPOSAL])
    with pytest.raises(DatabaseError):
        write_analyses(database, run_id, analyses, [replace(PROPOSAL, status="usable")])
    assert set(count_analyses(database, run_id).values()) == {0}
    assert read_proposals(database, run_id) == ()


def test_a_trade_that_is_replaced_loses_its_analysis(database: Engine, run_id: int) -> None:
    """Another trade in its place has not been analysed; the others keep theirs."""
    trades = sample_trades(10, 5)
    write_trades(database, run_id, trades)
    write_analyses(database, run_id, _analyses(trades))
    net, price = trades.net.copy(), trades.price_part.copy()
    net[3] += 1.0
    price[3] += 1.0
    write_trades(database, run_id, replace(trades, net=net, price_part=price))
    assert count_analyses(database, run_id)["post_exit_tracking"] == 9


def test_only_validated_proposals_are_usable(database: Engine, run_id: int) -> None:
    """Refused ones stay on record; a later analysis may change the verdict."""
    stop = replace(PROPOSAL, kind="stop", status="validated")
    write_analyses(database, run_id, [], [PROPOSAL, stop])
    assert read_proposals(database, run_id) == (PROPOSAL, stop)
    assert usable_proposals(database, run_id) == (stop,)
    assert write_analyses(database, run_id, [], [replace(stop, status="refused")]) == 1
    assert usable_proposals(database, run_id) == ()


def test_texts_of_any_kind_survive(database: Engine, run_id: int) -> None:
    """Tabs, quotes, backslashes and other scripts in names and in evidence."""
    trades = sample_trades(1, 6, symbol="币安\t'\"\\N/USDT", policy="π\\")
    write_trades(database, run_id, trades)
    odd = json.dumps([['a "quoted"\ttab \\ and 币', 0.5, {}]], ensure_ascii=False)
    assert write_analyses(database, run_id, [replace(_analyses(trades)[0], findings_json=odd)]) == 2
    with database.connect() as connection:
        stored = connection.execute(
            text(
                "SELECT coalesce(CAST(w.factors AS text), CAST(l.causes AS text)) FROM trade_memory "
                "LEFT JOIN win_analysis w USING (trade_id) LEFT JOIN loss_analysis l USING (trade_id) "
                "WHERE run_id = :run_id"
            ),
            {"run_id": run_id},
        ).scalar_one()
    assert json.loads(stored) == json.loads(odd)


def test_a_thousand_trades_with_their_analyses_take_at_most_1200_kb(database: Engine, run_id: int) -> None:
    """The six memory tables together, indexes included, stay within the design's 1.2 MB per 1,000 shadow trades."""
    from huracan.memory.schema import SIX_TABLES

    sizes = text(
        "SELECT sum(pg_total_relation_size(CAST(name AS regclass))) FROM unnest(CAST(:names AS text[])) AS name"
    )
    names, count = {"names": list(SIX_TABLES)}, 4_000
    with database.connect() as connection:
        before = connection.execute(sizes, names).scalar_one()
    for seed in range(8):
        trades = sample_trades(count // 8, 10 + seed, f"COIN{seed}/USDT:USDT")
        write_trades(database, run_id, trades)
        write_analyses(database, run_id, _analyses(trades))
    with database.begin() as connection:
        for statement in _OTHERS:
            connection.execute(text(statement), {"run_id": run_id})
    with database.connect() as connection:
        grown = connection.execute(sizes, names).scalar_one() - before
    print(f"{grown / count * 1_000:,.0f} bytes per 1,000 trades")
    assert 600 * count < grown < 1_200 * count


_OTHERS = (
    """INSERT INTO pattern_sets (run_id, layout, base_ms, hold_ms, as_of, trades, left_out, seed, mode, policy, account,
        digest, tried, embedding)
    VALUES (:run_id, 1, 60000, 0, now(), 4000, 0, 1, 'shadow', 'ensemble-3', 'coin', 'd', '[]', '')""",
    """INSERT INTO pattern_library (set_id, net, fees, slippage, first_at, last_at, hold_ms, occurrences, wins, days,
        base_rate, win_rate, win_low, win_high, mean_r, mfe_r, mae_r, p_value, q_value, number, stage, nature, coins,
        exits, regimes, traits, centroid)
    SELECT set_id, 1, 1, 1, now(), now(), 1, 20, 10, 5, .5, .5, .4, .6, 0, 1, -1, .5, .5, n, 'unclear', 'x',
        '{"BTC/USDT": 20}', '{"stop_loss": 20}', '{"1": 20}', '[]', array_fill(0.5, ARRAY[32])::vector
    FROM pattern_sets, generate_series(1, 50) AS n WHERE run_id = :run_id""",
    """INSERT INTO model_performance (run_id, policy, account, symbol, fold, mode, net, fees, days, trades, wins)
    SELECT :run_id, 'policy-' || n, 'coin', 'BTC/USDT', n, 'shadow', 1, 1, 30, 10, 5
    FROM generate_series(1, 80) AS n""",
)
