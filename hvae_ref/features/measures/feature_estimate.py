"""What a density expects at one position of a feature map, and along a path between two positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae_ref.distributions.gaussian_algebra import gaussian_entropy
from hvae_ref.features.density.mixture import GaussianMixture


@dataclass(frozen=True)
class FeatureEstimate:
    """What the density says about one position, eq. 7.9 in the book.

    Attributes:
        level: whose map.
        row: of the position in the map.
        column: of the position in the map.
        distribution: p(f_i | ·), a mixture of batch shape ().
        mode: the most likely feature, (D,).
        mean: E[f_i | ·], (D,).
        std: standard deviation of each coordinate, (D,).
        uncertainty: ½ log det(2πe Cov[f_i | ·]) in nats, which bounds the entropy from above.
        observed: the feature that is there, (D,).
        log_prob: log p(observed | ·), nats.
    """

    level: str
    row: int
    column: int
    distribution: GaussianMixture
    mode: Tensor
    mean: Tensor
    std: Tensor
    uncertainty: float
    observed: Tensor
    log_prob: float

    def entropy(self, draws: int = 10_000, seed: int = 0) -> tuple[float, float]:
        """The entropy −E[log p(f)] in nats, from draws, and its standard error."""
        if draws < 2:
            raise ValueError(f"draws: expected at least 2, got {draws}")
        device = self.mean.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            surprise = -self.distribution.log_prob(self.distribution.sample((draws,)))
        return surprise.mean().item(), surprise.std().item() / math.sqrt(draws)


@dataclass(frozen=True)
class FeaturePath:
    """Two ways from one place of a map to another, step by step.

    Attributes:
        places: (row, column) of each step, on the straight line between the two places, (S, 2).
        straight: (1 − t) f_a + t f_b, the line through feature space between the two observed features, (S, D).
        expected: the mode of the density at each step's place, (S, D).
        observed: the feature that is at each step's place, (S, D).
        log_prob: of "straight", "expected" and "observed" under the density at each step's place, nats, (S,) each.
    """

    places: Tensor
    straight: Tensor
    expected: Tensor
    observed: Tensor
    log_prob: dict[str, Tensor]


def uncertainty_of(mixture: GaussianMixture) -> Tensor:
    """½ log det(2πe Cov) of mixtures, in nats, which bounds their entropy from above.

    In float64: in float32 a direction of the least standard deviation is lost beside one of large variance.
    """
    return gaussian_entropy(mixture.double().covariance).to(mixture.loc)
