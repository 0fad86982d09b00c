"""Flows by name, as recipes and models ask for them."""

from __future__ import annotations

from hvae_ref.flows.base import AmortizedFlow
from hvae_ref.flows.coupling import AffineCouplingFlow, SplineCouplingFlow
from hvae_ref.flows.iaf import InverseAutoregressiveFlow
from hvae_ref.flows.planar import PlanarFlow
from hvae_ref.flows.sylvester import HouseholderSylvesterFlow, OrthogonalSylvesterFlow, TriangularSylvesterFlow

FLOWS: dict[str, type[AmortizedFlow]] = {
    "planar": PlanarFlow,
    "orthogonal": OrthogonalSylvesterFlow,
    "householder": HouseholderSylvesterFlow,
    "triangular": TriangularSylvesterFlow,
    "iaf": InverseAutoregressiveFlow,
    "coupling": AffineCouplingFlow,
    "spline": SplineCouplingFlow,
}
"""The families of flows by name."""


def build_flow(name: str, latent_dim: int, context_dim: int, steps: int) -> AmortizedFlow:
    """A flow of the family `name`, with that family's own settings at their defaults.

    Raises:
        ValueError: for an unknown name, and for sizes that are no whole numbers or too small.
    """
    if not isinstance(name, str) or name not in FLOWS:
        raise ValueError(f"flow: expected one of {', '.join(FLOWS)}, got {name!r}")
    # Before a family computes sizes of its own from these.
    AmortizedFlow.check_sizes(latent_dim, context_dim, steps)
    return FLOWS[name](latent_dim, context_dim, steps=steps)
