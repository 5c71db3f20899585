"""One seed, one world: markets, account, latencies, faults and the weights of what happens, drawn before anything runs.

Swarm testing: each seed switches most things off, so that what is left meets in combinations that an average of
everything would never show.
"""

import random
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from huracan.execution.ports import EngineSettings
from huracan.paper import PaperAccount, PaperMarket
from huracan.paper.faults import Faults
from huracan.paper.settings import Latency
from huracan.risk.live import HaltPolicy
from huracan.trading import Instrument, KernelSettings
from huracan.trading.costs import make_cost_table
from tests.trading.markets import settings_of
from tests.venue.virtual import START_MS

__all__ = ["ACCOUNT", "ACTIONS", "BASE_MS", "KEY", "SECRET", "Plan", "draw_faults", "draw_plan"]

ACCOUNT, KEY, SECRET = "anna", "the-key", "the-secret"
BASE_MS = 60_000
DAY_MS = 86_400_000
ROWS = 700
SYMBOLS = ("AAA/USDT", "BBB/USDT")
PROBABILITIES = (0.01, 0.03, 0.1, 0.3)

ACTIONS = {
    "wait": 40.0,
    "script": 14.0,
    "storm": 4.0,
    "store": 5.0,
    "kill": 2.0,
    "kill_at_failpoint": 6.0,
    "kill_at_door": 4.0,
    "pause": 2.0,
    "stop": 2.0,
    "halt": 2.0,
    "reduce": 1.0,
    "skew": 2.0,
    "external": 0.7,
    "deposit": 0.7,
    "liar": 1.0,
    "look": 5.0,
    "force": 3.0,
    "repeat": 3.0,
    "outside": 6.0,
    "illegal": 2.0,
    "cancel_caller": 4.0,
    "poll": 3.0,
    "break": 2.0,
    "retell": 4.0,
}
"""What a step may be, with its weight where a seed has it on."""

SCARRING = frozenset({"external", "deposit", "liar"})
"""Actions after which a person must look; few seeds have them, or nothing would be traded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first step.

    Attributes:
        markets, settings: what is traded, and by which rules.
        account: at the exchange.
        latency: of the exchange.
        late_frac: part of the requests that arrive seconds late.
        missing_frac: part of the closes that the engine is never told of.
        faults: probabilities while a storm blows.
        stormy: a storm blows from the beginning.
        engine: its settings.
        weights: of the actions; those of 0 are off.
        enter_frac, exit_frac: how often the policy enters when flat, and exits when it holds.
        deny_frac: how often risk denies.
        speed: of the market's clock against the wall's.
    """

    markets: tuple[PaperMarket, ...]
    settings: KernelSettings
    account: PaperAccount
    latency: Latency
    late_frac: float
    missing_frac: float
    faults: Faults
    stormy: bool
    engine: EngineSettings
    weights: dict[str, float]
    enter_frac: float
    exit_frac: float
    deny_frac: float
    speed: float


def draw_plan(rng: random.Random) -> Plan:
    """Draw a world."""
    settings = settings_of(
        stake_amount=rng.choice((1_000.0, 1_000.0, 100.0, 7.0)),
        hold_bars=rng.choice((4, 10, 40)),
        entry=rng.choice(("taker", "maker", "maker")),
        exit=rng.choice(("taker", "taker", "maker")),
        maker_life_bars=rng.choice((1, 2, 4)),
        maker_tries=rng.choice((1, 2, 4)),
        maker_fallback=rng.choice(("taker", "give_up")),
        maker_exit_life_bars=rng.choice((1, 3)),
        fee_asset=rng.choice(("received", "received", "quote")),
        fee_maker_ppm=rng.choice((1_000, 750, 0)),
        distance_min_bps=rng.choice((40.0, 60.0, 150.0)),
    )
    symbols = SYMBOLS if rng.random() < 0.2 else SYMBOLS[:1]
    markets = tuple(_draw_market(rng, symbol, settings) for symbol in symbols)
    bnb = rng.random() < 0.15
    balances = {"USDT": Decimal(rng.choice((1_000_000, 1_000_000, 1_000_000, 1_700, 900)))}
    if bnb:
        balances["BNB"] = Decimal(rng.choice((10, 10, "0.01")))
    slow = rng.random() < 0.6
    mean = rng.choice((5.0, 40.0, 300.0, 1_000.0))
    latency = Latency(
        command_mean_ms=mean if slow else 0.0,
        ack_mean_ms=rng.choice((5.0, 40.0, 300.0, 1_000.0)) if slow else 0.0,
        event_mean_ms=rng.choice((0.0, 40.0, 1_000.0, 20_000.0)),
    )
    return Plan(
        markets=markets,
        settings=settings,
        account=PaperAccount(ACCOUNT, KEY, SECRET, balances, fee_asset="BNB" if bnb else None),
        latency=latency,
        late_frac=rng.choice((0.0, 0.0, 0.02, 0.1)),
        missing_frac=rng.choice((0.0, 0.0, 0.1)),
        faults=draw_faults(rng),
        stormy=rng.random() < 0.4,
        engine=EngineSettings(
            lease_wait_s=40.0,
            watch_s=rng.choice((2.0, 5.0)),
            orders_s=rng.choice((5.0, 15.0)),
            trades_s=rng.choice((20.0, 60.0)),
            balances_s=rng.choice((30.0, 60.0)),
            halt_policy=rng.choice(tuple(HaltPolicy)),
            rates={"BNB": Decimal(600)} if bnb else {},
        ),
        weights=_draw_weights(rng),
        enter_frac=rng.choice((0.5, 0.9)),
        exit_frac=rng.choice((0.05, 0.3)),
        deny_frac=rng.choice((0.0, 0.1)),
        speed=rng.choice((1.0, 3.0, 6.0)),
    )


