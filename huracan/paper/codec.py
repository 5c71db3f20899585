"""Plain records to JSON and back, by their type hints: what a snapshot is made of."""

import types
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from huracan.errors import DataError

__all__ = ["decode", "encode"]

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Return a value of records, mappings, sequences, decimals and enums as JSON's types; mappings become pairs."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: encode(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return [[encode(key), encode(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    assert value is None or isinstance(value, (bool, int, float, str)), f"{type(value)} cannot be in a snapshot"
    return value


def decode(kind: type[T], data: Any) -> T:
    """Return the value of type `kind` that `encode` made `data` of.

    Raises:
        DataError: the data are not of that type.
    """
    try:
        result: T = _decode(kind, data)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise DataError(f"snapshot of the paper exchange cannot be read: {error}; start it without") from None
    return result


@lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, data: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], item) for name, item in data.items()})
    origin, args = get_origin(kind), get_args(kind)
    if origin is dict:
        return {_decode(args[0], key): _decode(args[1], item) for key, item in data}
    if origin is list:
        return [_decode(args[0], item) for item in data]
    if origin is tuple:
        types_of = [args[0]] * len(data) if len(args) == 2 and args[1] is Ellipsis else args
        return tuple(_decode(one, item) for one, item in zip(types_of, data, strict=True))
    if origin in (Union, types.UnionType):
        return None if data is None else _decode(next(one for one in args if one is not type(None)), data)
    if kind is Any:
        return data
    return kind(data)
