"""Exercise 7.8: what is a level worth?

Asked for is by how much conditioning on g lowers E[−log p(f)] in nats, alone and where c is known already, each (B,),
from a joint covariance (B, D, D).

The wrong answers, and the exercise itself, follow in `ex8_worth_of_a_level_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import normal, size

_SECTION = "What does the coarser level tell?"
Worth = tuple[Tensor, Tensor]


def _parts(covariance: Tensor, fine: int, coarse: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which coordinates are f, g and c."""
    return torch.arange(covariance.shape[-1]).tensor_split([fine, fine + coarse])


def _log_det(covariance: Tensor, *parts: Tensor) -> Tensor:
    index = torch.cat(parts)
    return torch.logdet(covariance[:, index[:, None], index])


def _nll(covariance: Tensor, f: Tensor, *given: Tensor) -> Tensor:
    """E[−log p(f | given)] without the constant of the normal density, which is the same in every difference."""
    whole = _log_det(covariance, f, *given)
    return (whole - _log_det(covariance, *given) if given else whole) / 2


def _worth(covariance: Tensor, fine: int, coarse: int) -> Worth:
    f, g, c = _parts(covariance, fine, coarse)
    alone = _nll(covariance, f) - _nll(covariance, f, g)
    return alone, _nll(covariance, f, c) - _nll(covariance, f, g, c)


def _covariances(rng: np.random.Generator) -> tuple[Tensor, int, int]:
    batch, fine, coarse, wide = size(rng), *(size(rng, high=3) for _ in range(3))
    dim = fine + coarse + wide
    factor = normal(rng, batch, dim, dim, dtype=torch.float64)
    unit = torch.as_tensor(rng.uniform(0.2, 3, dim))
    covariance = factor @ factor.mT + 0.3 * torch.eye(dim, dtype=torch.float64)
    return unit[:, None] * covariance * unit, fine, coarse


def _with(
    alone: Callable[..., Tensor] | None = None, after: Callable[..., Tensor] | None = None
) -> Callable[..., Worth]:
    """What g is worth, with another formula of the covariance and f, g, c for one of the numbers."""

    def worth(covariance: Tensor, fine: int, coarse: int) -> Worth:
        parts, right = _parts(covariance, fine, coarse), _worth(covariance, fine, coarse)
        return tuple(
            usual if other is None else other(covariance, *parts)
            for usual, other in zip(right, (alone, after), strict=True)
        )

    return worth


def _with_after(after: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Worth]:
    """The two numbers, with another formula for the second."""
    return _with(after=after)


def _with_alone(alone: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Worth]:
    """The two numbers, with another formula for the first."""
    return _with(alone=alone)


def _edges() -> list[tuple[Tensor, int, int]]:
    """g worth nothing alone and much beside c; g that c has; units of 1e-3 to 1e3; up to eight values; float32."""
    rng = np.random.default_rng(78)

    def drawn(batch: int, fine: int, coarse: int, wide: int, unit: float = 1.0) -> tuple[Tensor, int, int]:
        """Covariances of three blocks of sizes fine, coarse and wide, in units of their own."""
        dim = fine + coarse + wide
        factor = normal(rng, batch, dim, dim, dtype=torch.float64)
        units = torch.as_tensor(unit ** rng.uniform(-1, 1, dim))
        covariance = factor @ factor.mT / dim + 0.3 * torch.eye(dim, dtype=torch.float64)
        return units[:, None] * covariance * units, fine, coarse

    apart = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.01]]], dtype=torch.float64)
    repeated = torch.tensor([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]], dtype=torch.float64)
    copied = torch.tensor([[[2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.01]]], dtype=torch.float64)
    sizes = ((1, 1, 1, 8), (2, 8, 1, 1), (2, 1, 8, 1), (20, 2, 3, 4), (3, 1, 1, 1, 1e3), (2, 5, 2, 6, 30.0))
    mild = drawn(3, 2, 2, 1)
    independent = torch.eye(4, dtype=torch.float64)[None]
    small = [(1e-12 * covariance, *rest) for covariance, *rest in (drawn(1, 20, 20, 20), drawn(2, 3, 2, 30))]
    alike = torch.ones(1, 6, 6, dtype=torch.float64) + 1e-9 * torch.eye(6, dtype=torch.float64)
    return [
        *small,
        (alike, 2, 2),
        (torch.kron(repeated, torch.eye(9).double())[None] + 1e-9 * torch.eye(27), 9, 9),
        (apart, 1, 1),
        (copied, 1, 1),
        (independent, 2, 1),
        *(drawn(*each) for each in sizes),
        drawn(140, 1, 1, 1),
        (mild[0].float(), *mild[1:]),
    ]
