"""Exercise 1.4: one line of backpropagation.

Asked for is the derivative of each example's −ELBO by the log-variance of q, from the derivative of the reconstruction
term by z: all tensors (B, d), with no mean over the batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, float64

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.4 · The same VAE in plain NumPy"


def _both_ways(d_z: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """The derivative by log σ, which is twice the one by log σ²."""
    return d_z * eps * sigma + sigma**2 - 1


def _backward(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * _both_ways(d_z, eps, (0.5 * log_var).exp())


def _upstream_noise_and_log_var(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=6)
    upstream, eps, log_var = (normal(rng, batch, dim, dtype=float64) for _ in range(3))
    return upstream, eps, log_var


def _edges() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Variances from e^−600 to e^600; no slope, no noise; one value and many; float32."""
    rng = np.random.default_rng(14)
    log_var = torch.tensor([[-600.0, -40.0, -5.0, 5.0, 40.0, 600.0]], dtype=float64)
    ones = torch.ones_like(log_var)
    single = torch.tensor([[0.7]], dtype=float64)
    return [
        (ones, -ones, log_var),
        (0 * ones, ones, log_var / 20),
        (ones, 0 * ones, log_var / 20),
        (1e4 * ones, ones, log_var / 20),
        (-1e4 * ones, ones, log_var / 20),
        (1e8 * ones, ones, log_var / 20),
        (ones, -9 * ones, log_var / 20),
        (single, single, single),
        (*(normal(rng, 140, 1, dtype=float64) for _ in range(3)),),
        (*(normal(rng, 3, 40, scale=0.3) for _ in range(3)),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O3")
def _backward_to_log_sigma(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """This is the derivative by log σ. The head here puts out log σ², and the chain rule has one more factor."""
    return _both_ways(d_z, eps, (0.5 * log_var).exp())


@wrong("O3")
def _backward_line_copied(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """`log_var` is read as log σ: its exponential is the variance already, and the chain rule has one more factor."""
    return _both_ways(d_z, eps, log_var.exp())


@wrong("O3")
def _backward_line_copied_with_the_mean(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """This is the line of `NumpyVAE`. There the head puts out log σ, and the loss is a mean over the batch; here the
    head puts out log σ², and each example has a loss of its own.
    """
    sigma = log_var.exp()
    return d_z * eps * sigma + (sigma**2 - 1) / len(d_z)


@wrong("O3")
def _backward_half_of_line_copied(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """`log_var` is read as log σ. Its exponential is the variance, not the standard deviation."""
    return 0.5 * _both_ways(d_z, eps, log_var.exp())


@wrong("O3")
def _backward_to_sigma(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """This is the derivative by σ. The head puts out log σ², and the chain rule has one more step."""
    sigma = (0.5 * log_var).exp()
    return d_z * eps + sigma - 1 / sigma


@wrong("O3")
def _backward_without_sigma(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """On the way through z a factor is lost: σ is an exponential, and its derivative holds σ again."""
    return 0.5 * (d_z * eps + log_var.exp() - 1)


@wrong("O14")
def _backward_half_at_the_kl_alone(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """The KL's part is right. On the way through z a ½ is missing, which comes from σ as a function of log σ²."""
    return _backward(2 * d_z, eps, log_var)


@wrong("O2")
def _backward_kl_alone_averaged(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """The KL is divided by the batch size and `d_z` is not. `NumpyVAE` may do so, as its `d_z` comes from a mean over
    the batch; here each example has a loss of its own.
    """
    return 0.5 * (d_z * eps * (0.5 * log_var).exp() + (log_var.exp() - 1) / len(d_z))


@wrong("O2")
def _backward_averaged(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """All is divided by the batch size. Each example's own loss is asked for, not their mean."""
    return _backward(d_z, eps, log_var) / len(d_z)


@wrong("O14")
def _backward_of_reconstruction_alone(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """Only the path through z is there. log σ² has a second way into the loss, through the KL."""
    return 0.5 * d_z * eps * (0.5 * log_var).exp()


@wrong("O15")
def _backward_through_the_mean(d_z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """Only the KL is there, as if the decoder were fed μ. z = μ + σ ε moves with σ as well, by ε."""
    return 0.5 * (log_var.exp() - 1) + 0 * d_z * eps


EXERCISE = Exercise(
    id="1.4",
    title="One line of backpropagation",
    kind="derive",
    section=_SECTION,
    reference=_backward,
    inputs=_upstream_noise_and_log_var,
    edge_cases=_edges,
    rtol=1e-8,
    atol=1e-9,
    misconceptions=wrong,
)
