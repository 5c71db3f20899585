"""Every setting of huracan: frozen, typed, unknown keys refused, units in the names.

Precedence: command line > environment (`HURACAN__SECTION__KEY`) > YAML file > the defaults below. Names follow
freqtrade's and ccxt's where they have one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from huracan.errors import ConfigError

__all__ = [
    "CREDENTIAL_VARIABLES",
    "DataSettings",
    "DatabaseSettings",
    "EnvSettings",
    "ExecutionSettings",
    "FeatureSettings",
    "PaperSettings",
    "PolicySettings",
    "PpoSettings",
    "ProtectionSettings",
    "QualitySettings",
    "RaySettings",
    "RiskSettings",
    "SearchSettings",
    "Settings",
    "ShadowSettings",
    "TradingSettings",
    "WalkForwardSettings",
    "home_folder",
    "load_settings",
]

CREDENTIAL_VARIABLES = ("HURACAN__VENUE__API_KEY", "HURACAN__VENUE__SECRET")
"""Read by `huracan.venue.load_credentials` alone: keys are no settings, so that they are in no file, hash or report."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0)]
BreakerPolicy = Literal["cancel", "flatten", "hold"]
BreakerTrigger = Literal[
    "unknown_outcomes",
    "rejects",
    "slippage",
    "stale_data",
    "clock_skew",
    "throttled",
    "balance_mismatch",
    "drawdown",
    "daily_loss",
]
Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]


