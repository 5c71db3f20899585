"""How long every feature looks back: one window table per base timeframe, read from YAML.

The shipped file `windows.yaml` lies beside this module (`configs/windows.yaml` is a link to it), so that it is found
from any working directory; `features.windows` in the configuration names another one.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from huracan.errors import ConfigError
from huracan.market.timeframes import TIMEFRAMES

__all__ = ["WindowTable", "windows_for"]

SHIPPED = Path(__file__).with_name("windows.yaml")


@dataclass(frozen=True, slots=True)
class WindowTable:
    """Windows of all machines for one base timeframe, in base bars unless said otherwise.

    Attributes:
        timeframe: base timeframe, e.g. "1m".
        returns: horizons of features 0-5, increasing.
        vol_fast: EWMA span of the fastest volatility; `vol_mid`, `vol_long`, `sigma`, `slow` grow from there.
        vol_mid: EWMA span.
        vol_long: EWMA span.
        sigma: EWMA span of the volatility that scales returns and that the kernel uses.
        slow: EWMA span of the coin's slow level of volatility, volume, trades and illiquidity.
        middle_clock: base bars of one middle bar.
        slow_clock: base bars of one slow bar.
        body: middle bars.
        range_vol: middle bars.
        ema_fast: middle bars.
        ema_slow: middle bars.
        slow_ema_fast: slow bars.
        slow_ema_slow: slow bars.
        adx: slow bars (Wilder's period).
        jump: bars of realised and bipower variance.
        er_short: bars.
        er_long: bars.
        variance_ratio: one-bar returns in the window.
        vr_lags: the two aggregation lags q.
        vol_of_vol: bars.
        level: bars of VWAP and Donchian channel.
        volume: bars.
        liquidity: bars of Amihud and Kyle.
        edge: slow bars of the EDGE window.
        flow: bars of the three taker imbalances, increasing.
        vpin_buckets: volume buckets.
        vpin_bars: bars of mean volume that fill all buckets.
        leader_returns: bars of the two leader returns, increasing.
        beta: EWMA span.
        corr: EWMA span.
        ranks: bars of the two cross-section returns, increasing.
        ready: bars since the start of a segment after which the machines count as warm.
    """

    timeframe: str
    returns: tuple[int, ...]
    vol_fast: int
    vol_mid: int
    vol_long: int
    sigma: int
    slow: int
    middle_clock: int
    slow_clock: int
    body: int
    range_vol: int
    ema_fast: int
    ema_slow: int
    slow_ema_fast: int
    slow_ema_slow: int
    adx: int
    jump: int
    er_short: int
    er_long: int
    variance_ratio: int
    vr_lags: tuple[int, ...]
    vol_of_vol: int
    level: int
    volume: int
    liquidity: int
    edge: int
    flow: tuple[int, ...]
    vpin_buckets: int
    vpin_bars: int
    leader_returns: tuple[int, ...]
    beta: int
    corr: int
    ranks: tuple[int, ...]
    ready: int

    def __post_init__(self) -> None:
        lengths = {"returns": 6, "vr_lags": 2, "flow": 3, "leader_returns": 2, "ranks": 2}
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            parts = value if isinstance(value, tuple) else (value,)
            if len(parts) != lengths.get(field.name, 1) or any(type(p) is not int or p < 1 for p in parts):
                wanted = f"{lengths.get(field.name, 1)} whole number(s) of at least 1"
                raise ConfigError(f"windows of {self.timeframe}: {field.name} is {value!r}; give {wanted}")
            if any(a >= b for a, b in itertools.pairwise(parts)):
                raise ConfigError(f"windows of {self.timeframe}: {field.name} {list(parts)} must increase")
        for small, large in (
            ("vol_fast", "vol_mid"),
            ("vol_mid", "vol_long"),
            ("vol_long", "sigma"),
            ("sigma", "slow"),
            ("middle_clock", "slow_clock"),
            ("ema_fast", "ema_slow"),
            ("slow_ema_fast", "slow_ema_slow"),
            ("er_short", "er_long"),
        ):
            if getattr(self, small) >= getattr(self, large):
                raise ConfigError(f"windows of {self.timeframe}: {small} must be shorter than {large}")
        if self.vr_lags[1] * 2 > self.variance_ratio:
            raise ConfigError(f"windows of {self.timeframe}: variance_ratio must be at least twice its longest lag")
        if min(self.range_vol, self.jump, self.liquidity, self.vol_of_vol, self.level) < 2:
            raise ConfigError(f"windows of {self.timeframe}: range_vol, jump, liquidity, vol_of_vol, level need 2 bars")
        if self.ready < max(*self.returns, self.variance_ratio + 1, self.vol_of_vol, self.level, *self.ranks):
            raise ConfigError(f"windows of {self.timeframe}: ready must not be shorter than the longest full window")

    @property
    def base_ms(self) -> int:
        """Return the length of one base bar in ms."""
        return TIMEFRAMES[self.timeframe]

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON types, tuples as lists."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "WindowTable":
        """Build a table from `to_json`'s mapping.

        Raises:
            ConfigError: a window is missing, unknown or does not fit.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
            raise ConfigError(f"windows of {values.get('timeframe')}: missing {missing}, unknown {unknown}")
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fields)

    @property
    def sha256(self) -> str:
        """Return the hash of all windows, hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=64)
def windows_for(timeframe: str, path: Path | None = None) -> WindowTable:
    """Return the window table of a base timeframe.

    A timeframe without its own table interpolates between 1m and 1d: with w = ln(minutes) / ln(1440), each window is
    round(exp((1 - w) ln n_1m + w ln n_1d)); its clocks stand in the file, whole numbers of sensible lengths.

    Args:
        timeframe: one of `TIMEFRAMES`.
        path: YAML file of window tables; None reads the shipped one.

    Raises:
        ConfigError: the timeframe is unknown, or the file cannot be read or does not fit.
    """
    if timeframe not in TIMEFRAMES:
        raise ConfigError(f"timeframe {timeframe!r} is unknown; use one of {', '.join(TIMEFRAMES)}")
    source = path or SHIPPED
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        tables, clocks = content["tables"], content.get("clocks", {})
        if timeframe in tables:
            return WindowTable.from_json({"timeframe": timeframe, **tables[timeframe]})
        middle, slow = clocks[timeframe]
        values = {"timeframe": timeframe, **_interpolate(tables["1m"], tables["1d"], timeframe)}
        return WindowTable.from_json({**values, "middle_clock": middle, "slow_clock": slow})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"window tables {source} cannot be read: {error}; name an existing file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"window tables {source} are not YAML: {' '.join(str(error).split())}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"window tables {source} lack what {timeframe} needs: {error!r}") from None


def _interpolate(fine: Mapping[str, Any], coarse: Mapping[str, Any], timeframe: str) -> dict[str, Any]:
    """Return every window by geometric interpolation in the logarithm of the bar length."""
    weight = math.log(TIMEFRAMES[timeframe] / TIMEFRAMES["1m"]) / math.log(TIMEFRAMES["1d"] / TIMEFRAMES["1m"])

    def between(a: int, b: int) -> int:
        return round(math.exp((1.0 - weight) * math.log(a) + weight * math.log(b)))

    return {
        name: [between(a, b) for a, b in zip(value, coarse[name], strict=True)]
        if isinstance(value, list)
        else between(value, coarse[name])
        for name, value in fine.items()
    }
