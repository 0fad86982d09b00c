"""Figures of features and anomalies."""

from hvae_ref.errors import optional_import

optional_import("matplotlib", extra="features", wanted_by="hvae_ref.features.plots")

from hvae_ref.features.plots.anomaly_maps import anomaly_maps
from hvae_ref.features.plots.architecture import density_architecture
from hvae_ref.features.plots.feature_maps import feature_maps, picture_rows
from hvae_ref.features.plots.path_curves import path_curves
from hvae_ref.features.plots.surprise_page import live_surprise

__all__ = [
    "anomaly_maps",
    "density_architecture",
    "feature_maps",
    "live_surprise",
    "path_curves",
    "picture_rows",
]