class Section(BaseModel):
    """One block of settings: immutable; an unknown key, and a number that is not finite, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class DataSettings(Section):
    """Where candles come from and which of them are used."""

    folder: Path | None = Field(None, description="Folder of one Parquet file per symbol; None: synthetic candles.")
    timeframe: Timeframe | None = Field(None, description="Base timeframe; None: found from the candles.")
    symbols: tuple[str, ...] = Field((), description="ccxt symbols to use, all found when empty.")
    exchange: str = Field("binance", description="ccxt exchange id that `data download` asks.")
    exchange_url: str | None = Field(None, description="REST base of another exchange of its kind; None: its own.")
    leader_symbol: str | None = Field(
        None, description="Market leader; None: BTC spot, else BTC perpetual, if present."
    )


class QualitySettings(Section):
    """When the quality gate refuses a symbol."""

    coverage_min_frac: Fraction = Field(0.99, description="Bars present / bars expected since the first candle.")
    gap_max_bars: PositiveInt = Field(10_000, description="Longest run of missing bars.")
    zero_volume_max_frac: Fraction = Field(0.25, description="Share of bars without a trade.")
    stale_max_bars: PositiveInt = Field(1_440, description="Longest run of bars with an unchanged close.")
    outlier_max_frac: Fraction = Field(0.001, description="Share of bars whose return exceeds 50 robust sigmas.")
    history_min_bars: PositiveInt = Field(400, description="Shortest history worth training on.")
    allow: tuple[str, ...] = Field((), description="Symbols let through in spite of the report.")


class FeatureSettings(Section):
    """How the market part of the state is built."""

    gap_fill_max_bars: Annotated[int, Field(ge=0)] = Field(5, description="Missing bars bridged by flat bars.")
    windows: Path | None = Field(None, description="YAML file of window tables; None: the shipped one.")
    fit_sample_max: PositiveInt = Field(200_000, description="Rows at most used to fit scalers, evenly spaced.")


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
    """Tune: hyper-parameters are searched on data before the first test bar only."""

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


class ProtectionSettings(Section):
    """One protection, named as freqtrade does; a parameter that its method does not have is refused."""

    method: Literal["StoplossGuard", "MaxDrawdown", "CooldownPeriod", "LowProfitPairs"] = Field(
        description="What is watched."
    )
    lookback_period_candles: PositiveInt = Field(60, description="Closed trades of so many base bars count.")
    stop_duration_candles: PositiveInt = Field(60, description="Base bars from the last such trade to the lock's end.")
    trade_limit: PositiveInt | None = Field(
        None, description="Trades needed; None: 10 for StoplossGuard, 1 for the others."
    )
    only_per_pair: bool = Field(False, description="StoplossGuard: lock the coin, never all of them.")
    required_profit: float = Field(
        0.0, description="StoplossGuard: only exits below it count; LowProfitPairs: sum to reach. Share of the stake."
    )
    max_allowed_drawdown: Annotated[float, Field(ge=0)] = Field(
        0.0, description="MaxDrawdown: largest fall of the summed results, shares of the stake."
    )

    @model_validator(mode="after")
    def _of_the_method(self) -> Self:
        """Refuse a parameter that would be ignored: whoever wrote it believes to be protected by it."""
        common = {"method", "stop_duration_candles"}
        known = {
            "StoplossGuard": {"lookback_period_candles", "trade_limit", "only_per_pair", "required_profit"},
            "MaxDrawdown": {"lookback_period_candles", "trade_limit", "max_allowed_drawdown"},
            "CooldownPeriod": set(),
            "LowProfitPairs": {"lookback_period_candles", "trade_limit", "required_profit"},
        }
        for name in sorted(self.model_fields_set - common - known[self.method]):
            raise ValueError(f"{self.method} has no parameter {name}")
        return self


class RiskSettings(Section):
    """Limits in account currency; see docs of `huracan.risk`."""

    dry_run_wallet: Annotated[float, Field(gt=0)] = Field(100_000.0, description="Paper account's start balance.")
    symbol_notional_max: Annotated[float, Field(gt=0)] = Field(
        5_000.0, description="Largest position in one symbol, account currency."
    )
    daily_loss_max: Annotated[float, Field(gt=0)] = Field(
        500.0, description="Largest loss in a UTC day, realised and unrealised, account currency."
    )
    daily_profit_target: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Result of a UTC day at which entries end until midnight, account currency; None: no target."
    )
    heat_max_frac: Fraction = Field(0.15, description="Largest loss if all stops hit, share of equity.")
    gross_exposure_max_frac: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Sum of all positions, share of equity."
    )
    drawdown_max_frac: Fraction = Field(0.2, description="Loss from the peak of equity that stops entries.")
    max_open_trades: PositiveInt = Field(50, description="Positions open at the same time.")
    max_orders_in_flight: PositiveInt = Field(50, description="Orders sent or about to be, without an answer.")
    order_rate_max: PositiveInt = Field(
        100, description="Orders within the window after which an entry is denied, never queued."
    )
    order_rate_window_s: PositiveInt = Field(10, description="Window of the order rate, seconds.")
    price_age_max_bars: Annotated[int, Field(ge=0)] = Field(
        0, description="Base bars by which a coin's last candle may lag the market clock."
    )
    feed_age_max_s: Annotated[float, Field(gt=0)] = Field(
        180.0, description="Wall time since the newest market data after which entries are denied, seconds."
    )
    clock_skew_max_ms: PositiveInt = Field(500, description="Difference of the venue's clock that denies entries, ms.")
    protections: tuple[ProtectionSettings, ...] = Field((), description="Rules that lock a coin, or all, for a while.")
    halt_policy: Literal["cancel", "flatten"] = Field(
        "cancel", description="What `huracan halt` does: cancel every order, or sell everything as well."
    )
    breaker_policy: BreakerPolicy = Field(
        "cancel",
        description="Tripped breaker: cancel entries and keep protecting, sell everything, or touch nothing.",
    )
    breaker_triggers: tuple[BreakerTrigger, ...] = Field(
        ("unknown_outcomes", "rejects", "slippage", "stale_data", "clock_skew", "throttled", "balance_mismatch"),
        description="What trips the breaker; drawdown and daily_loss stop entries as limits even when not named here.",
    )
    breaker_unknown_outcomes: PositiveInt = Field(3, description="Unknown outcomes in a row that trip.")
    breaker_rejects: PositiveInt = Field(5, description="Rejects in a row that trip.")
    breaker_slippage_bps: Annotated[float, Field(gt=0)] = Field(
        100.0, description="Slippage of one fill that trips, basis points against the price expected."
    )
    breaker_feed_age_s: Annotated[float, Field(gt=0)] = Field(600.0, description="Age of the market data that trips.")
    breaker_clock_skew_ms: PositiveInt = Field(5_000, description="Difference of the venue's clock that trips, ms.")
    breaker_throttles: PositiveInt = Field(
        3, description="Answers 429 in a row that trip; an address ban (418) trips at once."
    )


class ExecutionSettings(Section):
    """The engine that trades one account; seconds and milliseconds are wall time."""

    account: str = Field("main", description="Name of the account in the ledger.")
    url: str | None = Field(None, description="REST base of the venue, e.g. the paper exchange's; None: its own.")
    websocket_url: str | None = Field(None, description="WebSocket base of the venue; None: its own.")
    recv_window_ms: Annotated[int, Field(gt=0, le=60_000)] = Field(
        5_000, description="How long the venue may take a signed request."
    )
    timeout_ms: PositiveInt = Field(10_000, description="Longest wait for an answer of the venue.")
    lease_ttl_s: Annotated[float, Field(gt=0)] = Field(15.0, description="Life of the trader's lease without renewal.")
    inflight_check_interval_ms: PositiveInt = Field(2_000, description="Pause between looks for overdue answers.")
    inflight_check_threshold_ms: PositiveInt = Field(5_000, description="Silence after which an order is asked for.")
    open_check_interval_s: Annotated[float, Field(gt=0)] = Field(10.0, description="Pause between open-order checks.")
    trades_check_interval_s: Annotated[float, Field(gt=0)] = Field(5.0, description="Pause between polls of trades.")
    balance_check_interval_s: Annotated[float, Field(gt=0)] = Field(60.0, description="Pause between balance checks.")
    absent_answers: PositiveInt = Field(3, description="Denials by the venue after which an order counts as absent.")


class PaperSettings(Section):
    """The paper exchange; see `huracan paper-exchange`."""

    host: str = Field("127.0.0.1", description="Address it binds to.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="Port; 0: a free one.")
    speed: Annotated[float, Field(gt=0)] = Field(60.0, description="Market seconds per wall second.")
    seed: int = Field(7, description="Of everything the exchange draws.")
    command_ms: Annotated[int, Field(ge=0)] = Field(0, description="From a client's send to the book, ms.")
    command_mean_ms: Annotated[float, Field(ge=0)] = Field(0.0, description="Mean of a random delay on top, ms.")
    ack_ms: Annotated[int, Field(ge=0)] = Field(0, description="From the book to the client's reply, ms.")
    ack_mean_ms: Annotated[float, Field(ge=0)] = Field(0.0, description="Mean of a random delay on top, ms.")
    event_ms: Annotated[int, Field(ge=0)] = Field(0, description="From the book to the user stream, ms.")
    event_mean_ms: Annotated[float, Field(ge=0)] = Field(0.0, description="Mean of a random delay on top, ms.")


class DatabaseSettings(Section):
    """Postgres; without a URL the embedded server under HURACAN_HOME is used."""

    url: SecretStr | None = Field(
        None, description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; None: the embedded server."
    )
    connect_timeout_s: PositiveInt = Field(5, description="Seconds to wait for the server.")


class RaySettings(Section):
    """How the command line starts or joins Ray."""

    address: str | None = Field(None, description="None: a local instance for the command's life.")
    num_cpus: PositiveInt | None = Field(None, description="CPUs of a local instance; None: all.")
    object_store_mb: Annotated[int, Field(ge=80)] = Field(512, description="Shared memory of a local instance, MB.")
    include_dashboard: bool = Field(False, description="Start the dashboard with a local instance.")


class Settings(BaseSettings):
    """The whole configuration; `hash` identifies the effective values (secrets left out)."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="HURACAN__", env_nested_delimiter="__", validate_default=True
    )

    data: DataSettings = DataSettings()
    quality: QualitySettings = QualitySettings()
    features: FeatureSettings = FeatureSettings()
    trading: TradingSettings = TradingSettings()
    env: EnvSettings = EnvSettings()
    policy: PolicySettings = PolicySettings()
    ppo: PpoSettings = PpoSettings()
    search: SearchSettings = SearchSettings()
    walk_forward: WalkForwardSettings = WalkForwardSettings()
    shadow: ShadowSettings = ShadowSettings()
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    paper: PaperSettings = PaperSettings()
    database: DatabaseSettings = DatabaseSettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ppo.minibatch_size > self.ppo.train_batch_size:
            raise ValueError(
                f"ppo.minibatch_size {self.ppo.minibatch_size} exceeds ppo.train_batch_size {self.ppo.train_batch_size}"
            )
        if self.env.num_envs > self.ppo.train_batch_size:
            raise ValueError(
                f"env.num_envs {self.env.num_envs} exceeds ppo.train_batch_size {self.ppo.train_batch_size}"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the merge to `load_settings`: a plain construction reads nothing from the outside."""
        return (init_settings,)

    def public(self) -> dict[str, Any]:
        """Return the effective values as JSON types, without any secret."""
        return self.model_dump(mode="json", exclude={"database": {"url"}})

    @property
    def hash(self) -> str:
        """Return the SHA-256 of `public()`, hexadecimal."""
        return hashlib.sha256(json.dumps(self.public(), sort_keys=True).encode()).hexdigest()


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the absolute folder of huracan's own data: `HURACAN_HOME`, or `.huracan` in the working directory.

    Raises:
        ConfigError: `HURACAN_HOME` is relative, or missing in a submitted Ray job, whose working directory is a copy.
    """
    given = os.environ if environ is None else environ
    home = given.get("HURACAN_HOME")
    if not home:
        if given.get("RAY_JOB_CONFIG_JSON_ENV_VAR"):
            raise ConfigError("HURACAN_HOME is not set in this Ray job; pass it in the job's runtime environment")
        return Path.cwd() / ".huracan"
    if not Path(home).is_absolute():
        raise ConfigError(f"HURACAN_HOME {home} is relative; set it to an absolute folder")
    return Path(home)


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    base: Mapping[str, Any] | None = None,
) -> Settings:
    """Merge defaults, the YAML file, the environment and the command line into one frozen `Settings`.

    Args:
        path: YAML file, or None for the defaults alone.
        overrides: dotted keys from the command line, e.g. `{"ppo.lr": 1e-4}`; None is a value like any other.
        environ: environment to read `HURACAN__SECTION__KEY` from; None reads the process's.
        base: `Settings.public()` of a run, to stand below the file: what is not said anew stays as the run had it.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value does not fit; one line names each.
    """
    merged: dict[str, Any] = _overlay(base or {}, _read_yaml(path) if path else {})
    for name, value in sorted((os.environ if environ is None else environ).items()):
        if name.startswith("HURACAN__") and name not in CREDENTIAL_VARIABLES:
            try:
                loaded = yaml.safe_load(value)
            except yaml.YAMLError:
                raise ConfigError(f"environment variable {name}: the value is not YAML; quote it") from None
            _put(merged, name.removeprefix("HURACAN__").lower().split("__"), loaded, name)
    for key, value in (overrides or {}).items():
        _put(merged, key.split("."), value, key)
    try:
        return Settings(**merged)
    except ValidationError as error:
        where = f"{path}, environment or command line" if path else "environment or command line"
        raise ConfigError(f"configuration ({where}): {_explain(error)}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {path} cannot be read: {error}; give an existing YAML file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration file {path} is not YAML: {' '.join(str(error).split())}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"configuration file {path} holds {type(loaded).__name__}, not sections of keys")
    odd = [key for key in loaded if not isinstance(key, str)]
    if odd:
        raise ConfigError(f"configuration file {path}: {odd[0]!r} is no section; name one, e.g. ppo")
    return loaded


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with every key of `above` in its place, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _overlay(under, value) if both and under is not None else value
    return merged


def _put(tree: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    """Set one nested key; a value where a section is expected is the user's mistake."""
    for key in keys[:-1]:
        node = tree.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{name}: {key} is a value, not a section")
        tree = node
    tree[keys[-1]] = value


_EXPECTED = {"tuple_type": "a list is needed, e.g. [a, b]", "model_type": "a section of keys is needed"}


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"]) or "settings"
        said = _EXPECTED.get(item["type"], item["msg"])
        parts.append("unknown key " + key if item["type"] == "extra_forbidden" else f"{key}: {said}")
    return "; ".join(parts)
