"""Training on planted markets, as a test asks for it: one recipe, the real learner or the plain loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from huracan.config import PpoSettings
from huracan.env import TradingVectorEnv, Window, vector_entry_point
from huracan.learn import AlgorithmSpec, EnvSource
from huracan.learn.train import Trainer
from huracan.policy import Ensemble, NetworkSpec, Normaliser, Policy
from huracan.trading import Tape, legal_actions
from tests.e2e.planted import Market, env_settings, injected_market, kernel_settings, window_of
from tests.e2e.ppo_reference import Config, Greedy, train

NUM_ENVS = 64
PPO = {
    "lr": 1e-3,
    "gamma": 0.99,
    "lambda_": 0.95,
    "entropy_coeff": 0.01,
    "vf_loss_coeff": 0.25,
    "train_batch_size": 4_096,
    "minibatch_size": 512,
    "num_epochs": 4,
}
"""Hyper-parameters of every training here; none was tuned to one seed or market."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A market with its predictor in the state, and how long to learn on it.

    Attributes:
        distractors: 80 live entries instead of 2.
        noise_sd: of a bar's change beside the predictor, units.
        planted: False: the null market.
        markets: how many to train on.
        bars: length of each.
        env_steps: length of the training.
        batch: environment steps per update; a minibatch is an eighth of it.
    """

    distractors: bool
    noise_sd: float
    planted: bool
    markets: int
    bars: int
    env_steps: int
    batch: int = 4_096

    def make(self, first_seed: int, count: int | None = None, bars: int | None = None) -> list[Market]:
        """Return markets of this kind, seeded one after the other."""
        return [
            injected_market(first_seed + n, bars or self.bars, self.noise_sd, self.distractors, self.planted)
            for n in range(count or self.markets)
        ]


def learn(recipe: Recipe, seed: int) -> Policy:
    """Train with the real learner: RLlib over the column runner, the real environment, the served network."""
    tapes = [market.tape for market in recipe.make(100 * seed)]
    return learn_tapes(tapes, window_of(tapes), Normaliser.identity(), recipe.env_steps, recipe.batch, seed)


def learn_tapes(
    tapes: Sequence[Tape], window: Window, normaliser: Normaliser, env_steps: int, batch: int, seed: int
) -> Policy:
    """Train one policy on these tapes inside a window and return it as it is served."""
    context = {
        "tapes": partial(_held, _hold(tapes)),
        "kernel": kernel_settings(),
        "settings": env_settings(NUM_ENVS),
        "window": window,
        "limits": None,
    }
    ppo = PpoSettings(**(PPO | {"train_batch_size": batch, "minibatch_size": batch // 8}))
    source = EnvSource(vector_entry_point, context, NUM_ENVS, f"planted markets, seed {seed}")
    spec = AlgorithmSpec(source, NetworkSpec((64, 64)), normaliser, ppo, seed, env_steps)
    try:
        with Trainer(spec) as trainer:
            while not trainer.finished:
                trainer.step()
            return Ensemble([trainer.net()])
    finally:
        _HELD.clear()


_HELD: dict[int, Sequence[Tape]] = {}
"""Tapes of the training under way: the algorithm's configuration, which is copied often, carries only a key."""


def _hold(tapes: Sequence[Tape]) -> int:
    _HELD[id(tapes)] = tapes
    return id(tapes)


def _held(key: int) -> Sequence[Tape]:
    return _HELD[key]


def learn_plainly(recipe: Recipe, seed: int) -> Policy:
    """Train with the plain torch loop, on the same environment and with the same hyper-parameters."""
    tapes = [market.tape for market in recipe.make(100 * seed)]
    env = TradingVectorEnv(tapes, kernel_settings(), env_settings(NUM_ENVS), window_of(tapes), copy=False)
    config = Config(
        env_steps=recipe.env_steps,
        num_envs=NUM_ENVS,
        rollout_steps=recipe.batch // NUM_ENVS,
        num_epochs=PPO["num_epochs"],
        minibatch_size=recipe.batch // 8,
        lr=PPO["lr"],
        gamma=PPO["gamma"],
        lambda_=PPO["lambda_"],
        entropy_coeff=PPO["entropy_coeff"],
        vf_loss_coeff=2.0 * PPO["vf_loss_coeff"],
    )
    net, _ = train(env, legal_actions, config, seed)
    return Greedy(net, legal_actions)