def _draw_weights(rng: random.Random) -> dict[str, float]:
    found = {}
    for name, weight in ACTIONS.items():
        on = rng.random() < (0.15 if name in SCARRING else 0.5)
        found[name] = weight * rng.choice((0.5, 1.0, 2.0)) if on or name == "wait" else 0.0
    return found


def draw_faults(rng: random.Random) -> Faults:
    """Draw the probabilities of a storm: most of them are 0."""
    often = {
        name: rng.choice(PROBABILITIES)
        for name in (
            "request_lost",
            "response_lost",
            "error_before",
            "error_after",
            "read_error",
            "cancel_timeout",
            "cancel_race",
            "market_remainder",
            "get_lag",
            "stream_duplicate",
            "stream_reorder",
            "stream_drop",
        )
        if rng.random() < 0.25
    }
    rare = {name: 0.01 for name in ("rate_limited", "banned") if rng.random() < 0.1}
    return replace(Faults(**often, **rare), get_lag_ms=rng.choice((200, 2_000, 4_000)), silent=rng.random() < 0.1)


def _draw_market(rng: random.Random, symbol: str, settings: KernelSettings) -> PaperMarket:
    instrument = Instrument(
        symbol=symbol,
        tick=Decimal("0.01"),
        step=rng.choice((Decimal("0.001"), Decimal("0.01"), Decimal("1")))
        if settings.stake_quote >= 1_000
        else Decimal("0.001"),
        min_notional=Decimal(5),
        fee_maker_ppm=settings.fee_maker_ppm,
        fee_taker_ppm=settings.fee_taker_ppm,
        fee_in_quote=settings.fee_in_quote,
    )
    numbers = np.random.default_rng(rng.getrandbits(64))
    moves = np.rint(numbers.normal(0.0, rng.choice((5.0, 20.0, 60.0)), ROWS)).astype(np.int64)
    opens = np.maximum(10_000 + np.concatenate(([0], np.cumsum(moves)[:-1])), 2_000)
    gaps = np.where(numbers.random(ROWS) < 0.1, numbers.integers(-30, 31, ROWS), 0)
    closes = np.maximum(opens + moves + gaps, 2_000)
    reach = rng.choice((2, 10, 40))
    highs = np.maximum(opens, closes) + numbers.integers(0, reach + 1, ROWS)
    lows = np.minimum(opens, closes) - numbers.integers(0, reach + 1, ROWS)
    scale = int(rng.choice((20, 200, 5_000)) / instrument.step)
    volumes = numbers.integers(1, scale + 1, ROWS)
    volumes[numbers.random(ROWS) < 0.05] = 0
    bars = np.column_stack([START_MS // BASE_MS + np.arange(ROWS), opens, highs, lows, closes, volumes])
    days = np.arange(START_MS // DAY_MS, START_MS // DAY_MS + 3, dtype=np.int64) * DAY_MS
    costs = make_cost_table(
        symbol,
        days,
        np.full(3, rng.choice((2, 4)), np.int64),
        np.full(3, scale * 10, np.int64),
        np.full(3, rng.choice((0.0, 0.001))),
    )
    return PaperMarket(instrument, "1m", BASE_MS, bars.astype(np.int64), costs)
