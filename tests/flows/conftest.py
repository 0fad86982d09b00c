"""Flows with random parameters: an untrained flow is close to the identity, and much passes there that is wrong."""

import pytest
import torch

from hvae_ref.flows import (
    AffineCouplingFlow,
    HouseholderSylvesterFlow,
    InverseAutoregressiveFlow,
    OrthogonalSylvesterFlow,
    PlanarFlow,
    SplineCouplingFlow,
    TriangularSylvesterFlow,
)
from hvae_ref.flows.base import HyperNetwork

FAMILIES = {
    "planar": PlanarFlow,
    "orthogonal": OrthogonalSylvesterFlow,
    "householder": HouseholderSylvesterFlow,
    "triangular": TriangularSylvesterFlow,
    "iaf": InverseAutoregressiveFlow,
    "coupling": AffineCouplingFlow,
    "spline": SplineCouplingFlow,
}


@pytest.fixture(params=FAMILIES)
def family(request):
    """Each family of flows."""
    return FAMILIES[request.param]


@pytest.fixture
def randomized():
    """Redraw every parameter of a flow: those of a step with a spread of about `scale` / √D, weights over √fan-in."""

    def redraw(flow, scale=0.7):
        with torch.no_grad():
            for module in flow.modules():
                width = flow.latent_dim if isinstance(module, HyperNetwork) else 1
                for parameter in module.parameters(recurse=False):
                    fan_in = max(parameter.shape[-1], 1) if parameter.ndim == 2 else 1
                    parameter.normal_(std=scale / (width * fan_in) ** 0.5)
        return flow

    return redraw
