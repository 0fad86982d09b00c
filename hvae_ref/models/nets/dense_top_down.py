"""The nets of a dense top-down model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from hvae_ref.errors import whole_number
from hvae_ref.flows import FlowOnTop, build_flow
from hvae_ref.models.base import Shape
from hvae_ref.models.nets import dense
from hvae_ref.models.top_down_model import ResidualBlock
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import (
    ConditionalNormal,
    DirectPosterior,
    LadderPosterior,
    RelativePosterior,
    StandardNormal,
)
from hvae_ref.nn.layers import Scale, mlp
from hvae_ref.nn.likelihoods import Likelihood
from hvae_ref.nn.sphere_heads import ConditionalVonMisesFisher, UniformSphere

UNNORMED = 5
"""With more levels than this, layer norms stand before the priors: what these read is a sum over all levels above."""

TOPS = ("gaussian", "sphere")
POSTERIORS = ("relative", "ladder")


def top_down_nets(
    x_shape: Shape,
    latent_dims: Sequence[int],
    hidden: int,
    posterior: str,
    likelihood: Likelihood,
    dropout: float,
    flow: dense.Flow,
    flow_steps: int,
    top: str,
    condition: Condition | None,
) -> dict[str, Any]:
    """Arguments of `TopDownVAE`: the side path, the priors, the posteriors, the descent and p(x|state).

    Arguments as in `TopDownVAE.dense`.
    """
    dims = dense.names(dense.check_dims(latent_dims))
    hidden, flow_steps = dense.check_width("hidden", hidden), whole_number("flow_steps", flow_steps)
    if top not in TOPS:
        raise ValueError(f"top: expected one of {', '.join(TOPS)}, got {top!r}")
    if posterior not in POSTERIORS:
        raise ValueError(f"posterior: expected one of {', '.join(POSTERIORS)}, got {posterior!r}")
    highest, c = next(iter(dims)), dense.size_of(condition)
    spheres = {highest} if top == "sphere" else set()
    if spheres and dims[highest] < 2:
        raise ValueError(f"latent_dims: expected a top level of at least 2 for a sphere, got {latent_dims}")
    families = dense.flow_names(flow, [level for level in dims if level not in spheres])

    nets: dict[str, dict[str, nn.Module]] = {"side_path": {}, "prior": {}, "posterior": {}, "descent": {}}
    for level, size in reversed(dims.items()):
        block = ResidualBlock(hidden, dropout=dropout)
        nets["side_path"][level] = dense.net((x_shape, c), (), hidden, then=[block]) if level == "z1" else block
        scale = [Scale(size**0.5)] if level in spheres else []
        embed = [*scale, nn.Linear(size, hidden), ResidualBlock(hidden, dropout=dropout)]
        nets["descent"][level] = nn.Sequential(*embed)
        if level != highest:
            net = dense.net((hidden, c), (hidden,), 2 * size, dropout, norm=len(dims) > UNNORMED)
            nets["prior"][level] = ConditionalNormal(net)
    nets["prior"][highest] = (UniformSphere if spheres else StandardNormal)((dims[highest],))
    for level, size in dims.items():
        nets["posterior"][level] = _posterior(size, level in spheres, hidden, posterior, dropout)
        if family := families.get(level):
            nets["posterior"][level] = FlowOnTop(nets["posterior"][level], build_flow(family, size, hidden, flow_steps))
    return {**nets, "p_x_given_state": dense.pixels(x_shape, (hidden, c), (hidden,), likelihood, dropout, norm=True)}


def _posterior(size: int, sphere: bool, hidden: int, kind: str, dropout: float) -> nn.Module:
    """q(z_l|z_>l, x) of one level, as the model's kind of posterior reads it from r_l."""
    if sphere:
        return DirectPosterior(ConditionalVonMisesFisher(mlp([hidden, hidden, size + 1], dropout)))
    net = mlp([hidden, hidden, 2 * size], dropout)
    return LadderPosterior(ConditionalNormal(net)) if kind == "ladder" else RelativePosterior(net)
