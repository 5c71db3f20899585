"""Sections of live trading: risk, protections, execution, the paper exchange."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huracan.config.base import Fraction, PositiveInt, Section

__all__ = ["ExecutionSettings", "PaperSettings", "ProtectionSettings", "RiskSettings"]

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
    confidence_min: Fraction = Field(
        0.0, description="Least confidence of an entry, in shadow as in live trading; 0: any."
    )
    bad_pattern_factor_min: Fraction = Field(
        1.0,
        description="Least share that similar entries with bad results leave of an entry's confidence; 1: all. It "
        "keeps out what then has too little: set `confidence_min` too, and `features.memory`.",
    )
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
        180.0, description="How long the next candle may be overdue before entries are denied, seconds of wall time."
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
        100.0, description="Slippage beyond the cost model that trips, basis points of one fill or trade."
    )
    breaker_feed_age_s: Annotated[float, Field(gt=0)] = Field(
        600.0, description="How long the next candle is overdue when that trips, seconds of wall time."
    )
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
    candles_check_interval_s: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Pause between questions for closed candles; the stream makes it ask at once."
    )
    candles_patience_s: Annotated[float, Field(gt=0)] = Field(
        2.0, description="How long a close waits for coins whose candle has not come."
    )
    open_check_interval_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Pause between checks of the orders and trades of coins at work."
    )
    trades_check_interval_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Pause between checks of trades and foreign orders of every coin."
    )
    balance_check_interval_s: Annotated[float, Field(gt=0)] = Field(60.0, description="Pause between balance checks.")
    absent_answers: PositiveInt = Field(3, description="Denials by the venue after which an order counts as absent.")
    halt_proof_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Longest wait for the proof that nothing rests at the venue after a halt."
    )
    drain_s: Annotated[float, Field(gt=0)] = Field(15.0, description="Longest wait for entries taken back at a stop.")
    database_timeout_s: Annotated[float, Field(gt=0)] = Field(5.0, description="Longest wait for the database.")


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
