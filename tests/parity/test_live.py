"""What shadow promised is what the live stack does: exchange and trader in two processes, trade for trade.

Three hours in the fast suite, three days in the slow one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.config import load_settings
from huracan.execution.failpoints import Failpoint
from huracan.market import Candles, wild_bars
from huracan.memory import EmbeddedServer, connect, open_run, schema
from huracan.patterns import recall, state_layout
from huracan.signals.parity import ParityReport, compare
from huracan.trading import infer_instrument, resolve_settings
from huracan.trading.slot import SLOT
from tests.parity.coins import COINS, DAY_MS, HOUR_MS, MAKER, PAST_DAYS, QUICK, case_of
from tests.parity.live import BASE_MS, BESIDE, Case, Eager, Live, slot_differences, trade, trading, wait_for_end
from tests.parity.live_trader import CLAIM
from tests.parity.trained import trained
from tests.trader.processes import World

ONE_AT_A_TIME: Mapping[str, Any] = {"risk.max_open_trades": 1}
SMALL: Mapping[str, Any] = {"risk.heat_max_frac": 0.0001, "risk.gross_exposure_max_frac": 0.02}


@dataclass
class Site:
    """A home with an exchange's keys, and a database."""

    world: World
    engine: Engine

    def trade(self, case: Case, account: str, wait_s: float = 900.0) -> Live:
        """Trade a case on the live stack."""
        return trade(case, self.world, self.engine, account, wait_s)


