"""Amortised normalising flows: invertible maps whose parameters are functions of a context."""

from hvae_ref.flows.base import AmortizedFlow, FlowOutput
from hvae_ref.flows.coupling import AffineCouplingFlow, CouplingFlow, SplineCouplingFlow
from hvae_ref.flows.iaf import InverseAutoregressiveFlow
from hvae_ref.flows.planar import PlanarFlow
from hvae_ref.flows.posterior import FlowDistribution, FlowOnTop, FlowPosterior
from hvae_ref.flows.registry import FLOWS, build_flow
from hvae_ref.flows.sylvester import (
    HouseholderSylvesterFlow,
    OrthogonalSylvesterFlow,
    SylvesterFlow,
    TriangularSylvesterFlow,
)

__all__ = [
    "FLOWS",
    "AffineCouplingFlow",
    "AmortizedFlow",
    "CouplingFlow",
    "FlowDistribution",
    "FlowOnTop",
    "FlowOutput",
    "FlowPosterior",
    "HouseholderSylvesterFlow",
    "InverseAutoregressiveFlow",
    "OrthogonalSylvesterFlow",
    "PlanarFlow",
    "SplineCouplingFlow",
    "SylvesterFlow",
    "TriangularSylvesterFlow",
    "build_flow",
]
