"""The market part of the state: one machine per feature, the same code for batch and stream."""

from huracan.features.batch import RawFeatures, compute_raw, find_leader
from huracan.features.catalogue import CATALOGUE, FeatureSpec, catalogue_hash, catalogue_markdown, formula_hash
from huracan.features.engine import FeatureContext
from huracan.features.fit import FeatureFit, Scaler, apply_fit
from huracan.features.layout import HEAD_SIZE, LAYOUT, MARKET_SIZE, STATE_SIZE
from huracan.features.machines.coin import OPTIONAL_INPUTS
from huracan.features.stream import Bar, FeatureStream, StreamRow
from huracan.features.windows import WindowTable, windows_for

__all__ = [
    "CATALOGUE",
    "HEAD_SIZE",
    "LAYOUT",
    "MARKET_SIZE",
    "OPTIONAL_INPUTS",
    "STATE_SIZE",
    "Bar",
    "FeatureContext",
    "FeatureFit",
    "FeatureSpec",
    "FeatureStream",
    "RawFeatures",
    "Scaler",
    "StreamRow",
    "WindowTable",
    "apply_fit",
    "catalogue_hash",
    "catalogue_markdown",
    "compute_raw",
    "find_leader",
    "formula_hash",
    "windows_for",
]
