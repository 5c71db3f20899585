"""What every section of the configuration is made of."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from huracan.errors import ConfigError
from huracan.storage import Location, ObjectPath, locate

__all__ = ["Fraction", "Place", "PositiveFloat", "PositiveInt", "Section", "Timeframe"]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveFloat = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]


def _place(value: Any) -> Location:
    if not isinstance(value, str | Path | ObjectPath):
        raise ValueError("a folder or an s3:// URL is needed")
    try:
        return locate(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


Place = Annotated[
    Location,
    PlainValidator(_place),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""A folder of this machine, or a prefix in an object store: `s3://BUCKET/PREFIX?region=REGION`."""


class Section(BaseModel):
    """One block of settings: immutable; an unknown key, and a number that is not finite, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)
