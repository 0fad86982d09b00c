"""Figures of evoked responses."""

from hvae_ref.errors import optional_import

optional_import("matplotlib", extra="abr", wanted_by="hvae_ref.abr.plots")

from hvae_ref.abr.plots.exchange import live_response
from hvae_ref.abr.plots.latency_curves import latency_intensity
from hvae_ref.abr.plots.responses import response_stack, response_walks, swap_grid

__all__ = [
    "latency_intensity",
    "live_response",
    "response_stack",
    "response_walks",
    "swap_grid",
]
