"""Exercise 5.5: draw the cosine.

Asked for are independent draws of t = μᵀz. Answers draw at random, so the check compares what their law and their order
have in common.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Beta, Gamma

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How do you draw from it?"
_DENSITY = "What does a density on a sphere look like?"
_BLOCK = 50  # draws
_MOST_ROUNDS = 1000  # so that the check ends if a wrong test accepts nothing


def _cosines(dim: int, concentration: float, count: int) -> Tensor:
    """Draws, independent within blocks of equal probability: their law has nearly no sampling noise."""
    block = torch.arange(count, dtype=torch.float64) // _BLOCK
    return _at((block + torch.rand(count, dtype=torch.float64)) * _BLOCK / count, dim, concentration)[
        torch.randperm(count)
    ]


def _at(mass_above: Tensor, dim: int, concentration: float) -> Tensor:
    """The cosines above which there is this much probability."""
    angle = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)[1:-1]
    log_density = concentration * angle.cos() + (dim - 2) * angle.sin().log()
    mass = (log_density - log_density.max()).exp().cumsum(0)
    return torch.as_tensor(np.interp(mass_above.numpy(), (mass / mass[-1]).numpy(), angle.numpy())).cos()


def _sphere_and_count(rng: np.random.Generator) -> tuple[int, float, int]:
    dim, concentration = [(3, 2), (4, 0.5), (5, 30), (10, 8), (20, 14), (50, 20), (64, 12), (100, 90)][rng.integers(8)]
    return dim, concentration * float(rng.uniform(0.95, 1.2)), int(rng.choice([50_000, 60_000, 70_000]))


def _law(cosines: Tensor) -> dict[str, Tensor]:
    """What is compared of draws: number, centre and spread of log((1 − t)/(1 + t)), and two signs of independence.

    On these scales one tolerance fits every (m, κ). Independent draws that follow each other are uncorrelated; of two
    neighbouring gaps between sorted draws the smaller is 2 log 2 − 1 = 0.39 of the larger on average, whatever the law.
    """
    t = torch.as_tensor(cosines, dtype=torch.float64)
    logit = (1 - t).clamp_min(1e-6).log() - (1 + t).clamp_min(1e-6).log()
    spread = logit.std()
    gaps = t.flatten().sort().values.diff()
    smaller, larger = torch.minimum(gaps[1:], gaps[:-1]), torch.maximum(gaps[1:], gaps[:-1])
    off = logit - logit.mean()
    return {
        "draws": torch.tensor(t.shape),
        "centre / spread": logit.mean() / spread,
        "log spread": spread.log(),
        "correlation of neighbours": (off[1:] * off[:-1]).mean() / spread**2,
        "ratio of gaps": (smaller / larger.clamp_min(1e-300)).mean(),
    }


wrong = Misconceptions(_SECTION)


def _wood(dim: int, concentration: float, count: int, b: float, accepting: bool = True) -> Tensor:
    """Wood's rejection sampler with an envelope b."""
    root = math.sqrt(4 * concentration**2 + (dim - 1) ** 2)
    a = (dim - 1 + 2 * concentration + root) / 4
    d = 4 * a * b / (1 + b) - (dim - 1) * math.log(dim - 1)
    proposal, kept = Beta(torch.tensor((dim - 1) / 2).double(), torch.tensor((dim - 1) / 2).double()), []
    for _ in range(_MOST_ROUNDS):
        epsilon, u = proposal.sample((count,)), torch.rand(count, dtype=torch.float64)
        stretched = 1 - (1 - b) * epsilon
        cosine, t = (1 - (1 + b) * epsilon) / stretched, 2 * a * b / stretched
        accepted = (dim - 1) * t.log() - t + d > u.log()
        kept.append(cosine[accepted] if accepting else cosine)
        if sum(map(len, kept)) >= count:
            break
    return torch.cat(kept)[:count]


def _envelope(dim: int, concentration: float) -> float:
    return (dim - 1) / (2 * concentration + math.sqrt(4 * concentration**2 + (dim - 1) ** 2))


