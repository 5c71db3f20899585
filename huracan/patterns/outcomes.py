"""Closed trades as the memory holds them: the market they were entered in, and what became of them in units of risk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from huracan.errors import ArtefactError, DataError, InvariantError
from huracan.features import MARKET_SIZE

__all__ = ["SETTLE_BARS", "Outcomes", "pack", "unpack"]

SETTLE_BARS: Final = 2
"""A trade may be remembered this many bars after its last bar opened: when that bar has closed, and one bar later."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """N closed trades in the order of (known, symbol, entry); at most one a symbol and entry bar.

    R is the initial risk of the trade: the distance from reference to stop, times the quantity.

    Attributes:
        layout: what identifies the states (`state_layout`), one for all.
        base_ms: length of a bar.
        symbol: ccxt symbols.
        entry_ms: int64[N], open time of the bar of the first fill, ms UTC.
        exit_ms: int64[N], open time of the bar of the last fill.
        result: float64[N], net result after all costs, R.
        best: float64[N], largest favourable excursion, R, >= 0.
        worst: float64[N], largest adverse excursion, R, <= 0.
        market: float32[N, 52], market entries of the state the entry was decided on, as computed, not scaled.
    """

    layout: int
    base_ms: int
    symbol: NDArray[np.str_]
    entry_ms: Ints
    exit_ms: Ints
    result: Floats
    best: Floats
    worst: Floats
    market: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, numbers that are none, and rows out of order: defects of the caller."""
        count = len(self.symbol)
        for name in ("entry_ms", "exit_ms", "result", "best", "worst", "market"):
            column = getattr(self, name)
            if len(column) != count or not np.isfinite(column).all():
                raise InvariantError(f"outcomes: column {name} has {len(column)} rows of {count}, or is not finite")
        if self.market.shape != (count, MARKET_SIZE) or self.market.dtype != np.float32:
            raise InvariantError(f"outcomes: states are {self.market.dtype} {self.market.shape}, not float32 (N, 52)")
        if count and not np.array_equal(_order(self.exit_ms, self.symbol, self.entry_ms), np.arange(count)):
            raise InvariantError("outcomes: rows are not in the order of (exit, symbol, entry); make them by `of`")

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.symbol)

    @classmethod
    def of(
        cls,
        *,
        layout: int,
        base_ms: int,
        layouts: Ints,
        symbol: NDArray[np.str_],
        entry_ms: Ints,
        exit_ms: Ints,
        net_frac: Floats,
        mfe_frac: Floats,
        mae_frac: Floats,
        risk_frac: Floats,
        market: NDArray[np.float32],
    ) -> Self:
        """Return trades given in any order; of several with one symbol and entry bar the last one given counts.

        Args:
            layout: the states wanted.
            base_ms: length of a bar.
            layouts: int64[N], layout of each trade's state.
            symbol: ccxt symbols.
            entry_ms: int64[N].
            exit_ms: int64[N].
            net_frac: float64[N], net result as a fraction of the value bought; likewise the excursions.
            mfe_frac: float64[N].
            mae_frac: float64[N].
            risk_frac: float64[N], distance from reference to stop as a fraction of the entry price, positive.
            market: float32[N, >= 52], states of the entries.

        Raises:
            DataError: a state is of another layout, or a trade has no risk to measure it by.
        """
        foreign = layouts != layout
        if foreign.any():
            raise DataError(
                f"memory: {int(foreign.sum())} of {len(layouts)} trades were entered on states of another feature "
                f"layout ({int(layouts[np.argmax(foreign)])}, not {layout}: windows, timeframe or formulas differ); "
                "leave them out, or trade shadow again with this version to fill the memory"
            )
        if not (risk_frac > 0).all():
            raise DataError(
                f"memory: {int((~(risk_frac > 0)).sum())} of {len(risk_frac)} trades have no initial risk: they were "
                "written by an older version; leave them out, or trade shadow again"
            )
        last = {key: row for row, key in enumerate(zip(symbol.tolist(), entry_ms.tolist(), strict=True))}
        kept = np.array(sorted(last.values()), np.int64)
        kept = kept[_order(exit_ms[kept], symbol[kept], entry_ms[kept])]
        return cls(
            layout=layout,
            base_ms=base_ms,
            symbol=symbol[kept],
            entry_ms=entry_ms[kept],
            exit_ms=exit_ms[kept],
            result=net_frac[kept] / risk_frac[kept],
            best=mfe_frac[kept] / risk_frac[kept],
            worst=mae_frac[kept] / risk_frac[kept],
            market=np.ascontiguousarray(market[kept, :MARKET_SIZE], np.float32),
        )

    @classmethod
    def none(cls, layout: int, base_ms: int) -> Self:
        """Return the memory of one who has not traded yet."""
        no, nothing = np.zeros(0, np.int64), np.zeros(0)
        states = np.zeros((0, MARKET_SIZE), np.float32)
        return cls(layout, base_ms, np.array([], np.str_), no, no, nothing, nothing, nothing, states)

    @property
    def known_ms(self) -> Ints:
        """Return int64[N], the first close at which each trade may be remembered, ms UTC, increasing."""
        return self.exit_ms + SETTLE_BARS * self.base_ms

    @property
    def hold_ms(self) -> Ints:
        """Return int64[N], time from the first to the last fill's bar, ms."""
        return self.exit_ms - self.entry_ms

    def until(self, close_ms: int) -> "Outcomes":
        """Return the trades that are known at a close."""
        count = int(np.searchsorted(self.known_ms, close_ms, side="right"))
        return self._rows(np.arange(count))

    def joined(self, others: Sequence["Outcomes"]) -> "Outcomes":
        """Return the trades of all; of several with one symbol and entry bar the last one given counts.

        Raises:
            DataError: they are of different layouts or timeframes.
        """
        parts = [self, *others]
        if any((part.layout, part.base_ms) != (self.layout, self.base_ms) for part in parts):
            raise DataError("memory: trades of different feature layouts cannot be joined; keep one memory for each")
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        whole = zip(columns["symbol"].tolist(), columns["entry_ms"].tolist(), strict=True)
        kept = np.array(sorted({key: row for row, key in enumerate(whole)}.values()), np.int64)
        kept = kept[_order(columns["exit_ms"][kept], columns["symbol"][kept], columns["entry_ms"][kept])]
        return Outcomes(self.layout, self.base_ms, **{name: column[kept] for name, column in columns.items()})

    def to_bytes(self) -> bytes:
        """Return everything as one block; the same trades give the same bytes."""
        return pack(*self.parts())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the trades that wrote `to_bytes`.

        Raises:
            ArtefactError: the bytes are damaged, or something else.
        """
        return cls.of_parts(*unpack(data))

    def parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return (tensors, numbers) for `pack`."""
        names, coins = np.unique(self.symbol, return_inverse=True)
        columns = {name: getattr(self, name) for name in _COLUMNS if name != "symbol"}
        numbers = {"layout": self.layout, "base_ms": self.base_ms, "symbols": names.tolist()}
        return {"coins": coins.astype(np.int64), **columns}, numbers

    @classmethod
    def of_parts(cls, tensors: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> Self:
        """Return the trades of what `parts` gave, other parts aside.

        Raises:
            ArtefactError: a part is missing, or they contradict each other.
        """
        try:
            symbol = np.array(numbers["symbols"], np.str_)[tensors["coins"]]
            columns = {name: tensors[name] for name in _COLUMNS if name != "symbol"}
            return cls(int(numbers["layout"]), int(numbers["base_ms"]), symbol, **columns)
        except (InvariantError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ArtefactError(f"{_DAMAGED} ({error!r}); train the version again") from None

    def _rows(self, rows: Ints) -> "Outcomes":
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Outcomes(self.layout, self.base_ms, **columns)


_DAMAGED = "these bytes are no memory of trades"
_COLUMNS = tuple(field.name for field in fields(Outcomes) if field.name not in ("layout", "base_ms"))


def _order(exit_ms: Ints, symbol: NDArray[np.str_], entry_ms: Ints) -> Ints:
    """Return the order of (exit, symbol, entry), which is complete: no two trades share symbol and entry."""
    return np.lexsort((entry_ms, symbol, exit_ms)).astype(np.int64)


def pack(tensors: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> bytes:
    """Return arrays and JSON values as one block of bytes (safetensors)."""
    whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return safetensors.numpy.save(whole, {"memory": json.dumps(numbers, sort_keys=True)})


def unpack(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return what `pack` was given, arrays as copies of one's own.

    Raises:
        ArtefactError: the bytes are damaged, or something else.
    """
    try:
        tensors = {name: np.array(values) for name, values in safetensors.numpy.load(data).items()}
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return tensors, json.loads(header["__metadata__"]["memory"])
    except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ArtefactError(f"{_DAMAGED} ({error!r}); train the version again") from None
