"""Sections of learning: candles, features, the kernel's rules, environment, policy, PPO, search, folds, shadow."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huracan.config.base import Fraction, Place, PositiveFloat, PositiveInt, Section, Timeframe

__all__ = [
    "DataSettings",
    "EnvSettings",
    "FeatureSettings",
    "GateSettings",
    "PolicySettings",
    "PpoSettings",
    "QualitySettings",
    "SearchSettings",
    "ShadowSettings",
    "TradingSettings",
    "WalkForwardSettings",
]


class DataSettings(Section):
    """Where candles come from and which of them are used."""

    folder: Place | None = Field(
        None, description="Folder or s3:// URL of one Parquet file per symbol; None: synthetic candles."
    )
    timeframe: Timeframe | None = Field(None, description="Base timeframe; None: found from the candles.")
    symbols: tuple[str, ...] = Field((), description="ccxt symbols to use, all found when empty.")
    exchange: str = Field("binance", description="ccxt exchange id that `data download` asks.")
    exchange_url: str | None = Field(None, description="REST base of another exchange of its kind; None: its own.")
    leader_symbol: str | None = Field(
        None, description="Market leader; None: BTC spot, else BTC perpetual, if present."
    )

    @property
    def traded_timeframe(self) -> str:
        """Return the timeframe that is traded: the configured one, else one minute."""
        return self.timeframe or "1m"


class QualitySettings(Section):
    """When the quality gate refuses a symbol."""

    coverage_min_frac: Fraction = Field(0.99, description="Bars present / bars expected since the first candle.")
    gap_max_h: PositiveFloat = Field(168.0, description="Longest run of missing bars, hours of market time.")
    zero_volume_max_frac: Fraction = Field(0.25, description="Share of bars without a trade.")
    stale_max_h: PositiveFloat = Field(
        24.0, description="Longest run of an unchanged close, hours of market time; 7 bars pass whatever their length."
    )
    outlier_max_frac: Fraction = Field(0.001, description="Share of bars whose return exceeds 50 robust sigmas.")
    history_min_bars: PositiveInt = Field(400, description="Shortest history worth training on.")
    allow: tuple[str, ...] = Field((), description="Symbols let through in spite of the report.")


class FeatureSettings(Section):
    """How the market part of the state is built."""

    gap_fill_max_bars: Annotated[int, Field(ge=0)] = Field(5, description="Missing bars bridged by flat bars.")
    windows: Path | None = Field(None, description="YAML file of window tables; None: the shipped one.")
    fit_sample_max: PositiveInt = Field(200_000, description="Rows at most used to fit scalers, evenly spaced.")
    memory: bool = Field(False, description="Training remembers the closed trades of earlier runs (entries 52 to 60).")
    tree: bool = Field(False, description="Training trains a tree model, and is shown its opinion (entry 61).")


class TradingSettings(Section):
    """The kernel's rules; None means: from the base timeframe (docs of `huracan.trading.settings`)."""

    stake_amount: Annotated[float, Field(gt=0)] = Field(1_000.0, description="1x size, account currency.")
    account_to_quote_rate: Annotated[float, Field(gt=0)] = Field(1.0, description="Quote currency per account unit.")
    decision_interval_bars: PositiveInt | None = Field(None, description="k: a decision every k bars on the UTC grid.")
    hold_bars: PositiveInt | None = Field(None, description="Time limit of a position, bars.")
    stop_sigmas: Annotated[float, Field(gt=0)] = Field(1.0, description="Stop distance, sigma * sqrt(hold).")
    target_sigmas: Annotated[float, Field(gt=0)] = Field(1.5, description="Target distance, sigma * sqrt(hold).")
    distance_min_bps: Annotated[float, Field(gt=0)] = Field(60.0, description="Floor of sigma * sqrt(hold).")
    stops_enabled: bool = Field(True, description="False removes stop, target and time limit (learning tests only).")
    cap_bps: PositiveInt = Field(30, description="Worst entry price above the decision's close.")
    entry: Literal["taker", "maker"] = Field("taker", description="How entries are sent.")
    exit: Literal["taker", "maker"] = Field("taker", description="How policy exits are sent.")
    maker_life_bars: PositiveInt = Field(5, description="Life of one maker entry attempt.")
    maker_tries: PositiveInt = Field(3, description="Maker entry attempts, each pegged to the new bid.")
    maker_fallback: Literal["taker", "give_up"] = Field("taker", description="After the last maker attempt.")
    maker_exit_life_bars: PositiveInt = Field(15, description="Bars before a maker exit becomes a market order.")
    volume_share: tuple[PositiveInt, PositiveInt] = Field((1, 10), description="Share of through-volume a maker gets.")
    fee_maker_ppm: Annotated[int, Field(ge=0)] = Field(1_000, description="Maker fee, parts per million.")
    fee_taker_ppm: Annotated[int, Field(ge=0)] = Field(1_000, description="Taker fee, parts per million.")
    fee_asset: Literal["received", "quote"] = Field("received", description="Asset in which a buy pays its fee.")
    spread_floor_bps: Annotated[float, Field(ge=0)] = Field(1.0, description="Least modelled spread.")
    impact_y: Annotated[float, Field(ge=0)] = Field(1.0, description="Y of the square-root impact law.")
    stop_slip_range_frac: Annotated[float, Field(ge=0)] = Field(
        0.1, description="kappa: stop slippage, share of range."
    )
    min_notional: Annotated[float, Field(ge=0)] = Field(5.0, description="Venue's least order value, quote currency.")
    reward_clip: Annotated[float, Field(gt=0)] = Field(20.0, description="Clip of the scaled reward.")


