"""Exercise 1.1: information on order.

Asked for is a function of a covariance Σ (D, D) and a number of nats that returns weights W (D, d) and noise Ψ (D, D)
with W Wᵀ + Ψ = Σ and I(x; z) equal to the nats. Many pairs are right, so the check compares the covariance of x and
the information.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.forms import UnsupportedAnswerError
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.2 · Same p(x), different usefulness"


def _share(covariance: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """One latent that accounts for `share` of the variance along the first Cholesky direction."""
    weight = math.sqrt(share) * torch.linalg.cholesky(covariance)[:, :1]
    return weight, covariance - weight @ weight.mT


def _model_on_order(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    return _share(covariance, 1 - math.exp(-2 * nats))


def _covariance_and_nats(rng: np.random.Generator) -> tuple[Tensor, float]:
    dim = size(rng, low=1, high=5)
    root = normal(rng, dim, dim, dtype=torch.float64)
    return root @ root.mT + 0.3 * torch.eye(dim, dtype=torch.float64), float(rng.uniform(0.2, 2.5))


def _marginal_and_information(answer: Any) -> dict[str, Any]:  # noqa: ANN401
    """What is compared of a pair (W, Ψ): the covariance of x, and I(x; z)."""
    pair = "expected a pair (W of shape (D, d), Ψ of shape (D, D))"
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        size = f" of length {len(answer)}" if isinstance(answer, list | tuple) else ""
        raise UnsupportedAnswerError(f"{pair}, got {type(answer).__name__}{size}")
    try:
        weight, noise = (torch.as_tensor(part, dtype=torch.float64) for part in answer)
    except (TypeError, ValueError, RuntimeError):
        kinds = " and ".join(type(part).__name__ for part in answer)
        raise UnsupportedAnswerError(f"{pair}, got {kinds}") from None
    if weight.ndim != 2 or noise.shape != (len(weight), len(weight)):
        raise UnsupportedAnswerError(f"{pair}, got shapes {tuple(weight.shape)} and {tuple(noise.shape)}")
    if not torch.allclose(noise, noise.mT, rtol=1e-4, atol=1e-6):
        raise UnsupportedAnswerError("the noise Ψ is expected to be a covariance; yours is not symmetric")
    lowest = float(torch.linalg.eigvalsh(noise)[0])
    if not lowest > 0:
        raise UnsupportedAnswerError(
            f"the noise Ψ is expected to be positive definite; its smallest eigenvalue is {lowest:.3g}"
        )
    marginal = weight @ weight.mT + noise
    return {"covariance of x": marginal, "I(x; z)": 0.5 * (torch.logdet(marginal) - torch.logdet(noise))}


def _edges() -> list[tuple[Tensor, float]]:
    """Very little and very much information; variances of very different sizes; one value and twenty; float32."""
    rng = np.random.default_rng(11)

    def covariance(dim: int, spread: float) -> Tensor:
        root = normal(rng, dim, dim, dtype=torch.float64) + 2 * torch.eye(dim, dtype=torch.float64)
        unit = torch.as_tensor(rng.uniform(-spread, spread, dim)).exp()
        return unit[:, None] * (root @ root.mT) * unit

    return [
        (covariance(1, 0), 0.01),
        (covariance(1, 3), 7.0),
        (covariance(2, 3), 0.01),
        (covariance(9, 1), 7.0),
        (covariance(9, 3), 1.0),
        ((covariance(4, 0) + torch.eye(4)).float(), 1.5),
        (covariance(20, 0), 0.8),
        (1e-6 * covariance(2, 0), 0.9),
        (covariance(1, 0), 12.0),
        *((covariance(3, 0), 0.8) for _ in range(2)),  # a second of one shape
    ]


wrong = Misconceptions(_SECTION)


@wrong("O14")
def _order_without_the_half(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    """The marginal is right, but the latent holds half of what was ordered: the ½ in front of the log-determinant of a
    Gaussian's entropy has been lost on the way.
    """
    return _share(covariance, 1 - math.exp(-nats))


@wrong("O12")
def _order_in_bits(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    """The marginal is right and the amount is, in bits. The order was in nats: one bit is log 2 of them."""
    return _share(covariance, 1 - 4.0**-nats)


@wrong("O14")
def _order_with_share_for_root(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    """The marginal is right, but the column was scaled by t² where t belongs: W enters the covariance squared, so the
    share of the variance became its square.
    """
    return _share(covariance, (1 - math.exp(-2 * nats)) ** 2)


@wrong("O14")
def _order_for_each_of_two(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    """Each of two latents holds the whole order, so together they hold twice as much. Information of independent
    latents adds up.
    """
    weight = math.sqrt(1 - math.exp(-2 * nats)) * torch.linalg.cholesky(covariance)[:, :2]
    return weight, covariance - weight @ weight.mT


@wrong("O14")
def _noise_kept(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    """The latent holds what was ordered, but p(x) has changed: what z explains was added to Σ and has to be taken out
    of the noise instead.
    """
    # I = ½ log(1 + s) in nats for W W^T = s l l^T beside the noise Σ.
    return math.sqrt(math.expm1(2 * nats)) * torch.linalg.cholesky(covariance)[:, :1], covariance


EXERCISE = Exercise(
    id="1.1",
    title="Information on order",
    kind="open",
    section=_SECTION,
    reference=_model_on_order,
    inputs=_covariance_and_nats,
    edge_cases=_edges,
    compare_as=_marginal_and_information,
    misconceptions=wrong,
)
