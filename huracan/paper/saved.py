"""The exchange's state on disk between two runs, tied to the settings, candles and accounts it belongs to."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from huracan.errors import UsageError
from huracan.market import atomic_file
from huracan.paper.market import PaperMarket
from huracan.paper.settings import PaperAccount, PaperSettings

__all__ = ["fingerprint", "load_state", "save_state"]

_MAGIC = b"huracan-paper-state-1"


def fingerprint(
    settings: PaperSettings, markets: Sequence[PaperMarket], accounts: Sequence[PaperAccount], seed: int
) -> str:
    """Return the SHA-256, hexadecimal, of all that must be the same for a state to be taken up again.

    Latencies, limits and faults may differ; keys may not, for a state's orders belong to their accounts.
    """
    rules = {name: value for name, value in asdict(settings).items() if name not in ("latency", "limits", "faults")}
    digest = hashlib.sha256(json.dumps([rules, seed], sort_keys=True, default=str).encode())
    for market in markets:
        digest.update(f"{market.instrument.fingerprint()} {market.timeframe} {market.costs.sha256}\n".encode())
        digest.update(market.bars.tobytes())
    for account in accounts:
        digest.update(json.dumps(asdict(account), sort_keys=True, default=str).encode())
    return digest.hexdigest()


def save_state(path: Path, mark: str, state: bytes) -> None:
    """Write a state to a 0600 file, whole or not at all.

    Args:
        path: the file.
        mark: fingerprint of the exchange.
        state: its snapshot.

    Raises:
        DataError: the operating system refuses.
    """
    with atomic_file(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(b" ".join([_MAGIC, mark.encode(), hashlib.sha256(state).hexdigest().encode()]) + b"\n" + state)


def load_state(path: Path, mark: str) -> bytes | None:
    """Return the state that a file holds, None when there is no file.

    Raises:
        UsageError: it is no state, a damaged one, or that of an exchange with another fingerprint.
    """
    if not path.exists():
        return None
    head, _, state = path.read_bytes().partition(b"\n")
    words = head.split(b" ")
    if len(words) != 3 or words[0] != _MAGIC or words[2] != hashlib.sha256(state).hexdigest().encode():
        raise UsageError(f"{path} is no saved state of a paper exchange, or a damaged one; remove it to start afresh")
    if words[1] != mark.encode():
        raise UsageError(
            f"{path} was saved by an exchange with other candles, accounts, start, seed or rules; "
            "start with the same ones, or remove it to start afresh"
        )
    return state
