"""The whole configuration and how it is read.

Precedence: command line > environment (`HURACAN__SECTION__KEY`) > YAML file > the defaults below. Names follow
freqtrade's and ccxt's where they have one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from huracan.config.health import HealthSettings
from huracan.config.learning import (
    DataSettings,
    EnvSettings,
    FeatureSettings,
    GateSettings,
    PolicySettings,
    PpoSettings,
    QualitySettings,
    SearchSettings,
    ShadowSettings,
    TradingSettings,
    WalkForwardSettings,
)
from huracan.config.notices import NoticeSettings
from huracan.config.remedies import RemediesSettings
from huracan.config.retrain import RetrainSettings
from huracan.config.system import DatabaseSettings, RaySettings, ServeSettings, StorageSettings
from huracan.config.trading import ExecutionSettings, PaperSettings, ProtectionSettings, RiskSettings
from huracan.errors import ConfigError
from huracan.storage import Location

__all__ = [
    "CREDENTIAL_VARIABLES",
    "DataSettings",
    "DatabaseSettings",
    "EnvSettings",
    "ExecutionSettings",
    "FeatureSettings",
    "GateSettings",
    "HealthSettings",
    "NoticeSettings",
    "PaperSettings",
    "PolicySettings",
    "PpoSettings",
    "ProtectionSettings",
    "QualitySettings",
    "RaySettings",
    "RemediesSettings",
    "RetrainSettings",
    "RiskSettings",
    "SearchSettings",
    "ServeSettings",
    "Settings",
    "ShadowSettings",
    "StorageSettings",
    "TradingSettings",
    "WalkForwardSettings",
    "home_folder",
    "load_settings",
    "run_folder",
]

CREDENTIAL_VARIABLES = ("HURACAN__VENUE__API_KEY", "HURACAN__VENUE__SECRET")
"""Read by `huracan.venue.load_credentials` alone: keys are no settings, so that they are in no file, hash or report."""


class Settings(BaseSettings):
    """The whole configuration; `hash` identifies the effective values (secrets left out)."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="HURACAN__", env_nested_delimiter="__", validate_default=True
    )

    data: DataSettings = DataSettings()
    quality: QualitySettings = QualitySettings()
    features: FeatureSettings = FeatureSettings()
    trading: TradingSettings = TradingSettings()
    env: EnvSettings = EnvSettings()
    policy: PolicySettings = PolicySettings()
    ppo: PpoSettings = PpoSettings()
    search: SearchSettings = SearchSettings()
    walk_forward: WalkForwardSettings = WalkForwardSettings()
    shadow: ShadowSettings = ShadowSettings()
    gate: GateSettings = GateSettings()
    retrain: RetrainSettings = RetrainSettings()
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    paper: PaperSettings = PaperSettings()
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    ray: RaySettings = RaySettings()
    serve: ServeSettings = ServeSettings()
    health: HealthSettings = HealthSettings()
    remedies: RemediesSettings = RemediesSettings()
    notices: NoticeSettings = NoticeSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ppo.minibatch_size > self.ppo.train_batch_size:
            raise ValueError(
                f"ppo.minibatch_size {self.ppo.minibatch_size} exceeds ppo.train_batch_size {self.ppo.train_batch_size}"
            )
        if self.env.num_envs > self.ppo.train_batch_size:
            raise ValueError(
                f"env.num_envs {self.env.num_envs} exceeds ppo.train_batch_size {self.ppo.train_batch_size}"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the merge to `load_settings`: a plain construction reads nothing from the outside."""
        return (init_settings,)

    def public(self) -> dict[str, Any]:
        """Return the effective values as JSON types, without any secret."""
        return self.model_dump(mode="json", exclude={"database": {"url"}, "notices": {"destinations"}})

    @property
    def hash(self) -> str:
        """Return the SHA-256 of `public()`, hexadecimal."""
        return hashlib.sha256(json.dumps(self.public(), sort_keys=True).encode()).hexdigest()


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the absolute folder of huracan's own data: `HURACAN_HOME`, or `.huracan` in the working directory.

    Raises:
        ConfigError: `HURACAN_HOME` is relative, or missing in a submitted Ray job, whose working directory is a copy.
    """
    given = os.environ if environ is None else environ
    home = given.get("HURACAN_HOME")
    if not home:
        if given.get("RAY_JOB_CONFIG_JSON_ENV_VAR"):
            raise ConfigError("HURACAN_HOME is not set in this Ray job; pass it in the job's runtime environment")
        return Path.cwd() / ".huracan"
    if not Path(home).is_absolute():
        raise ConfigError(f"HURACAN_HOME {home} is relative; set it to an absolute folder")
    return Path(home)


def run_folder(settings: Settings, run_id: int) -> Location:
    """Return where a run keeps its checkpoints, results and policies, the same place for every process that asks.

    Raises:
        ConfigError: the folder is relative, or there is no home to keep it in.
    """
    runs = settings.storage.runs or home_folder() / "runs"
    if not runs.is_absolute():
        raise ConfigError(f"storage.runs {runs} is relative; give an absolute folder or an s3:// URL")
    return runs / str(run_id)


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    base: Mapping[str, Any] | None = None,
) -> Settings:
    """Merge defaults, the YAML file, the environment and the command line into one frozen `Settings`.

    Args:
        path: YAML file, or None for the defaults alone.
        overrides: dotted keys from the command line, e.g. `{"ppo.lr": 1e-4}`; None is a value like any other.
        environ: environment to read `HURACAN__SECTION__KEY` from; None reads the process's.
        base: `Settings.public()` of a run, to stand below the file: what is not said anew stays as the run had it.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value does not fit; one line names each.
    """
    merged: dict[str, Any] = _overlay(base or {}, _read_yaml(path) if path else {})
    for name, value in sorted((os.environ if environ is None else environ).items()):
        if name.startswith("HURACAN__") and name not in CREDENTIAL_VARIABLES:
            try:
                loaded = yaml.safe_load(value)
            except yaml.YAMLError:
                raise ConfigError(f"environment variable {name}: the value is not YAML; quote it") from None
            _put(merged, name.removeprefix("HURACAN__").lower().split("__"), loaded, name)
    for key, value in (overrides or {}).items():
        _put(merged, key.split("."), value, key)
    try:
        return Settings(**merged)
    except ValidationError as error:
        where = f"{path}, environment or command line" if path else "environment or command line"
        raise ConfigError(f"configuration ({where}): {_explain(error)}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {path} cannot be read: {error}; give an existing YAML file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration file {path} is not YAML: {' '.join(str(error).split())}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"configuration file {path} holds {type(loaded).__name__}, not sections of keys")
    odd = [key for key in loaded if not isinstance(key, str)]
    if odd:
        raise ConfigError(f"configuration file {path}: {odd[0]!r} is no section; name one, e.g. ppo")
    return loaded


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with every key of `above` in its place, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _overlay(under, value) if both and under is not None else value
    return merged


def _put(tree: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    """Set one nested key; a value where a section is expected is the user's mistake."""
    for key in keys[:-1]:
        node = tree.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{name}: {key} is a value, not a section")
        tree = node
    tree[keys[-1]] = value


_EXPECTED = {"tuple_type": "a list is needed, e.g. [a, b]", "model_type": "a section of keys is needed"}


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"]) or "settings"
        said = _EXPECTED.get(item["type"], item["msg"].removeprefix("Value error, "))
        parts.append("unknown key " + key if item["type"] == "extra_forbidden" else f"{key}: {said}")
    return "; ".join(parts)
