"""Where a trader runs: on a serve cluster only when one is up, and nothing is asked of Ray to know it."""

from pathlib import Path

import pytest

from huracan.commands.hosted import served_at, stop_hosted
from huracan.config import load_settings
from serve.surroundings import keep_settings


def test_without_serve_up_there_is_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it was brought up, and not when what was brought up has died."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    settings = load_settings(None, {}, {})
    assert served_at(settings) is None
    keep_settings(settings, "postgresql://nobody@/nothing", tmp_path)
    assert served_at(settings) is None
    assert stop_hosted(settings) is None


def test_a_configured_cluster_counts_once_something_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's cluster alone is no reason to trade on it."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    settings = load_settings(None, {"ray.address": "10.0.0.1:6379"}, {})
    assert served_at(settings) is None
    keep_settings(settings, "postgresql://nobody@/nothing", tmp_path)
    assert served_at(settings) == "10.0.0.1:6379"
