"""Draws of t = μᵀz for a von Mises-Fisher z, exact for every dimension and concentration."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

MAX_ROUNDS = 64
# Proposals that a round makes at once where few draws are left: a short tensor costs no less than this one.
PROPOSALS = 2048
MAX_PROPOSALS_PER_DRAW = 16


def draw_cosine_complement(concentration: Tensor, dim: int) -> Tensor:
    """`sample_cosine_complement`, also inside `torch.compile`, `torch.export`, `torch.jit.trace` and `torch.func`.

    Raises:
        RuntimeError: in `vmap(…, randomness="error")`, which is vmap's default, as torch's own random functions do.
        NotImplementedError: in `vmap(…, randomness="same")` where the concentrations are mapped.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return _operator(concentration, dim)
    if torch._C._functorch.peek_interpreter_stack() is not None:
        # Zeros that are mapped where vmap wants draws of their own for each example, whatever the concentrations are.
        return _operator(concentration + 0 * torch.rand_like(concentration), dim)
    return sample_cosine_complement(concentration, dim)


def sample_cosine_complement(concentration: Float[Tensor, " draws"], dim: int) -> Float[Tensor, " draws"]:
    """Draw w = 1 − t, where t = μᵀz is the cosine between a von Mises-Fisher draw and its mean direction.

    p(t) ∝ e^{κt} (1 − t²)^{(m−3)/2}     (5.14)

    The proposal of Ulrich and Wood is the cosine x of a *uniform* direction, p(x) ∝ (1 − x²)^{(m−3)/2}, moved by the
    Möbius map that carries the sphere towards its pole,

    t = (x + x₀) / (1 + x₀x),  x₀ = 2κ / (m − 1 + √((m − 1)² + 4κ²)),

    accepted with probability exp{(m − 1) [y/(1 + y) − log(1 + y)]}, y = x₀x. On average that is 1 for κ = 0 and never
    less than 0.65, so that all rounds fail with probability below 10⁻²⁹ a draw. There is no approximation for large κ,
    of which the usual one is wrong unless κ ≫ m (misconception V5).

    Args:
        concentration: κ ≥ 0, one value a draw, float64; nothing else has the digits.
        dim: m ≥ 2, the number of coordinates of z.

    Returns:
        w in [0, 2], small numbers with all their digits.

    Raises:
        RuntimeError: where a draw was rejected in every round, which does not happen for κ ≥ 0.

    Reference:
        Ulrich, "Computer generation of distributions on the m-sphere", Applied Statistics 1984; Wood, "Simulation of
        the von Mises Fisher distribution", Communications in Statistics 1994.
    """
    if dim == 3:
        return _invert_cdf(concentration)
    shifted = torch.hypot(2 * concentration, torch.full_like(concentration, dim - 1)) + (dim - 1)
    x0 = 2 * concentration / shifted
    e = _accepted(x0, dim)
    # 1 − x₀ = 2b/(1 + b) with Wood's b, which does not cancel for large κ.
    b = (dim - 1) / (2 * concentration + shifted - (dim - 1))
    return 2 * b / (1 + b) * e / (1 + x0 * (1 - e))


def _accepted(x0: Tensor, dim: int) -> Tensor:
    """e = 1 − x for proposals x that were accepted, one for each x₀."""
    result = torch.empty_like(x0)
    waiting: Tensor | None = None  # indices of the draws that have no value yet; None is all of them
    for _ in range(MAX_ROUNDS):
        draws = len(x0)
        if draws == 0:
            return result
        each = min(max(PROPOSALS // draws, 1), MAX_PROPOSALS_PER_DRAW)
        e = _propose(each, x0, dim)
        # s = 1 + y, and log s + 1/s − 1 = log(1 + y) − y/(1 + y). Short tensors are cheaper overwritten than made anew.
        s = (1 - e).mul_(x0).add_(1)
        nats = s.log().add_(s.reciprocal_()).sub_(1)
        accept = torch.rand_like(e) < nats.mul_(1 - dim).exp_()
        # The first accepted of each draw's proposals: argmax picks the first of equals.
        done, first = accept.view(torch.uint8).max(0)
        e, done = e.gather(0, first.unsqueeze(0))[0], done.view(torch.bool)
        if waiting is None:
            result = e
            waiting = (~done).nonzero()[:, 0]
            x0 = x0[waiting]
        else:
            # Rejected values are written too: a later round overwrites them.
            result[waiting] = e
            left = ~done
            waiting, x0 = waiting[left], x0[left]
    if len(x0):
        raise RuntimeError(
            f"von Mises-Fisher sampler: {len(x0)} of {len(result)} draws were rejected in all {MAX_ROUNDS} rounds; "
            "is the concentration a number?"
        )
    return result


def _propose(each: int, like: Tensor, dim: int) -> Tensor:
    """1 − x (each, draws), x being the cosine between a fixed and a uniform direction in `dim` coordinates.

    x = √(1 − U^{2/(m−2)}) cos 2πV (Ulrich 1984, symmetric beta). 1 − x is summed from positive terms.
    """
    u, v = torch.rand(2, each, len(like), dtype=like.dtype, device=like.device)
    g = u.pow_(2 / (dim - 2) if dim > 2 else math.inf)
    r = (1 - g).sqrt_()
    # cos 2πV = 1 − 2 sin² πV and 1 − r = g / (1 + r)
    return g.div_(1 + r).addcmul_(r, v.mul_(math.pi).sin_().square_(), value=2)


def _invert_cdf(concentration: Tensor) -> Tensor:
    """The case m = 3, where F⁻¹ is elementary: w = −log(1 − U(1 − e^{−2κ})) / κ, and 2U for κ = 0."""
    u = torch.rand_like(concentration)
    # κ this small changes no digit of the result, and its reciprocal is finite.
    kappa = concentration.clamp(min=1e-30)
    return -torch.log1p(u * torch.expm1(-2 * kappa)) / kappa


@torch.library.custom_op(
    "hvae_ref::sample_cosine_complement",
    mutates_args=(),
    schema="(Tensor concentration, int dim) -> Tensor",
    tags=(torch.Tag.nondeterministic_seeded,),
)
def _operator(concentration: Tensor, dim: int) -> Tensor:
    """`sample_cosine_complement` as one node of a graph."""
    return sample_cosine_complement(concentration.reshape(-1), dim).view(concentration.shape)


@_operator.register_fake
def _fake(concentration: Tensor, dim: int) -> Tensor:
    return torch.empty_like(concentration)


@_operator.register_vmap
def _operator_vmap(info: Any, in_dims: tuple[int, None], concentration: Tensor, dim: int) -> tuple[Tensor, int]:  # noqa: ANN401
    """All examples at once, each with draws of its own."""
    if info.randomness != "different":
        raise NotImplementedError(f'vmap of vMF draws: expected randomness="different", got "{info.randomness}"')
    return _operator(concentration.movedim(in_dims[0], 0), dim), 0
