"""Wrong answers to exercise 7.2: the log-density of a mixture.

The reference and the inputs are in `ex2_log_density_of_a_mixture.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae_ref.exercises.ch07.ex2_log_density_of_a_mixture import (
    _LOG_2_PI,
    _SECTION,
    _edges,
    _features_and_mixture,
    _gaussians,
    _log_density,
    _log_scales,
    _squares,
    _with_added,
    _with_join,
    _with_part,
    _with_squares,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("D4", into=_with_join)
def _a_log_of_exponentials(logits: Tensor, gaussians: Tensor) -> Tensor:
    """Right where densities are large enough to exist. Sixty standard deviations out, where anomalies are, the
    exponential is 0 and its logarithm −∞. Stay in logarithms.
    """
    return (logits.softmax(0) * gaussians.exp()).sum(-1).log()


@wrong(
    "D4",
    into=_with_join,
    variants={f"{math.log(small):.1f}": small for small in (1e-8, 1e-10, 1e-12, 1e-20, 1e-30, 1e-300)},
)
def _a_small_number_added(logits: Tensor, gaussians: Tensor, small: float) -> Tensor:
    """A small number inside the logarithm hides the underflow: every anomaly gets the same score, {}. Stay in
    logarithms.
    """
    return ((logits.softmax(0) * gaussians.exp()).sum(-1) + small).log()


@wrong("D4", into=_with_part)
def _log_of_the_product(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """The determinant is multiplied out before its logarithm is taken. With many channels of little spread the product
    is 0 in floating point, and its logarithm −∞.
    """
    det = scale_tril.diagonal(dim1=1, dim2=2).prod(-1)
    return _squares(f, loc, scale_tril) - det.log() - f.shape[1] * _LOG_2_PI / 2


@wrong("D4", into=_with_added)
def _without_determinant(tril: Tensor, dim: int) -> Tensor | float:
    """The determinant is missing. A wide component then has the same height as a narrow one, and its integral grows
    with its width.
    """
    return _log_scales(tril)


@wrong("D4", into=_with_added)
def _determinant_whole(tril: Tensor, dim: int) -> Tensor | float:
    """The determinant of Σ is subtracted whole. Which power of |Σ| stands in the density, and how does |Σ| go with the
    determinant of L?
    """
    return -_log_scales(tril)


@wrong("D4", into=_with_added)
def _half_of_the_factor(tril: Tensor, dim: int) -> Tensor | float:
    """Half the log-determinant of *L* is subtracted. The ½ belongs to that of Σ = L Lᵀ."""
    return _log_scales(tril) / 2


@wrong("D4", into=_with_added)
def _determinant_added(tril: Tensor, dim: int) -> Tensor | float:
    """The log-determinant is added: the wider a component, the higher its density would be, everywhere."""
    return 2 * _log_scales(tril)


@wrong("D4", into=_with_added)
def _without_constant(tril: Tensor, dim: int) -> Tensor | float:
    """The constant of the normal density is missing. It is the same for all components, but without it the integral is
    not one.
    """
    return dim * _LOG_2_PI / 2


@wrong("D4", into=_with_added)
def _constant_once(tril: Tensor, dim: int) -> Tensor | float:
    """2π is counted once. It has a power that grows with the dimensions."""
    return (dim - 1) * _LOG_2_PI / 2


@wrong("D4", into=_with_added)
def _constant_twice(tril: Tensor, dim: int) -> Tensor | float:
    """2π has twice the power that it should have: what stands in the density is its root, for each dimension."""
    return -dim * _LOG_2_PI / 2


@wrong("D4", into=_with_part)
def _without_the_half(f: Tensor, loc: Tensor, tril: Tensor) -> Tensor:
    """The half before the squared distance is missing."""
    return _gaussians(f, loc, tril) + _squares(f, loc, tril)


@wrong("D4", into=_with_part)
def _covariance_as_the_factor(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """The covariance stands where its Cholesky factor belongs. Only one of the two is called `scale_tril`, and it is
    given already.
    """
    factor = scale_tril @ scale_tril.mT
    white = torch.linalg.solve(factor, (f[:, None] - loc).unsqueeze(-1)).squeeze(-1)
    return -white.square().sum(-1) / 2 - 2 * _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2


@wrong("D4", into=_with_part)
def _covariance_in_the_triangle(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """The factor has been squared, and the lower triangle of the covariance is used as a factor. What is given is the
    factor already.
    """
    return _gaussians(f, loc, (scale_tril @ scale_tril.mT).tril())


@wrong("D4", into=_with_squares)
def _factor_as_covariance(scale_tril: Tensor, centred: Tensor) -> Tensor:
    """The factor is used as if it were the covariance: (f − μ)ᵀ L⁻¹ (f − μ). Which matrix belongs between?"""
    return centred * torch.linalg.solve_triangular(scale_tril, centred, upper=False)


@wrong("D4", into=_with_squares)
def _multiplied(scale_tril: Tensor, centred: Tensor) -> Tensor:
    """f − μ is multiplied by L. Multiplying gives white noise its covariance; a density has to take it away again."""
    return (scale_tril @ centred).square()


@wrong("D4", into=_with_squares)
def _transposed(scale_tril: Tensor, centred: Tensor) -> Tensor:
    """It is Lᵀ that is undone here. A draw is μ + L ε; which system gives ε back?"""
    return torch.linalg.solve_triangular(scale_tril.mT, centred, upper=True).square()


@wrong("D4", into=_with_squares)
def _diagonal_alone(scale_tril: Tensor, centred: Tensor) -> Tensor:
    """Only the diagonal of L is used, as if features did not go together."""
    return (centred / scale_tril.diagonal(dim1=1, dim2=2).unsqueeze(-1)).square()


@wrong("D4", into=_with_join)
def _equal_weights(logits: Tensor, gaussians: Tensor) -> Tensor:
    """The components are averaged with equal weights. The logits say how much each of them counts."""
    return gaussians.logsumexp(-1) - math.log(len(logits))


@wrong("D4", into=_with_join)
def _logits_as_they_come(logits: Tensor, gaussians: Tensor) -> Tensor:
    """The logits are used as they come. Weights have to add up to one, or the mixture integrates to something else."""
    return (logits + gaussians).logsumexp(-1)


@wrong("D4", into=_with_join)
def _weights_beside_logarithms(logits: Tensor, gaussians: Tensor) -> Tensor:
    """Weights are added to log-densities. Beside a logarithm belongs a logarithm."""
    return (logits.softmax(0) + gaussians).logsumexp(-1)


@wrong("D4", into=_with_join)
def _without_weights(logits: Tensor, gaussians: Tensor) -> Tensor:
    """The components are added up without weights, so they integrate to K."""
    return gaussians.logsumexp(-1)


@wrong("D4", into=_with_join)
def _mean_of_logarithms(logits: Tensor, gaussians: Tensor) -> Tensor:
    """This is a mean of log-densities, not the logarithm of a mean density. It is never larger, and one component that
    lies far away drags it down without end.
    """
    return (logits.softmax(0) * gaussians).sum(-1)


@wrong("D4", into=_with_join)
def _product_of_components(logits: Tensor, gaussians: Tensor) -> Tensor:
    """The logarithms of the components are added: that multiplies their densities. A mixture adds them."""
    return (logits.log_softmax(0) + gaussians).sum(-1)


@wrong("D4", into=_with_join)
def _largest_weight(logits: Tensor, gaussians: Tensor) -> Tensor:
    """Only the component of largest weight counts here. A row may lie in another one."""
    return gaussians[:, logits.argmax()]


@wrong("D4", into=_with_join)
def _plain_mean_of_logarithms(logits: Tensor, gaussians: Tensor) -> Tensor:
    """The log-densities of the components are averaged. A mixture adds *densities*, with their weights."""
    return gaussians.mean(-1)


@wrong("D4", into=_with_join)
def _best_component(logits: Tensor, gaussians: Tensor) -> Tensor:
    """Only the best component counts here. Between two components both do, and without the others the integral is less
    than one.
    """
    return (logits.log_softmax(0) + gaussians).max(-1).values


@wrong("D4")
def _density_of_each_batch(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """All rows are added up. Asked for is one number for each of them."""
    return _log_density(f, logits, loc, scale_tril).sum()


@wrong("D4")
def _mean_over_the_batch(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """The rows are averaged. Asked for is one number for each of them."""
    return _log_density(f, logits, loc, scale_tril).mean()


@wrong("D4")
def _density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """This is the density itself. Far out it is 0; asked for is its logarithm."""
    return _log_density(f, logits, loc, scale_tril).exp()


@wrong("D4")
def _negative(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """This is −log p, a loss. Asked for is log p."""
    return -_log_density(f, logits, loc, scale_tril)


EXERCISE = Exercise(
    id="7.2",
    title="The log-density of a mixture",
    kind="implement",
    section=_SECTION,
    reference=_log_density,
    inputs=_features_and_mixture,
    edge_cases=_edges,
    misconceptions=wrong,
)
