"""Training on planted markets, as a test asks for it: one recipe, the real learner or the plain loop."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from huracan.config import PpoSettings
from huracan.env import TradingVectorEnv, vector_entry_point
from huracan.learn import AlgorithmSpec, EnvSource
from huracan.learn.train import Trainer
from huracan.policy import Ensemble, NetworkSpec, Normaliser, Policy
from huracan.trading import Tape, legal_actions
from tests.e2e.planted import env_settings, kernel_settings, predictor_tape, window_of
from tests.e2e.ppo_reference import Config, Greedy, train

NUM_ENVS = 64


@dataclass(frozen=True, slots=True)
class Recipe:
    """A planted market and how long to learn on it.

    Attributes:
        distractors: 80 live entries instead of 2.
        noise_sd: of a bar's change beside the predictor, units.
        planted: False: the null market.
        tapes: markets to train on.
        bars: length of each.
        env_steps: length of the training.
    """

    distractors: bool
    noise_sd: float
    planted: bool
    tapes: int
    bars: int
    env_steps: int

    def markets(self, first_seed: int, count: int | None = None, bars: int | None = None) -> list[Tape]:
        """Return markets of this kind."""
        return [
            predictor_tape(first_seed + n, bars or self.bars, self.noise_sd, self.distractors, self.planted)
            for n in range(count or self.tapes)
        ]


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


def learn(recipe: Recipe, seed: int) -> Policy:
    """Train with the real learner: RLlib over `ColumnEnvRunner`, the real environment, the served network."""
    context = {
        "tapes": partial(recipe.markets, 100 * seed),
        "kernel": kernel_settings(),
        "settings": env_settings(NUM_ENVS),
        "window": window_of(recipe.markets(100 * seed, 1)),
        "limits": None,
    }
    source = EnvSource(vector_entry_point, context, NUM_ENVS, f"planted {recipe} {seed}")
    spec = AlgorithmSpec(
        source, NetworkSpec((64, 64)), Normaliser.identity(), PpoSettings(**PPO), seed, recipe.env_steps
    )
    with Trainer(spec) as trainer:
        while not trainer.finished:
            trainer.step()
        return Ensemble([trainer.net()])


def learn_plainly(recipe: Recipe, seed: int) -> Policy:
    """Train with the plain torch loop, on the same environment."""
    tapes = recipe.markets(100 * seed)
    env = TradingVectorEnv(tapes, kernel_settings(), env_settings(NUM_ENVS), window_of(tapes), copy=False)
    config = Config(
        env_steps=recipe.env_steps,
        num_envs=NUM_ENVS,
        rollout_steps=PPO["train_batch_size"] // NUM_ENVS,
        num_epochs=PPO["num_epochs"],
        minibatch_size=PPO["minibatch_size"],
        lr=PPO["lr"],
        gamma=PPO["gamma"],
        lambda_=PPO["lambda_"],
        entropy_coeff=PPO["entropy_coeff"],
        vf_loss_coeff=2.0 * PPO["vf_loss_coeff"],
    )
    net, _ = train(env, legal_actions, config, seed)
    return Greedy(net, legal_actions)


Learner = Callable[[Recipe, int], Policy]
