"""Flows of other libraries with the same shapes and the same context, measured by `flow_times` where installed.

Planar: pyro's `ConditionalPlanar`, with one linear layer a step as its net; normflows' `Planar`, which has no context
and one set of parameters for the whole batch; zuko has none. Inverse autoregressive: zuko's `MAF` and normflows'
`MaskedAffineAutoregressive`, both run in the direction of one pass a step, which makes them inverse autoregressive
flows, and with an affine map where ours has a gate. zuko's net has one hidden layer of 320 like ours. In normflows a
context allows for residual blocks alone: with one block the net has three hidden layers of 320, and with none a single
one that is linear, so that ours stands between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata

import torch
from torch import Tensor, nn

Peer = tuple[nn.Module, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]
PACKAGES = {"pyro": "pyro-ppl", "zuko": "zuko", "normflows": "normflows"}


def versions() -> dict[str, str | None]:
    """Version of each library, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name, package in PACKAGES.items():
        try:
            found[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def zuko_iaf(dim: int, context_dim: int, steps: int, hidden: int) -> Peer:
    """zuko's MAF, one pass a step."""
    from zuko.flows import MAF

    flow = MAF(dim, context_dim, transforms=steps, hidden_features=(hidden,))
    return flow, lambda z, context: flow.transform(context).call_and_ladj(z)


def normflows_iaf(dim: int, context_dim: int, steps: int, hidden: int, blocks: int) -> Peer:
    """normflows' masked affine autoregressive flow, one pass a step, coordinates reversed between steps."""
    from normflows.flows import MaskedAffineAutoregressive

    flows = nn.ModuleList(
        MaskedAffineAutoregressive(dim, hidden, context_features=context_dim, num_blocks=blocks) for _ in range(steps)
    )

    def run(z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(len(z))
        for flow in flows:
            z, change = flow(z, context)
            z, total = z.flip(-1), total + change
        return z, total

    return flows, run


def pyro_planar(dim: int, context_dim: int, steps: int, hidden: int) -> Peer:
    """pyro's planar flow with a context; its net is one linear layer, as in ours."""
    from pyro.distributions.transforms import ConditionalPlanar

    class Net(nn.Linear):
        def forward(self, context: Tensor) -> tuple[Tensor, ...]:
            return super().forward(context).split([1, dim, dim], -1)

    flows = nn.ModuleList(ConditionalPlanar(Net(context_dim, 2 * dim + 1)) for _ in range(steps))

    def run(z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(len(z))
        for flow in flows:
            step = flow.condition(context)
            moved = step(z)
            z, total = moved, total + step.log_abs_det_jacobian(z, moved)
        return z, total

    return flows, run


def normflows_planar(dim: int, context_dim: int, steps: int, hidden: int) -> Peer:
    """normflows' planar flow: parameters of its own, the same for every row, and no context."""
    from normflows.flows import Planar

    flows = nn.ModuleList(Planar((dim,)) for _ in range(steps))

    def run(z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(len(z))
        for flow in flows:
            z, change = flow(z)
            total = total + change
        return z, total

    return flows, run


PEERS: dict[str, dict[str, tuple[str, Callable[..., Peer]]]] = {
    "planar": {
        "pyro ConditionalPlanar": ("pyro", pyro_planar),
        "normflows Planar, not amortised": ("normflows", normflows_planar),
    },
    "iaf": {
        "zuko MAF used as IAF": ("zuko", zuko_iaf),
        "normflows MAF used as IAF, one residual block": ("normflows", partial(normflows_iaf, blocks=1)),
        "normflows MAF used as IAF, a linear net": ("normflows", partial(normflows_iaf, blocks=0)),
    },
}


def installed(family: str) -> dict[str, Callable[..., Peer]]:
    """The peers of a family whose library can be imported here."""
    have = versions()
    return {name: make for name, (library, make) in PEERS.get(family, {}).items() if have[library]}


def check(peer: Peer, dim: int, context_dim: int) -> float:
    """How far a peer's log-determinant is from autograd's at one point: all ways do the same work, or none counts."""
    _, run = peer
    z, context = torch.randn(1, dim), torch.randn(1, context_dim)
    copies = z.expand(dim, -1).clone().requires_grad_()
    out = run(copies, context.expand(dim, -1))[0]
    jacobian = torch.autograd.grad(out.diagonal().sum(), copies)[0]
    return float((torch.linalg.slogdet(jacobian)[1] - run(z, context)[1]).detach().abs().max())
