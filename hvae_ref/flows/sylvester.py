"""Sylvester flows: planar flows with M directions at once, made invertible by triangular factors."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hvae_ref.flows.base import INIT_SCALE, AmortizedFlow, HyperNetwork
from hvae_ref.flows.householder import OrthonormalColumns, mixing_matrix, unit_lower_vectors
from hvae_ref.flows.sylvester_step import triangular_solve, triangular_step

WIDEST_BOTTLENECK = 32
"""Columns of an orthogonal Sylvester flow unless told otherwise: half of a 64-dimensional latent space."""


@runtime_checkable
class Basis(Protocol):
    """Orthonormal columns Q (D, M)."""

    def project(self, z: Tensor) -> Tensor:
        """Qᵀ z: (B, D) to (B, M)."""

    def lift(self, s: Tensor) -> Tensor:
        """Q s: (B, M) to (B, D)."""


class Identity:
    """Q = I."""

    def project(self, z: Tensor) -> Tensor:
        """Z itself."""
        return z

    lift = project


class Reversal:
    """Q = the permutation that turns the order of the coordinates round."""

    def project(self, z: Tensor) -> Tensor:
        """Z from its last coordinate to its first."""
        return z.flip(-1)

    lift = project


class SylvesterStep(NamedTuple):
    """Parameters of one step.

    Attributes:
        basis: Q.
        layer: gives R and R̃ᵀ in one square, from the context.
        context: (B, C).
        raw_diagonal: the diagonal of R̃ before it is bounded, (B, M).
        shift: b, (B, M).
    """

    basis: Basis
    layer: nn.Module
    context: Tensor
    raw_diagonal: Tensor
    shift: Tensor

    def core(self) -> tuple[Tensor, Tensor, Tensor]:
        """The square (B, M, M), made on demand, then `raw_diagonal` and `shift`."""
        width = self.shift.shape[-1]
        square = self.layer(self.context).unflatten(-1, (width, width))
        return square, self.raw_diagonal, self.shift


class SylvesterFlow(AmortizedFlow):
    """z_t = z_{t−1} + Q R tanh(R̃ Qᵀ z_{t−1} + b), with all of them from the context (book, eq. 4.7).

    log |det ∂z_t / ∂z_{t−1}| = Σ_i log(1 + (1 − tanh²(·)_i) r_ii r̃_ii)   (book, eq. 4.8)

    Q (D, M) has orthonormal columns and R, R̃ (M, M) are upper triangular. Diagonals stay inside (−1, 1), hence
    r_ii r̃_ii > −1 and every step is invertible, whatever the context. R and R̃ share one square of M² numbers, so the
    hyper-network has no output that a mask throws away. The way back is M scalar equations a step.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.
        width: M ≤ D.
        basis_size: numbers from which Q is made, 0 where it is fixed.

    Reference:
        van den Berg, Hasenclever, Tomczak and Welling (2018), Sylvester Normalizing Flows for Variational Inference,
        https://arxiv.org/abs/1803.05649
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int, width: int, basis_size: int) -> None:
        start = INIT_SCALE / latent_dim**0.5
        super().__init__(latent_dim, context_dim, steps, torch.full((2 * width + basis_size,), start))
        self.width = width
        # The squares are most of all parameters. One layer for each step keeps every array small enough to be used
        # again: an output of all steps at once would be fetched from memory, and given back to it, in every pass.
        spread = torch.full((width * width,), start)
        self.squares = nn.ModuleList(HyperNetwork(context_dim, spread) for _ in range(steps))

    def _prepare(self, context: Tensor) -> list[SylvesterStep]:
        diagonal, shift, basis = self._raw(context).split(
            [self.width, self.width, self.hyper.out_features // self.steps - 2 * self.width], -1
        )
        parts = zip(self._bases(basis), self.squares, diagonal.unbind(1), shift.unbind(1), strict=True)
        return [SylvesterStep(basis, layer, context, d, b) for basis, layer, d, b in parts]

    @abstractmethod
    def _bases(self, raw: Tensor) -> list[Basis]:
        """Q of every step from (B, T, basis_size)."""

    def _step(self, step: int, z: Tensor, parameters: SylvesterStep) -> tuple[Tensor, Tensor]:
        moved, log_det = triangular_step(*parameters.core(), parameters.basis.project(z))
        return z + parameters.basis.lift(moved), log_det

    def _undo(self, step: int, z: Tensor, parameters: SylvesterStep) -> tuple[Tensor, Tensor]:
        moved, log_det = triangular_solve(*parameters.core(), parameters.basis.project(z))
        return z - parameters.basis.lift(moved), log_det


class _ReflectedSylvesterFlow(SylvesterFlow):
    """Q is the first `width` columns of a product of reflections."""

    def __init__(self, latent_dim: int, context_dim: int, steps: int, width: int, reflections: int) -> None:
        super().__init__(latent_dim, context_dim, steps, width, reflections * latent_dim)
        self.reflections = reflections

    def _bases(self, raw: Tensor) -> list[Basis]:
        vectors = unit_lower_vectors(raw.unflatten(-1, (self.reflections, self.latent_dim)))
        mixing = mixing_matrix(vectors)
        return [OrthonormalColumns(v, t, self.width) for v, t in zip(vectors.unbind(1), mixing.unbind(1), strict=True)]


class OrthogonalSylvesterFlow(_ReflectedSylvesterFlow):
    """A Sylvester flow through a bottleneck: Q has M < D orthonormal columns, R and R̃ are (M, M).

    Q is the first M columns of a product of M reflections, which reaches every M-frame of D-space (up to signs of its
    columns, and R and R̃ can undo those). It is orthonormal to rounding for every context; the iterative scheme of the
    paper is orthonormal only where it has converged.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.
        bottleneck: M; by default D, and at most `WIDEST_BOTTLENECK`.

    Raises:
        ValueError: for a size that is too small, or a bottleneck above D.
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4, bottleneck: int | None = None) -> None:
        width = min(latent_dim, WIDEST_BOTTLENECK) if bottleneck is None else bottleneck
        self.check_sizes(latent_dim, context_dim, steps, bottleneck=width)
        if width > latent_dim:
            raise ValueError(f"bottleneck: expected at most latent_dim = {latent_dim}, got {width}")
        super().__init__(latent_dim, context_dim, steps, width, reflections=width)


class HouseholderSylvesterFlow(_ReflectedSylvesterFlow):
    """A Sylvester flow with a square Q (M = D), the product of a few reflections.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.
        reflections: H; more than D of them reach nothing that D do not, so at most D are used.

    Raises:
        ValueError: for a size that is too small.
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4, reflections: int = 8) -> None:
        self.check_sizes(latent_dim, context_dim, steps, reflections=reflections)
        super().__init__(latent_dim, context_dim, steps, latent_dim, min(reflections, latent_dim))


class TriangularSylvesterFlow(SylvesterFlow):
    """A Sylvester flow with a fixed Q: the identity and the reversal of the coordinates in turns.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.

    Raises:
        ValueError: for a size that is too small.
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4) -> None:
        self.check_sizes(latent_dim, context_dim, steps)
        super().__init__(latent_dim, context_dim, steps, latent_dim, 0)

    def _bases(self, raw: Tensor) -> list[Basis]:
        return [Reversal() if step % 2 else Identity() for step in range(self.steps)]
