"""Markets of candidates whose skill is known: what the promotion gate is held against.

Days are as unkind as real ones: Student's t with 5 degrees of freedom, volatility that clusters (log-AR(1)), returns
with a lag-1 autocorrelation of 0.1, and a market factor that all candidates share. A candidate is a strategy with 3
seeds; the one with the best Sharpe ratio of all is put to the gate, judged on the very days that chose it: the worst
case.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.baselines import LIGHTGBM
from huracan.shadow.evidence import Evidence, NamedDays, Selection, Tried
from huracan.shadow.sharpe import moments_of

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

TAIL = 5
LEVEL_STAY, LEVEL_STEP = 0.9, 0.15
LEVEL_VARIANCE = LEVEL_STEP**2 / (1.0 - LEVEL_STAY**2)
ALIKE = 0.1
SEEDS = 3
COPIES = 20
FOLDS = 4
STAKE = 100.0


@dataclass(frozen=True, slots=True)
class World:
    """How candidates are made.

    Attributes:
        days: test days.
        candidates: N that were tried.
        edge: daily Sharpe ratio of those with skill, net of costs.
        skilled: how many have it.
        cost: daily Sharpe ratio that the others lose to costs.
        drift: daily Sharpe ratio of the market itself.
        exposure: correlation of a candidate's days with the market.
        hold_size: stakes that buy and hold has in the market.
        rule_cost: daily Sharpe ratio that the rules lose.
        tree_edge: daily Sharpe ratio of the LightGBM opponent, net of costs; None: it loses what the rules lose.
    """

    days: int
    candidates: int
    edge: float = 0.0
    skilled: int = 1
    cost: float = 0.0
    drift: float = 0.0
    exposure: float = 0.5
    hold_size: float = 2.0
    rule_cost: float = 0.02
    tree_edge: float | None = None


def unkind(rng: Rng, days: int, count: int) -> Floats:
    """Return float64[days, count] of variance 1: heavy tails, clustered volatility, autocorrelation 0.1."""
    warm = 50
    shocks = rng.standard_t(TAIL, (warm + days, count)) * np.sqrt((TAIL - 2) / TAIL)
    steps = LEVEL_STEP * rng.standard_normal((warm + days, count))
    level, before = np.zeros(count), np.zeros(count)
    values = np.empty((warm + days, count))
    for day in range(warm + days):
        level = LEVEL_STAY * level + steps[day]
        before = ALIKE * before + np.sqrt(1.0 - ALIKE**2) * np.exp(level - LEVEL_VARIANCE) * shocks[day]
        values[day] = before
    return values[warm:]


def evidence_of(world: World, rng: Rng) -> Evidence:
    """Return the evidence of the best of a world's candidates, as the gate would find it stored."""
    days, count = world.days, world.candidates
    market = unkind(rng, days, 1)[:, 0]
    own = unkind(rng, days, count)
    skill = np.full(count, -world.cost)
    skill[: world.skilled] = world.edge if world.edge > 0.0 else -world.cost
    beta, rest = world.exposure, np.sqrt(1.0 - world.exposure**2)
    bull = world.drift
    net = beta * (market + bull)[:, None] + rest * own + skill
    ratios = net.mean(axis=0) / net.std(axis=0, ddof=1)
    best = int(np.argmax(ratios))
    policy = STAKE * net[:, best]
    noise = unkind(rng, days, SEEDS)
    seeds = tuple(NamedDays(f"seed-{at}", policy + 0.5 * STAKE * noise[:, at]) for at in range(SEEDS))
    rules = unkind(rng, days, 3)
    tree = -world.rule_cost if world.tree_edge is None else world.tree_edge
    baselines = (
        NamedDays("flat", np.zeros(days)),
        NamedDays("buy_and_hold", world.hold_size * STAKE * (market + bull)),
        NamedDays("momentum", STAKE * (beta * (market + bull) + rest * rules[:, 0] - world.rule_cost)),
        NamedDays("mean_reversion", STAKE * (beta * (market + bull) + rest * rules[:, 1] - world.rule_cost)),
        NamedDays(LIGHTGBM, STAKE * (beta * (market + bull) + rest * rules[:, 2] + tree)),
    )
    copies = rng.standard_normal((COPIES, days)) * rest + beta * (market + bull) - world.rule_cost
    names = tuple(f"candidate-{at}" for at in range(count))
    others = [at for at in range(count) if at != best]
    return Evidence(
        version=names[best],
        scope="*",
        run_id=1,
        sha256="ab" * 32,
        first_days=np.arange(days),
        folds=np.arange(days) * FOLDS // days,
        policy=policy,
        seeds=seeds,
        baselines=baselines,
        chance=STAKE * copies,
        trades=10 * days,
        rivals=tuple(NamedDays(names[at], STAKE * net[:, at]) for at in others),
        selections=(Selection("all on the test days", names, STAKE * net),) if count > 1 else (),
        tried=tuple(Tried(names[at], moments_of(net[:, at]).sharpe, days) for at in others),
        tried_count=count,
    )
