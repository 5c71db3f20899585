"""A saved state: the same bytes again, and only for the exchange that it belongs to."""

from dataclasses import replace
from pathlib import Path

import pytest

from huracan.errors import UsageError
from huracan.paper import Faults, Latency, PaperSettings
from huracan.paper.saved import fingerprint, load_state, save_state
from tests.paper.serving import account, market

RULES = PaperSettings(start_ms=0)


def test_a_state_comes_back_and_is_private(tmp_path: Path) -> None:
    """The same bytes under the same fingerprint; nobody else may read them; no file is no state."""
    path = tmp_path / "state"
    assert load_state(path, "mark") is None
    save_state(path, "mark", b"one\ntwo \x00")
    assert load_state(path, "mark") == b"one\ntwo \x00"
    assert path.stat().st_mode & 0o777 == 0o600
    save_state(path, "mark", b"three")
    assert load_state(path, "mark") == b"three"


def test_another_exchange_is_refused(tmp_path: Path) -> None:
    """A state of other candles or accounts would make orders of nobody."""
    save_state(tmp_path / "state", "mark", b"{}")
    with pytest.raises(UsageError, match="other candles, accounts, start, seed or rules"):
        load_state(tmp_path / "state", "other")


@pytest.mark.parametrize("damage", [b"", b"x", b"huracan-paper-state-1 mark 00\n{}", b"a b c d\n"])
def test_a_damaged_state_is_refused(tmp_path: Path, damage: bytes) -> None:
    """An empty, a foreign and a changed file are told in one line."""
    (tmp_path / "state").write_bytes(damage)
    with pytest.raises(UsageError, match="no saved state of a paper exchange, or a damaged one"):
        load_state(tmp_path / "state", "mark")


def test_the_fingerprint_knows_what_matters() -> None:
    """Start, seed, markets and accounts change it; latencies and faults may differ from run to run."""
    markets, accounts = [market("ADA/USDT")], [account()]
    mark = fingerprint(RULES, markets, accounts, 1)
    assert (
        fingerprint(replace(RULES, latency=Latency(ack_ms=3), faults=Faults(banned=0.5)), markets, accounts, 1) == mark
    )
    others = [
        fingerprint(replace(RULES, start_ms=60_000), markets, accounts, 1),
        fingerprint(replace(RULES, lockstep=True), markets, accounts, 1),
        fingerprint(RULES, markets, accounts, 2),
        fingerprint(RULES, [market("BTC/USDT")], accounts, 1),
        fingerprint(RULES, [replace(markets[0], bars=markets[0].bars[:-1])], accounts, 1),
        fingerprint(RULES, markets, [account("other")], 1),
        fingerprint(RULES, markets, [replace(accounts[0], balances={})], 1),
    ]
    assert len({mark, *others}) == 8