class EnvSettings(Section):
    """Episodes of the training environment."""

    num_envs: PositiveInt = Field(256, description="Slots stepped together.")
    episode_bars: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="Shortest and longest episode; None: 4 to 8 times hold_bars."
    )
    cost_scale: tuple[float, float] = Field((1.0, 1.0), description="Uniform range of the cost multiplier per episode.")
    portfolio_frac: Fraction = Field(
        0.5, description="Share of episodes with a random use of the account's limits by other coins (state 72-75)."
    )


class PolicySettings(Section):
    """The network."""

    hidden: tuple[PositiveInt, ...] = Field((256, 256), description="Widths of the shared trunk.")
    activation: Literal["tanh", "gelu", "relu"] = Field("tanh", description="Nonlinearity of the trunk.")


class PpoSettings(Section):
    """PPO; names are RLlib's."""

    lr: Annotated[float, Field(gt=0)] = Field(3e-4, description="Adam's learning rate at the start.")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.995, description="Discount per decision.")
    lambda_: Annotated[float, Field(ge=0, le=1)] = Field(0.95, description="GAE's lambda.")
    clip_param: Annotated[float, Field(gt=0)] = Field(0.2, description="PPO's clip of the probability ratio.")
    vf_loss_coeff: Annotated[float, Field(ge=0)] = Field(0.5, description="Weight of the value loss.")
    vf_clip_param: Annotated[float, Field(gt=0)] = Field(100.0, description="Largest squared value error that counts.")
    entropy_coeff: Annotated[float, Field(ge=0)] = Field(0.005, description="Weight of the entropy bonus.")
    grad_clip: Annotated[float, Field(gt=0)] = Field(0.5, description="Largest global norm of the gradient.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="AdamW's weight decay.")
    train_batch_size: PositiveInt = Field(8_192, description="Environment steps per update.")
    minibatch_size: PositiveInt = Field(1_024, description="Rows per gradient step.")
    num_epochs: PositiveInt = Field(4, description="Passes over a batch.")
    num_env_runners: Annotated[int, Field(ge=0)] = Field(
        0, description="Remote samplers; 0: the learner's process samples."
    )
    env_steps: PositiveInt = Field(300_000, description="Training length per fold and seed, environment steps.")


class SearchSettings(Section):
    """Tune: hyper-parameters and trading rules are searched on data before the first test bar only."""

    num_samples: Annotated[int, Field(ge=0)] = Field(6, description="Trials; 0 skips the search.")
    seeds_per_trial: PositiveInt = Field(2, description="Seeds trained for each candidate.")
    env_steps: PositiveInt = Field(150_000, description="Environment steps per trial and seed.")
    grace_env_steps: PositiveInt = Field(50_000, description="ASHA stops no trial before this.")
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        3, description="ASHA keeps one of this many trials at each rung."
    )
    max_concurrent_trials: PositiveInt = Field(2, description="Trials running at the same time.")
    validation_frac: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="Tail of the first training window.")
    seed: int = Field(7, description="Seed of the sampler.")
    trading_rules: bool = Field(
        True, description="Search the four rules below too; `false`: the rules of `trading`, PPO's settings searched."
    )
    decision_interval_bars: tuple[PositiveInt, ...] | None = Field(
        None,
        description="Decision intervals tried beside the configured one, bars; none: four times it, if four decisions "
        "then fall into the shortest hold.",
    )
    hold_bars: tuple[PositiveInt, ...] | None = Field(
        None, description="Time limits tried beside the configured one, bars; none: a third of it and twice it."
    )
    stop_sigmas: tuple[PositiveFloat, PositiveFloat] = Field((0.75, 2.0), description="Range of the stop's distance.")
    target_sigmas: tuple[PositiveFloat, PositiveFloat] = Field(
        (1.0, 3.0), description="Range of the target's distance."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("stop_sigmas", "target_sigmas"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"search.{name} [{low:g}, {high:g}] is no range; give the lower end first")
        return self


class WalkForwardSettings(Section):
    """Rolling windows with purge and embargo, in days of the market clock."""

    folds: PositiveInt = Field(3, description="Number of test windows.")
    train_days: Annotated[float, Field(gt=0)] | None = Field(None, description="None: all that the folds leave.")
    test_days: Annotated[float, Field(gt=0)] | None = Field(None, description="None: an eighth of the history.")
    embargo_bars: Annotated[int, Field(ge=0)] | None = Field(None, description="None: 1 % of the training window.")


class ShadowSettings(Section):
    """Shadow trading and its statistics."""

    seeds: tuple[int, ...] = Field((1, 2, 3), description="Training seeds of a version.")
    coins_per_block: PositiveInt = Field(10, description="Coins per shadow task.")
    bootstrap_resamples: PositiveInt = Field(2_000, description="Resamples behind each interval.")
    confidence_level: Fraction = Field(0.95, description="Of all intervals.")
    random_policies: PositiveInt = Field(20, description="Random policies of equal trade rate per fold.")
    per_coin_policies: bool = Field(False, description="One policy per coin instead of one for all.")


class GateSettings(Section):
    """What a version must show before it is promoted; every figure is net of all costs, on days it never saw."""

    days_min: PositiveInt = Field(60, description="UTC days traded in shadow; MinTRL at the observed ratio if longer.")
    trades_min: PositiveInt = Field(100, description="Closed trades, those sold at the end of the data left out.")
    seeds_min: Annotated[int, Field(ge=2)] = Field(3, description="Seeds of the version.")
    folds_min: Annotated[int, Field(ge=2)] = Field(2, description="Walk-forward folds.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="Of the deflated Sharpe ratio, MinTRL, and of the net result over all seeds (one-sided)."
    )
    overfit_max_frac: Fraction = Field(0.2, description="Largest probability of backtest overfitting (CSCV).")
    loss_max_frac: Fraction = Field(
        0.2, description="A larger PBO passes if the chosen one lost in at most this share of the splits."
    )
    spa_level: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.028, description="Largest SPA p-value against each baseline; on days with heavy tails it errs in at most 5 %."
    )
    chance_level: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="Largest share of random policies of equal trade rate that do as well."
    )
    resamples: Annotated[int, Field(ge=100)] = Field(2_000, description="Resamples of whole days.")

    def loosened(self) -> tuple[str, ...]:
        """Return each threshold that asks for less than the shipped one does, with both values."""
        shipped = GateSettings()
        least = ("days_min", "trades_min", "seeds_min", "folds_min", "confidence")
        most = ("overfit_max_frac", "loss_max_frac", "spa_level", "chance_level")
        looser = [name for name in least if getattr(self, name) < getattr(shipped, name)]
        looser += [name for name in most if getattr(self, name) > getattr(shipped, name)]
        return tuple(f"gate.{name} is {getattr(self, name):g}, shipped {getattr(shipped, name):g}" for name in looser)
