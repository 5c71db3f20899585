"""Configuration: the merge and its precedence, what is refused, what is shown, and where huracan keeps its data."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from huracan.config import Settings, home_folder, load_settings
from huracan.errors import ConfigError


def _written(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    """Command line beats environment beats file beats default, key by key."""
    path = _written(tmp_path, "ppo: {lr: 0.1, gamma: 0.5, lambda_: 0.6}")
    environ = {"HURACAN__PPO__LR": "0.2", "HURACAN__PPO__GAMMA": "0.7", "PATH": "x"}
    settings = load_settings(path, {"ppo.lr": 0.3}, environ)
    assert (settings.ppo.lr, settings.ppo.gamma, settings.ppo.lambda_) == (0.3, 0.7, 0.6)
    assert settings.ppo.entropy_coeff == Settings().ppo.entropy_coeff


def test_the_environment_is_typed_by_yaml() -> None:
    """Lists, numbers and nothing can be given through the environment."""
    environ = {
        "HURACAN__SHADOW__SEEDS": "[4, 5]",
        "HURACAN__TRADING__HOLD_BARS": "null",
        "HURACAN__DATA__SYMBOLS": "[A/B]",
    }
    settings = load_settings(None, None, environ)
    assert (settings.shadow.seeds, settings.trading.hold_bars, settings.data.symbols) == ((4, 5), None, ("A/B",))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"ppo.learning_rate": 1}, "unknown key ppo.learning_rate"),
        ({"nothing.here": 1}, "unknown key nothing"),
        ({"ppo.lr": "fast"}, "ppo.lr"),
        ({"ppo.lr": -1}, "ppo.lr"),
        ({"ppo.lr": float("nan")}, "ppo.lr"),
        ({"ppo.lr": float("inf")}, "ppo.lr"),
        ({"ppo.lr": None}, "ppo.lr"),
        ({"data.symbols": "BTC/USDT"}, "data.symbols: a list is needed"),
        ({"ppo": 3}, "ppo"),
        ({"ppo.minibatch_size": 9_000}, "ppo.minibatch_size 9000 exceeds ppo.train_batch_size 8192"),
        ({"env.num_envs": 10_000}, "env.num_envs 10000 exceeds"),
        ({"data.timeframe": "7m"}, "data.timeframe"),
        ({"ppo": 3, "ppo.lr": 1}, "ppo is a value, not a section"),
        ({"risk.protections": [{"method": "CooldownPeriod", "trade_limit": 2}]}, "CooldownPeriod has no parameter"),
        ({"risk.protections": [{"method": "MaxDrawdown", "only_per_pair": True}]}, "MaxDrawdown has no parameter"),
        ({"risk.protections": [{"method": "Cooldown"}]}, "risk.protections.0.method"),
        ({"risk.breaker_triggers": ["luck"]}, "risk.breaker_triggers.0"),
        ({"execution.recv_window_ms": 60_001}, "execution.recv_window_ms"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(overrides: dict[str, object], named: str) -> None:
    """Unknown keys, wrong types, values out of bounds and contradictions are refused by name, on one line."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, overrides, {})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_given_on_the_command_line_resets_an_optional_setting(tmp_path: Path) -> None:
    """`--set trading.hold_bars=null` goes back to "from the timeframe", whatever the file says."""
    path = _written(tmp_path, "trading: {hold_bars: 7}")
    assert load_settings(path, {"trading.hold_bars": None}, {}).trading.hold_bars is None


def test_a_variable_that_is_not_yaml_is_named() -> None:
    """A broken value in the environment is refused by the variable's name, on one line."""
    with pytest.raises(ConfigError, match=r"HURACAN__PPO__LR: the value is not YAML"):
        load_settings(None, None, {"HURACAN__PPO__LR": "["})


@pytest.mark.parametrize(
    "text",
    ["ppo: [", "- a list", "just text", "\x00", "1: 2"],
    ids=["not yaml", "a list", "a text", "a control character", "a number for a section"],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    """A file that is not YAML, or not sections of keys, is refused by its path."""
    path = _written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, None, {})
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A configuration file that does not exist, or is a folder, is an error, not the defaults."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_settings(path, None, {})


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """A file without content changes nothing."""
    assert load_settings(_written(tmp_path, "# nothing\n"), None, {}) == Settings()


def test_settings_cannot_be_changed() -> None:
    """The merged settings and their sections are frozen."""
    with pytest.raises(ValidationError):
        Settings().ppo.lr = 1.0  # type: ignore[misc]


def test_the_secret_stays_out_of_what_is_stored_and_of_the_hash() -> None:
    """The database URL is in neither the public values nor the text of the settings, and does not change the hash."""
    settings = load_settings(None, {"database.url": "postgresql://u:hunter2@h/d"}, {})
    assert "hunter2" not in str(settings.public()) + repr(settings)
    assert settings.hash == Settings().hash
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value().endswith("@h/d")


def test_the_hash_follows_the_values() -> None:
    """Two settings have the same hash when and only when their values agree."""
    assert load_settings(None, {"ppo.lr": 3e-4}, {}).hash == Settings().hash
    assert load_settings(None, {"ppo.lr": 1e-4}, {}).hash != Settings().hash


def test_home_is_absolute_and_a_job_must_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HURACAN_HOME decides; without it the working directory's; a relative one, or none in a Ray job, is refused."""
    monkeypatch.chdir(tmp_path)
    assert home_folder({"HURACAN_HOME": "/data/huracan"}) == Path("/data/huracan")
    assert home_folder({}) == Path.cwd() / ".huracan"
    with pytest.raises(ConfigError, match="relative"):
        home_folder({"HURACAN_HOME": "somewhere"})
    with pytest.raises(ConfigError, match="runtime environment"):
        home_folder({"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"})


@pytest.mark.parametrize("name", ["laptop.yaml", "production.yaml"])
def test_the_shipped_files_load(name: str) -> None:
    """Each starting configuration is valid and differs from the defaults."""
    settings = load_settings(Path(__file__).parents[2] / "configs" / name, None, {})
    assert settings != Settings()


def test_the_venues_keys_are_no_settings() -> None:
    """Key and secret in the environment are left to the venue: not refused as unknown, not read, in no hash."""
    environ = {"HURACAN__VENUE__API_KEY": "{hush", "HURACAN__VENUE__SECRET": "hush"}
    settings = load_settings(None, None, environ)
    assert settings.hash == load_settings(None, None, {}).hash
    assert "hush" not in repr(settings)
    with pytest.raises(ConfigError, match="venue"):
        load_settings(None, None, {"HURACAN__VENUE__PASSPHRASE": "x"})
    with pytest.raises(ConfigError, match="venue"):
        load_settings(None, {"venue.secret": "x"}, {})


def test_a_runs_own_settings_stand_below_what_is_said_anew(tmp_path: Path) -> None:
    """What neither file, environment nor command line names stays as the run had it, key by key."""
    run = load_settings(None, {"ppo.lr": 0.01, "ppo.gamma": 0.5, "shadow.seeds": [4]}, {})
    path = _written(tmp_path, "ppo: {gamma: 0.6}")
    settings = load_settings(path, {"risk.max_open_trades": 3}, {}, base=run.public())
    assert (settings.ppo.lr, settings.ppo.gamma, settings.shadow.seeds) == (0.01, 0.6, (4,))
    assert settings.risk.max_open_trades == 3
    assert load_settings(None, None, {}, base=run.public()).hash == run.hash