@wrong("V5")
def _cosines_switching(dim: int, concentration: float, count: int) -> Tensor:
    """Right up to κ = 10; beyond, the envelope b is replaced by its limit for κ → ∞. What decides is κ beside m: with m
    = 64 a κ of 12 is small, and the draws even lean away from μ.
    """
    share = min(max(0.0, concentration - 10), 1.0)
    b = share * (dim - 1) / (4 * concentration) + (1 - share) * _envelope(dim, concentration)
    return _wood(dim, concentration, count, b)


@wrong("V5")
def _cosines_switching_in_the_ratio(dim: int, concentration: float, count: int) -> Tensor:
    """Right up to κ = 10; beyond, b is replaced by its limit for κ → ∞, and the accept test is made for another b. What
    decides is κ beside m, and there is no need to switch.
    """
    # The accept test is written with t₀ = (1 − b)/(1 + b), so another b changes the test too.
    b = (dim - 1) / (4 * concentration) if concentration > 10 else _envelope(dim, concentration)
    best, kept = (1 - b) / (1 + b), []
    proposal = Beta(torch.tensor((dim - 1) / 2).double(), torch.tensor((dim - 1) / 2).double())
    for _ in range(_MOST_ROUNDS):
        epsilon, u = proposal.sample((count,)), torch.rand(count, dtype=torch.float64)
        t = (1 - (1 + b) * epsilon) / (1 - (1 - b) * epsilon)
        log_kept = concentration * (t - best) + (dim - 1) * ((1 - best * t) / (1 - best**2)).log()
        kept.append(t[log_kept > u.log()])
        if sum(map(len, kept)) >= count:
            break
    return torch.cat(kept)[:count]


@wrong("V6")
def _cosines_sorted(dim: int, concentration: float, count: int) -> Tensor:
    """The law is right, but the draws come in order: each says nearly everything about the next. They are to be
    independent.
    """
    return _cosines(dim, concentration, count).sort().values


@wrong("V6")
def _cosines_as_quantiles(dim: int, concentration: float, count: int) -> Tensor:
    """These are quantiles at even steps: a second call answers the same numbers. Draws are random."""
    wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return _at(wanted, dim, concentration)


@wrong("V6")
def _cosines_as_shuffled_quantiles(dim: int, concentration: float, count: int) -> Tensor:
    """These are quantiles at even steps in another order: the same numbers in every call. Independent draws leave gaps,
    and meet.
    """
    return _cosines_as_quantiles(dim, concentration, count)[torch.randperm(count)]


@wrong("V5")
def _cosines_on_the_tangent(dim: int, concentration: float, count: int) -> Tensor:
    """This draws on the tangent plane at μ, as if the sphere were flat. It is the limit of a κ that is large compared
    with m, and elsewhere gives cosines below −1.
    """
    return 1 - Gamma(torch.tensor((dim - 1) / 2).double(), torch.tensor(concentration).double()).sample((count,))


@wrong("V6")
def _cosines_never_rejected(dim: int, concentration: float, count: int) -> Tensor:
    """These are the proposals. Their law is close to the right one, and that is why some have to be thrown away: the
    accept test is missing.
    """
    return _wood(dim, concentration, count, _envelope(dim, concentration), accepting=False)


@wrong("V5", section=_DENSITY)
def _cosines_without_slices(dim: int, concentration: float, count: int) -> Tensor:
    """The density of t is taken to be e^(κt), which it is for m = 3 only. Elsewhere the slice of the sphere at height t
    has a size that depends on t.
    """
    u = torch.rand(count, dtype=torch.float64)
    return 1 + torch.log(u + (1 - u) * math.exp(-2 * concentration)) / concentration


EXERCISE = Exercise(
    id="5.5",
    title="Draw the cosine",
    kind="implement",
    section=_SECTION,
    reference=_cosines,
    inputs=_sphere_and_count,
    compare_as=_law,
    rtol=0.02,  # six standard errors of 50,000 draws
    atol=0.025,
    misconceptions=wrong,
)
