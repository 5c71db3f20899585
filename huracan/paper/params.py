"""Parameters of one request, read by name and type; what cannot be read is refused with the venue's own code."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_plus

from huracan.paper.errors import Refusal, illegal, malformed, missing, too_precise

__all__ = ["DECIMALS_MAX", "Params", "parse_params"]

DECIMALS_MAX = 8
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_LEGAL_NUMBER = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_CID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_LEGAL_CID = "^[a-zA-Z0-9-_]{1,36}$"
_PARAMETERS_MAX = 100


def parse_params(query: str, body: str) -> "Params":
    """Return the parameters of a query and a form body; the query wins over the body.

    Raises:
        Refusal: one part names a parameter twice, or there are too many of them.
    """
    return Params({**_pairs(body), **_pairs(query)})


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    parts = [part for part in text.split("&") if part]
    if len(parts) > _PARAMETERS_MAX:
        raise Refusal(-1101, f"Too many parameters; expected '{_PARAMETERS_MAX}' and received '{len(parts)}'.")
    for part in parts:
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in found:
            raise Refusal(-1101, "Duplicate values for a parameter detected.")
        found[name] = unquote_plus(value)
    return found


class Params:
    """Parameters by name; each reader refuses what its type cannot hold."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @property
    def raw(self) -> Mapping[str, str]:
        """Return the parameters as they came."""
        return self._values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """Return a parameter that must be there and not be empty."""
        value = self._values.get(name, "")
        if not value:
            raise missing(name)
        return value

    def get(self, name: str) -> str | None:
        """Return a parameter, None when absent; an empty one is refused."""
        if name not in self._values:
            return None
        if not self._values[name]:
            raise Refusal(-1105, f"Parameter '{name}' was empty.")
        return self._values[name]

    def integer(self, name: str) -> int | None:
        """Return a whole number >= 0, None when absent."""
        value = self.get(name)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,20}", value):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def whole(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 1, cut at `most`, or the default."""
        value = self.integer(name)
        if value == 0:
            raise malformed(name)
        return default if value is None else min(value, most)

    def decimal(self, name: str, decimals_max: int = DECIMALS_MAX) -> Decimal | None:
        """Return a positive decimal, None when absent."""
        value = self.get(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise illegal(name, _LEGAL_NUMBER)
        number = Decimal(value)
        exponent = number.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        if -exponent > decimals_max:
            raise too_precise(name)
        if number == 0:
            raise malformed(name)
        return number

    def client_id(self, name: str) -> str | None:
        """Return a client order id, None when absent."""
        value = self.get(name)
        if value is not None and not _CID.fullmatch(value):
            raise illegal(name, _LEGAL_CID)
        return value

    def strings(self, name: str) -> list[str] | None:
        """Return a JSON list of texts, None when absent."""
        value = self.get(name)
        if value is None:
            return None
        try:
            items = json.loads(value)
        except ValueError:
            raise Refusal(-1135, f"JSON sent for parameter '{name}' is not valid") from None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise malformed(name)
        if len(set(items)) != len(items):
            raise Refusal(-1151, "Symbol is present multiple times in the list.")
        return items
