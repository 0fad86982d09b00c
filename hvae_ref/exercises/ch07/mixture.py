"""Exercise of chapter 7 on the log-density of a mixture with full covariances: 7.2."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_DENSITY = "What makes it a density?"

_LOG_2_PI = math.log(2 * math.pi)

Part = Callable[[Tensor, Tensor, Tensor], Tensor]
Join = Callable[[Tensor, Tensor], Tensor]


def _features_and_mixture(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    many = rng.random() < 0.2  # so many channels, so little spread: a determinant is below what float64 can hold
    batch, components, dim = size(rng), size(rng, high=4), 110 if many else size(rng, high=6)
    spread = 1e-3 if many else float(rng.uniform(0.3, 1.5))
    loc = normal(rng, components, dim, scale=2 * spread, dtype=torch.float64)
    below = normal(rng, components, dim, dim, scale=spread / dim**0.5, dtype=torch.float64).tril(-1)
    diagonal = uniform(rng, components, dim, low=0.5 * spread, high=1.5 * spread, dtype=torch.float64)
    distance = float(rng.choice([1.0, 60.0]))  # an anomaly lies so far out that its density is 0 in floating point
    away = normal(rng, batch, dim, scale=distance * spread, dtype=torch.float64)
    f = loc[rng.integers(components, size=batch)] + away
    return f, normal(rng, components, scale=1.5, dtype=torch.float64), loc, below + torch.diag_embed(diagonal)


def _white(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """L⁻¹ (f − μ) of every component, (B, K, D)."""
    centred = (f[:, None] - loc).unsqueeze(-1)
    return torch.linalg.solve_triangular(scale_tril, centred, upper=False).squeeze(-1)


def _squares(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return -_white(f, loc, scale_tril).square().sum(-1) / 2


def _log_scales(scale_tril: Tensor) -> Tensor:
    """log det L, half of log det Σ."""
    return scale_tril.diagonal(dim1=1, dim2=2).log().sum(-1)


def _gaussians(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _squares(f, loc, scale_tril) - _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2


def _joined(logits: Tensor, gaussians: Tensor) -> Tensor:
    return (logits.log_softmax(0) + gaussians).logsumexp(-1)


def _log_density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _joined(logits, _gaussians(f, loc, scale_tril))


def _with(part: Part = _gaussians, join: Join = _joined) -> Callable[..., Tensor]:
    """The density, with another formula for the components or for their sum."""

    def log_density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
        return join(logits, part(f, loc, scale_tril))

    return log_density


def _changed(by: Callable[[Tensor, int], Tensor | float]) -> Callable[..., Tensor]:
    """The density, with something added to each component: a function of its factor and of the dimensions."""
    return _with(lambda f, loc, tril: _gaussians(f, loc, tril) + by(tril, f.shape[1]))


def _log_of_the_product(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    det = scale_tril.diagonal(dim1=1, dim2=2).prod(-1)
    return _squares(f, loc, scale_tril) - det.log() - f.shape[1] * _LOG_2_PI / 2


def _covariance_as_the_factor(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    factor = scale_tril @ scale_tril.mT
    white = torch.linalg.solve(factor, (f[:, None] - loc).unsqueeze(-1)).squeeze(-1)
    return -white.square().sum(-1) / 2 - 2 * _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2


def _covariance_in_the_triangle(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _gaussians(f, loc, (scale_tril @ scale_tril.mT).tril())


def _squares_by(solve: Callable[[Tensor, Tensor], Tensor]) -> Part:
    """Components whose square is another function of the factor and of f − μ (B, K, D, 1)."""

    def gaussians(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
        squares = solve(scale_tril, (f[:, None] - loc).unsqueeze(-1)).flatten(2).sum(-1)
        return -squares / 2 - _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2

    return gaussians


def _transposed(scale_tril: Tensor, centred: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(scale_tril.mT, centred, upper=True).square()


def _multiplied(scale_tril: Tensor, centred: Tensor) -> Tensor:
    return (scale_tril @ centred).square()


def _factor_as_covariance(scale_tril: Tensor, centred: Tensor) -> Tensor:
    return centred * torch.linalg.solve_triangular(scale_tril, centred, upper=False)


def _diagonal_alone(scale_tril: Tensor, centred: Tensor) -> Tensor:
    return (centred / scale_tril.diagonal(dim1=1, dim2=2).unsqueeze(-1)).square()


def _a_log_of_exponentials(logits: Tensor, gaussians: Tensor) -> Tensor:
    return (logits.softmax(0) * gaussians.exp()).sum(-1).log()


def _with_a_small_number(small: float) -> Join:
    def joined(logits: Tensor, gaussians: Tensor) -> Tensor:
        return ((logits.softmax(0) * gaussians.exp()).sum(-1) + small).log()

    return joined


def _density_of_each_batch(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _log_density(f, logits, loc, scale_tril).sum()


def _mean_over_the_batch(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _log_density(f, logits, loc, scale_tril).mean()


def _density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _log_density(f, logits, loc, scale_tril).exp()


def _negative(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return -_log_density(f, logits, loc, scale_tril)


ON_THE_MIXTURE: tuple[Exercise, ...] = (
    Exercise(
        id="7.2",
        title="The log-density of a mixture",
        kind="implement",
        section=_DENSITY,
        reference=_log_density,
        inputs=_features_and_mixture,
        misconceptions=(
            Misconception(
                "D4",
                _with(join=_a_log_of_exponentials),
                "Right where densities are large enough to exist. Sixty standard deviations out, where anomalies are, "
                "the exponential is 0 and its logarithm −∞. Stay in logarithms.",
                _DENSITY,
            ),
            *(
                Misconception(
                    "D4",
                    _with(join=_with_a_small_number(small)),
                    "A small number inside the logarithm hides the underflow: every anomaly gets the same score, "
                    f"{math.log(small):.1f}. Stay in logarithms.",
                    _DENSITY,
                )
                for small in (1e-8, 1e-10, 1e-12, 1e-20, 1e-30, 1e-300)
            ),
            Misconception(
                "D4",
                _with(_log_of_the_product),
                "The determinant is multiplied out before its logarithm is taken. With many channels of little spread "
                "the product is 0 in floating point, and its logarithm −∞.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: _log_scales(tril)),
                "The determinant is missing. A wide component then has the same height as a narrow one, and its "
                "integral grows with its width.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: -_log_scales(tril)),
                "The determinant of Σ is subtracted whole. Which power of |Σ| stands in the density, and how does "
                "|Σ| go with the determinant of L?",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: _log_scales(tril) / 2),
                "Half the log-determinant of *L* is subtracted. The ½ belongs to that of Σ = L Lᵀ.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: 2 * _log_scales(tril)),
                "The log-determinant is added: the wider a component, the higher its density would be, everywhere.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: dim * _LOG_2_PI / 2),
                "The constant of the normal density is missing. It is the same for all components, but without it "
                "the integral is not one.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: (dim - 1) * _LOG_2_PI / 2),
                "2π is counted once. It has a power that grows with the dimensions.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _changed(lambda tril, dim: -dim * _LOG_2_PI / 2),
                "2π has twice the power that it should have: what stands in the density is its root, for each "
                "dimension.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(lambda f, loc, tril: _gaussians(f, loc, tril) + _squares(f, loc, tril)),
                "The half before the squared distance is missing.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_covariance_as_the_factor),
                "The covariance stands where its Cholesky factor belongs. Only one of the two is called `scale_tril`, "
                "and it is given already.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_covariance_in_the_triangle),
                "The factor has been squared, and the lower triangle of the covariance is used as a factor. What is "
                "given is the factor already.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_squares_by(_factor_as_covariance)),
                "The factor is used as if it were the covariance: (f − μ)ᵀ L⁻¹ (f − μ). Which matrix belongs between?",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_squares_by(_multiplied)),
                "f − μ is multiplied by L. Multiplying gives white noise its covariance; a density has to take it "
                "away again.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_squares_by(_transposed)),
                "It is Lᵀ that is undone here. A draw is μ + L ε; which system gives ε back?",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(_squares_by(_diagonal_alone)),
                "Only the diagonal of L is used, as if features did not go together.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: gaussians.logsumexp(-1) - math.log(len(logits))),
                "The components are averaged with equal weights. The logits say how much each of them counts.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: (logits + gaussians).logsumexp(-1)),
                "The logits are used as they come. Weights have to add up to one, or the mixture integrates to "
                "something else.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: (logits.softmax(0) + gaussians).logsumexp(-1)),
                "Weights are added to log-densities. Beside a logarithm belongs a logarithm.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: gaussians.logsumexp(-1)),
                "The components are added up without weights, so they integrate to K.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: (logits.softmax(0) * gaussians).sum(-1)),
                "This is a mean of log-densities, not the logarithm of a mean density. It is never larger, and one "
                "component that lies far away drags it down without end.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: (logits.log_softmax(0) + gaussians).sum(-1)),
                "The logarithms of the components are added: that multiplies their densities. A mixture adds them.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: gaussians[:, logits.argmax()]),
                "Only the component of largest weight counts here. A row may lie in another one.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: gaussians.mean(-1)),
                "The log-densities of the components are averaged. A mixture adds *densities*, with their weights.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _with(join=lambda logits, gaussians: (logits.log_softmax(0) + gaussians).max(-1).values),
                "Only the best component counts here. Between two components both do, and without the others the "
                "integral is less than one.",
                _DENSITY,
            ),
            Misconception(
                "D4",
                _density_of_each_batch,
                "All rows are added up. Asked for is one number for each of them.",
                _DENSITY,
            ),
            Misconception(
                "D4", _mean_over_the_batch, "The rows are averaged. Asked for is one number for each of them.", _DENSITY
            ),
            Misconception(
                "D4", _density, "This is the density itself. Far out it is 0; asked for is its logarithm.", _DENSITY
            ),
            Misconception("D4", _negative, "This is −log p, a loss. Asked for is log p.", _DENSITY),
        ),
    ),
)
