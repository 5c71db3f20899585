"""Every setting of huracan: frozen, typed, unknown keys refused, units in the names."""

from huracan.config.base import Timeframe
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
from huracan.config.notices import DestinationSettings, NoticeSettings
from huracan.config.remedies import RemediesSettings, RemedyKind, RemedyRule
from huracan.config.retrain import RetrainSettings
from huracan.config.settings import CREDENTIAL_VARIABLES, Settings, home_folder, load_settings, run_folder
from huracan.config.system import DatabaseSettings, RaySettings, ServeSettings, StorageSettings
from huracan.config.trading import BreakerTrigger, ExecutionSettings, PaperSettings, ProtectionSettings, RiskSettings

__all__ = [
    "CREDENTIAL_VARIABLES",
    "BreakerTrigger",
    "DataSettings",
    "DatabaseSettings",
    "DestinationSettings",
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
    "RemedyKind",
    "RemedyRule",
    "RetrainSettings",
    "RiskSettings",
    "SearchSettings",
    "ServeSettings",
    "Settings",
    "ShadowSettings",
    "StorageSettings",
    "Timeframe",
    "TradingSettings",
    "WalkForwardSettings",
    "home_folder",
    "load_settings",
    "run_folder",
]