@pytest.fixture(scope="module")
def site(database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A home and a database of this module's own."""
    home: Path = tmp_path_factory.mktemp("parity")
    database_server.create_database("live_parity")
    url = database_server.url("live_parity")
    engine = connect(url)
    schema.upgrade(engine)
    yield Site(World(home, url), engine)
    engine.dispose()


@dataclass
class Traded:
    """Three hours as both sides traded them."""

    case: Case
    live: Live


@pytest.fixture(scope="module")
def traded(site: Site) -> Traded:
    """Three hours on the live stack, which every deliberate error of shadow is held against."""
    case = case_of(3)
    return Traded(case, site.trade(case, "three-hours"))


def assert_same(report: ParityReport, trades: int, **least: int) -> None:
    """Hold that both sides agree, over enough trades of each kind."""
    assert report.holds, "\n".join(report.lines(20))
    assert report.trades >= trades
    for reason, count in least.items():
        assert report.reasons.get(reason, 0) >= count, report.reasons


def test_three_hours_are_the_same_trade_for_trade(traded: Traded) -> None:
    """Every integer, every bit of every entry state, every reason; none of the four ways out is missing."""
    report = traded.live.report(traded.case.shadow())
    assert_same(report, 30, policy_exit=4, stop_loss=4, take_profit=4, time_limit=4)


def test_the_three_hours_are_remembered_by_the_layout_of_their_states(traded: Traded, site: Site) -> None:
    """A later training on the same features recalls each trade of the account; those beside it say theirs."""
    layout = state_layout(traded.case.fit.context.windows)
    later = open_run(site.engine, "train", load_settings(None, {}, {}), "", "test")
    known = recall(site.engine, later, layout, BASE_MS, policy="ensemble", account="coin").outcomes
    trades = traded.live.trades()
    moments = set(zip(trades.symbol.tolist(), trades.entry_time.tolist(), strict=True))
    assert moments
    assert moments <= set(zip(known.symbol.tolist(), known.entry_ms.tolist(), strict=True))
    assert set(traded.live.trades("shadow").layout.tolist()) == {layout}


def test_a_version_in_shadow_trades_the_same_beside_the_account(traded: Traded) -> None:
    """The same policy in stage shadow gets the same states in the same run: its trades are those of the account."""
    beside = traded.live.trades("shadow")
    assert set(beside.policy.tolist()) == {BESIDE}
    assert_same(compare(beside, traded.live.trades()), 30, policy_exit=4, stop_loss=4, take_profit=4, time_limit=4)


def test_each_decision_left_its_times(traded: Traded) -> None:
    """From the candles that were heard to the decision, the order and the fill, in this order, of every entry."""
    entries = "SELECT count(*) FROM decision_times WHERE account = :account AND kind = 'ENTER'"
    filled = traded.live.count(f"{entries} AND filled_at IS NOT NULL")
    assert filled >= 30
    in_order = "heard_at <= decided_at AND decided_at <= sent_at AND sent_at <= filled_at"
    assert traded.live.count(f"{entries} AND {in_order}") == filled
    rows = "SELECT count(*) FROM decisions JOIN accounts USING (account_no) WHERE name = :account"
    assert traded.live.count(rows) == 180


def test_what_is_open_at_the_end_is_the_same_to_the_last_byte(traded: Traded) -> None:
    """Every field of every market's slot after the last close; something is open or wanted in at least one."""
    found = traded.live.slots
    assert set(found) == set(COINS)
    assert slot_differences(traded.case.left_open(), found) == []
    slots = [np.frombuffer(data, SLOT)[0] for data in found.values()]
    assert any(slot["quantity_in"] > 0 or slot["want"] > 0 for slot in slots)


def test_a_registered_version_trades_as_its_networks_do_in_shadow(site: Site) -> None:
    """Networks exported to an artefact and registered, loaded and served by name: the same trades, the same slots."""
    case = case_of(3).served_as("networks", site.world.home / "models", site.engine)
    live = site.trade(case, "networks")
    assert_same(live.report(case.shadow()), 20, policy_exit=2, stop_loss=2, take_profit=2, time_limit=2)
    assert set(live.trades().policy.tolist()) == {"networks"}
    assert slot_differences(case.left_open(), live.slots) == []


def _one_tick(case: Case) -> Mapping[str, Candles]:
    """Raise one close by one tick, an hour in."""
    rows = case.candles["ADA/USDT"]
    tick = float(infer_instrument(rows, resolve_settings(case.configuration().trading, "1m")).tick)
    at = int(np.searchsorted(rows.timestamp, case.start_ms + HOUR_MS))
    at += int(np.argmax(rows.close[at:] < rows.high[at:]))
    close = rows.close.copy()
    close[at] = round(close[at] / tick + 1) * tick
    return {**case.candles, "ADA/USDT": replace(rows, close=close)}


def _one_bar(case: Case) -> Mapping[str, Candles]:
    """Let one coin's candles come a bar later."""
    rows = case.candles["ICP/USDT"]
    return {**case.candles, "ICP/USDT": replace(rows, timestamp=rows.timestamp + BASE_MS)}


ERRORS: dict[str, Callable[[Case], tuple[Case, Mapping[str, Candles] | None]]] = {
    "a tick": lambda case: (case, _one_tick(case)),
    "a bar": lambda case: (case, _one_bar(case)),
    "a fee of a millionth": lambda case: (replace(case, shadow_settings={"trading.fee_taker_ppm": 1_001}), None),
    "a share of the volume": lambda case: (replace(case, shadow_settings={"trading.stop_slip_range_frac": 0.11}), None),
    "a limit of heat": lambda case: (replace(case, shadow_settings={"risk.heat_max_frac": 0.14999}), None),
    "a wallet": lambda case: (replace(case, shadow_settings={"risk.dry_run_wallet": 100_001.0}), None),
    "a bar of the hold": lambda case: (replace(case, shadow_settings={"trading.hold_bars": 16}), None),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_deliberate_error_on_one_side_is_found(traded: Traded, error: str) -> None:
    """The smallest change of a price, a time, a fee or a rule in shadow, and the two sides differ."""
    case, candles = ERRORS[error](traded.case)
    assert not traded.live.report(case.shadow(candles)).holds


def test_a_trader_that_is_killed_and_started_again_changes_nothing(site: Site) -> None:
    """Twice within forty minutes it is killed without warning; the trades are those of a life without deaths."""
    case = case_of(2 / 3, **{"execution.lease_ttl_s": 5.0})
    with trading(case, site.world, "killed") as (url, process):
        for lines in (12, 40):
            _wait_for(process.decided, lines)
            process.kill()
            process.start()
        wait_for_end(site.world, url, "killed", process, 300.0)
        assert process.starts == 3
    assert_same(Live(site.engine, "killed").report(case.shadow()), 6)


def test_a_trader_that_dies_at_every_place_of_an_entry_changes_nothing(site: Site) -> None:
    """Between any two steps from the claim of an entry to its booking, one life after the other, within an hour."""
    case, places = case_of(1, **{"execution.lease_ttl_s": 5.0}), (CLAIM, *Failpoint)
    with trading(case, site.world, "dying") as (url, process):
        process.kill()
        for place in places:
            process.start(dies_at=place)
        process.start()
        wait_for_end(site.world, url, "dying", process, 300.0)
        assert process.starts == len(places) + 2
    assert_same(Live(site.engine, "dying").report(case.shadow()), 10)


def _wait_for(count: Callable[[], int], least: int) -> None:
    give_up = time.monotonic() + 120.0
    while count() < least:
        assert time.monotonic() < give_up, f"{count()} of {least}"
        time.sleep(0.02)


WILD: Mapping[str, Any] = {"trading.distance_min_bps": 40.0, "trading.cap_bps": 20}


def wild_case() -> Case:
    """Return three made-up coins of ten days with jumps, silent and missing bars; the last is traded."""
    candles = {}
    for number in range(3):
        symbol = f"W{number}/USDT"
        rows = wild_bars(61 + number, (PAST_DAYS + 1) * 1_440, symbol=symbol)
        candles[symbol] = _without_long_gaps(rows)
    first = max(int(rows.timestamp[0]) for rows in candles.values())
    start_ms = first // DAY_MS * DAY_MS + PAST_DAYS * DAY_MS
    return Case(candles, start_ms, {**QUICK, **WILD}, Eager(3, 30))


def _without_long_gaps(rows: Candles) -> Candles:
    """Close gaps beyond what the machines bridge: shadow sells at the end of a stretch, live has no such end."""
    numbers = rows.timestamp // BASE_MS
    steps = np.minimum(np.diff(numbers, prepend=numbers[0]), 5)
    return replace(rows, timestamp=(numbers[0] + np.cumsum(steps)) * BASE_MS)


SLOW: dict[str, tuple[Callable[[], Case], bool, int]] = {
    "taker": (lambda: case_of(72), False, 0),
    "maker": (lambda: case_of(72, **MAKER), True, 0),
    "one position": (lambda: case_of(72, **ONE_AT_A_TIME), False, 10),
    "small limits": (lambda: case_of(72, **SMALL), False, 10),
}


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", SLOW)
def test_three_days_are_the_same(site: Site, name: str) -> None:
    """200 trades, 20 of each way out, 10 partial fills of resting orders; limits loose and binding, denials by code."""
    make, resting, denials = SLOW[name]
    case = make()
    live = site.trade(case, f"days-{name.replace(' ', '-')}", 3_600.0)
    report = live.report(case.shadow())
    assert_same(report, 200, policy_exit=20, stop_loss=20, take_profit=20, time_limit=20)
    assert sum(report.denials.values()) >= denials, report.denials
    assert not resting or live.partial_maker_fills >= 10
    assert slot_differences(case.left_open(), live.slots) == []


CHEAP: Mapping[str, Any] = {
    "trading.hold_bars": 30,
    "trading.fee_taker_ppm": 0,
    "trading.impact_y": 0.0,
    "trading.spread_floor_bps": 0.01,
    "trading.stop_slip_range_frac": 0.0,
}
"""Next to no costs: at usual ones training learns, within a minute, that these coins are best left alone."""


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_three_days_of_a_trained_policy_are_the_same(site: Site) -> None:
    """What `huracan train` makes of the weeks before, registered and served by name, trades as it does in shadow."""
    case = trained(case_of(72, **CHEAP), site.world, site.engine, 60_000)
    live = site.trade(case, "trained", 3_600.0)
    report = live.report(case.shadow())
    print(f"{report.trades} trades, {dict(report.reasons)}")
    assert_same(report, 200, policy_exit=20, stop_loss=20, take_profit=20, time_limit=20)
    assert set(live.trades().policy.tolist()) == {case.version}
    assert slot_differences(case.left_open(), live.slots) == []


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_wild_day_is_the_same(site: Site) -> None:
    """Opening gaps, jumps, bars without volume and missing bars."""
    case = wild_case()
    live = site.trade(case, "wild-day", 3_600.0)
    assert_same(live.report(case.shadow()), 50)
