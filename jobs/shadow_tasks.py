"""The Ray tasks of shadow trading: what one worker does for a policy, a fold and a block of coins.

Tasks write their own trades; writing again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ray
from pydantic import SecretStr

from huracan.baselines import (
    META,
    Entries,
    MetaModel,
    MetaPolicy,
    Schooling,
    TreePolicy,
    paths_of_school,
    train_meta,
    train_opponent,
)
from huracan.config import Settings
from huracan.memory import connect, write_trades
from huracan.policy import CERTAIN, Ensemble, Policy, Sureness
from huracan.shadow import (
    COIN_ACCOUNT,
    ENSEMBLE,
    PORTFOLIO_ACCOUNT,
    ByCoin,
    Fold,
    PortfolioResult,
    RandomResult,
    ShadowResult,
    entries_of,
    random_block,
    shadow_block,
    shadow_portfolio,
    stretches,
    trade_blocks,
    trade_rows,
    without,
)
from huracan.trading import KernelSettings, Limits, Tape
from huracan.trees import PathReport

__all__ = [
    "Place",
    "Rules",
    "learn_meta",
    "trade_block",
    "trade_filtered",
    "trade_portfolio",
    "trade_randomly",
    "trade_without",
    "train_tree",
    "walk_paths",
]

MAX_RETRIES = 3
RANDOM_SEED = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task writes its trades, and what their states are; None for `url` keeps them in the process only."""

    url: SecretStr | None
    run_id: int | None
    layout: int = 0

    def write(self, result: ShadowResult, account: str) -> None:
        """Write the trades of a result; again and again if need be."""
        if self.url is None or self.run_id is None:
            return
        engine = connect(self.url)
        try:
            write_trades(engine, self.run_id, trade_rows(result, account, self.layout), trade_blocks(result, account))
        finally:
            engine.dispose()


@dataclass(frozen=True, slots=True)
class Rules:
    """What every task of a fold shares."""

    fold: Fold
    kernel: KernelSettings
    limits: Limits
    place: Place
    sureness: Sureness = CERTAIN


def _traded(policy: Policy, tapes: Sequence[Tape], rules: Rules, name: str) -> ShadowResult:
    return shadow_block(
        policy,
        tapes,
        rules.fold.test,
        rules.kernel,
        rules.limits,
        name=name,
        fold=rules.fold.index,
        sureness=rules.sureness,
    )


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def trade_block(name: str, policy: Policy, tapes: Sequence[Tape], rules: Rules) -> ShadowResult:
    """Trade one policy on one block of coins and write its trades."""
    result = _traded(policy, tapes, rules, name)
    rules.place.write(result, COIN_ACCOUNT)
    return result


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def trade_randomly(judged: ShadowResult, tapes: Sequence[Tape], rules: Rules, copies: int, block: int) -> RandomResult:
    """Trade random policies at the pace of what was judged on the same block of coins.

    Args:
        judged: whose pace they keep, on exactly these tapes.
        tapes: coins of the block.
        rules: of the fold.
        copies: how many random policies.
        block: number of the block within the fold: each has its own draws, or all blocks' luck would be one and the
            days of chance would spread too far.
    """
    seed = int(np.random.SeedSequence((RANDOM_SEED, rules.fold.index, block)).generate_state(1, np.uint64)[0])
    return random_block(judged.pace, tapes, rules.fold.test, rules.kernel, rules.limits, copies=copies, seed=seed)


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def train_tree(schooling: Schooling) -> TreePolicy:
    """Train the supervised opponent of a fold on its training window."""
    return train_opponent(schooling)


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def walk_paths(schooling: Schooling) -> PathReport | None:
    """Say how much the opponent owes to one division of its training window: its CPCV paths."""
    return paths_of_school(schooling)


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def learn_meta(rules: Rules, *before: ShadowResult) -> MetaModel:
    """Learn from the judged policy's trades in the folds before, as far as they were closed when the test begins."""
    entries = Entries.joined([Entries.none(), *(entries_of(result, rules.kernel.base_ms) for result in before)])
    return train_meta(entries.until(rules.fold.test.start_ms))


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def trade_filtered(policy: Ensemble, meta: MetaModel, tapes: Sequence[Tape], rules: Rules) -> ShadowResult | None:
    """Trade the judged policy without the entries that the meta model leaves out; None where it leaves none out."""
    if meta.forest is None:
        return None
    filtered = MetaPolicy(policy, meta)
    return _traded(filtered, tapes, rules, META)


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def trade_without(block: str, policy: Ensemble, tapes: Sequence[Tape], rules: Rules) -> ShadowResult:
    """Trade the judged policy with a block of its state at zero."""
    return _traded(policy, without(tapes, block), rules, f"without {block}")


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES)
def trade_portfolio(
    policies: Sequence[Ensemble], tapes: Sequence[Tape], rules: Rules, settings: Settings
) -> PortfolioResult:
    """Trade all coins in one account; one policy for all, or one per tape; write its trades."""
    policy: Policy = policies[0]
    if len(policies) > 1:
        policy = ByCoin(policies, stretches(tapes, rules.fold.test, rules.kernel.base_ms))
    found = shadow_portfolio(
        policy,
        tapes,
        rules.fold.test,
        rules.kernel,
        settings.risk,
        account_to_quote_rate=settings.trading.account_to_quote_rate,
        name=ENSEMBLE,
        fold=rules.fold.index,
    )
    rules.place.write(found.result, PORTFOLIO_ACCOUNT)
    return found
