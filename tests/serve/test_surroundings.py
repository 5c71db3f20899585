"""Surroundings: what is served reads the configuration of `serve up`, and nothing secret leaves its file."""

import json
import stat
from pathlib import Path

import pytest

from huracan.config import load_settings
from huracan.errors import ConfigError
from serve.surroundings import (
    SETTINGS_VARIABLE,
    keep_settings,
    read_settings,
    runtime_env,
    serving_settings,
    settings_file,
)

URL = "postgresql+psycopg2://huracan:a-secret@/huracan?host=/somewhere"


def test_the_configuration_arrives_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line, environment and file of `serve up` decide; those of the process that reads do not."""
    given = load_settings(None, {"trading.stake_amount": 250.0, "data.symbols": ["BTC/USDT"]}, {})
    path = keep_settings(given, URL, tmp_path)
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    monkeypatch.setenv("HURACAN__TRADING__STAKE_AMOUNT", "999")
    found = serving_settings()
    assert found.public() == given.public()
    assert found.database.url is not None
    assert found.database.url.get_secret_value() == URL


def test_addresses_of_notices_arrive_by_the_file_alone(tmp_path: Path) -> None:
    """The monitor reads them where the database's password stands; a public value never has them."""
    url = "tgram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/12345"
    given = load_settings(None, {"notices.destinations": [{"name": "me", "url": url, "level": "info"}]}, {})
    found = read_settings(keep_settings(given, URL, tmp_path))
    assert found.notices.destinations == given.notices.destinations
    assert found.notices.destinations[0].url.get_secret_value() == url
    assert "AAHdqTcv" not in json.dumps(runtime_env(tmp_path)) + json.dumps(found.public())


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The file is written for its owner alone; one that is open to others is not believed."""
    path = keep_settings(load_settings(None, {}, {}), URL, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_settings(path)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_file_that_holds_something_else_is_one_line(tmp_path: Path, content: str) -> None:
    """What it holds is not quoted."""
    path = keep_settings(load_settings(None, {}, {}), URL, tmp_path)
    path.write_text(content)
    with pytest.raises(ConfigError, match="holds no settings"):
        read_settings(path)


def test_without_serve_up_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve run` and `serve deploy` work on a cluster that somebody else has started."""
    monkeypatch.delenv(SETTINGS_VARIABLE, raising=False)
    monkeypatch.setenv("HURACAN__TRADING__STAKE_AMOUNT", "777")
    assert serving_settings().trading.stake_amount == 777.0
    monkeypatch.setenv(SETTINGS_VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match="serve up"):
        serving_settings()


def test_ray_is_told_places_and_no_secrets(tmp_path: Path) -> None:
    """Runtime environments are shown in the dashboard."""
    keep_settings(load_settings(None, {}, {}), URL, tmp_path)
    told = json.dumps(runtime_env(tmp_path))
    assert str(settings_file(tmp_path)) in told
    assert "a-secret" not in told
