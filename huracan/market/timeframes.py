"""Names of timeframes and symbols: their lengths in milliseconds, their file names, and back."""

from huracan.errors import DataError

__all__ = ["TIMEFRAMES", "stem_to_symbol", "symbol_to_stem", "timeframe_from_ms", "timeframe_ms"]

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS

TIMEFRAMES: dict[str, int] = {
    "1m": _MINUTE_MS,
    "3m": 3 * _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "6h": 6 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": 24 * _HOUR_MS,
}
"""Length of each timeframe, ms. Case matters: Binance's `1M` is a month, which has no fixed length."""

_BY_MS = {length: name for name, length in TIMEFRAMES.items()}


def timeframe_ms(timeframe: str) -> int:
    """Return the length of one bar, ms.

    Raises:
        DataError: the timeframe is not one of `TIMEFRAMES`.
    """
    if timeframe not in TIMEFRAMES:
        raise DataError(f"timeframe {timeframe!r} is unknown; use one of {', '.join(TIMEFRAMES)}")
    return TIMEFRAMES[timeframe]


def timeframe_from_ms(length_ms: int) -> str | None:
    """Return the timeframe whose bars last `length_ms`, or None when there is none."""
    return _BY_MS.get(length_ms)


def symbol_to_stem(symbol: str) -> str:
    """Return the file name, without suffix, of a ccxt symbol.

    `BTC/USDT` -> `BTC-USDT`; the linear perpetual `BTC/USDT:USDT` -> `BTC-USDT-PERP`; an inverse one keeps its
    settlement coin: `BTC/USD:BTC` -> `BTC-USD-PERP-BTC`. Spot and perpetual never share a file.

    Raises:
        DataError: the symbol is not in ccxt's form, or is a dated contract.
    """
    pair, colon, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not (slash and _is_code(base) and _is_code(quote)) or (colon and not _is_code(settle)):
        raise DataError(f"symbol {symbol!r} is not in ccxt's form; write BTC/USDT, or BTC/USDT:USDT for the perpetual")
    if not colon:
        return f"{base}-{quote}"
    return f"{base}-{quote}-PERP" if settle == quote else f"{base}-{quote}-PERP-{settle}"


def stem_to_symbol(stem: str) -> str:
    """Return the ccxt symbol of a file name without suffix; the inverse of `symbol_to_stem`.

    Raises:
        DataError: the name is not one that `symbol_to_stem` gives.
    """
    parts = stem.split("-")
    if all(map(_is_code, parts)):
        if len(parts) == 2:
            return f"{parts[0]}/{parts[1]}"
        if len(parts) == 3 and parts[2] == "PERP":
            return f"{parts[0]}/{parts[1]}:{parts[1]}"
        if len(parts) == 4 and parts[2] == "PERP" and parts[3] != parts[1]:
            return f"{parts[0]}/{parts[1]}:{parts[3]}"
    raise DataError(f"file name {stem!r} names no symbol; call it BTC-USDT.parquet or BTC-USDT-PERP.parquet")


def _is_code(text: str) -> bool:
    """Return whether `text` can be a currency code (letters and digits of any script, `.`, `_`)."""
    return bool(text) and text.replace(".", "").replace("_", "").isalnum()
