"""The door to an account: paper and real never meet, keys come from where they may, and names tell people apart."""

import os
from pathlib import Path

import pytest

from huracan.config import ExecutionSettings
from huracan.errors import ConfigError, UsageError
from huracan.paper.keys import open_keys
from huracan.risk.live import BY_ITSELF
from huracan.trader.access import access_of, holder_name, person, process_of, user_name
from huracan.venue.credentials import API_KEY_VARIABLE, SECRET_VARIABLE


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)


def test_a_paper_account_takes_the_exchanges_own_keys_before_any_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of the real exchange in the environment do not go to a paper exchange that has its own."""
    keys = open_keys(tmp_path / "paper" / "keys.json", ["main"])
    monkeypatch.setenv(API_KEY_VARIABLE, "real")
    monkeypatch.setenv(SECRET_VARIABLE, "real-secret")
    found = access_of(ExecutionSettings(url="http://127.0.0.1:1"), "paper", tmp_path)
    assert found.credentials.api_key.get_secret_value() == keys.accounts["main"].api_key
    assert (found.url, found.websocket_url) == ("http://127.0.0.1:1", "ws://127.0.0.1:1")
    other = access_of(ExecutionSettings(url="https://host", account="other"), "paper", tmp_path)
    assert other.credentials.api_key.get_secret_value() == "real"
    assert other.websocket_url == "wss://host"


def test_a_file_named_wins(tmp_path: Path) -> None:
    """Whoever names one means it."""
    open_keys(tmp_path / "paper" / "keys.json", ["main"])
    path = tmp_path / "own.yaml"
    path.write_text("api_key: mine\nsecret: also-mine\n")
    path.chmod(0o600)
    found = access_of(ExecutionSettings(url="http://127.0.0.1:1"), "paper", tmp_path, path)
    assert found.credentials.api_key.get_secret_value() == "mine"


@pytest.mark.parametrize(
    "url", ["https://api.binance.com", "https://API.Binance.com:443/", "https://api1.binance.us", "https://binance.com"]
)
def test_paper_never_means_the_real_exchange(url: str, tmp_path: Path) -> None:
    """By address, and by the stream's address."""
    with pytest.raises(ConfigError, match="is the real exchange"):
        access_of(ExecutionSettings(url=url), "paper", tmp_path)
    with pytest.raises(ConfigError, match="is the real exchange"):
        access_of(ExecutionSettings(url="http://127.0.0.1:1", websocket_url=url), "paper", tmp_path)


def test_live_knows_one_address_and_needs_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address left in the configuration is a contradiction, not a preference."""
    for changes in ({"url": "http://127.0.0.1:1"}, {"websocket_url": "ws://127.0.0.1:1"}):
        with pytest.raises(ConfigError, match="real exchange alone"):
            access_of(ExecutionSettings(**changes), "live", tmp_path)
    with pytest.raises(ConfigError, match="no venue credentials"):
        access_of(ExecutionSettings(), "live", tmp_path)
    monkeypatch.setenv(API_KEY_VARIABLE, "real")
    monkeypatch.setenv(SECRET_VARIABLE, "real-secret")
    found = access_of(ExecutionSettings(), "live", tmp_path)
    assert (found.mode, found.url, found.websocket_url) == ("live", None, None)


def test_without_address_or_keys_there_is_no_paper_account(tmp_path: Path) -> None:
    """Each in one line that says what to do."""
    with pytest.raises(ConfigError, match="no paper exchange; give --url"):
        access_of(ExecutionSettings(), "paper", tmp_path)
    with pytest.raises(UsageError, match="no keys for account main"):
        access_of(ExecutionSettings(url="http://127.0.0.1:1"), "paper", tmp_path)


def test_names_tell_people_programs_and_processes_apart() -> None:
    """A user called `breaker` is still a person; a lease names the process that has it."""
    assert person().startswith(f"{user_name()}@")
    assert person() not in BY_ITSELF
    assert holder_name() == f"{person()}:{os.getpid()}"
    assert process_of(holder_name()) is None  # this process is no trader
    assert process_of("huracan halt") is None
    assert process_of(f"anna@elsewhere:{os.getpid()}") is None
