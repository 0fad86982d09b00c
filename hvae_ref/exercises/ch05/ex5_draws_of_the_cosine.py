"""Exercise 5.5: draw the cosine.

Asked for are independent draws of t = μᵀz. Answers draw at random, so the check looks at their law, at whether they
depend on each other, and at whether a second call brings new ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Beta, Gamma

from hvae_ref.exercises.ch05 import draws
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.forms import arranged, as_tensor, is_blank
from hvae_ref.exercises.engine.misconceptions import Misconceptions
from hvae_ref.exercises.engine.surroundings import reseed

_SECTION = "How do you draw from it?"
_DENSITY = "What does a density on a sphere look like?"
_MOST_ROUNDS = 1000  # so that the check ends if a wrong test accepts nothing


def _cosines(dim: int, concentration: float, count: int) -> Tensor:
    return _at(torch.rand(count, dtype=torch.float64), dim, concentration)


def _masses(dim: int, concentration: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles, and the probability of a smaller one (that is, of a larger cosine)."""
    # Nearly all of the mass lies within a few 1/√κ, so the grid is finer next to 0.
    angle = math.pi * np.linspace(0, 1, 20_001)[1:-1] ** 2
    log_density = concentration * np.cos(angle) + (dim - 2) * np.log(np.sin(angle))
    density = np.exp(log_density - log_density.max())
    mass = np.concatenate([[0], ((density[1:] + density[:-1]) / 2 * np.diff(angle)).cumsum()])
    return angle, mass / mass[-1]


def _at(mass_above: Tensor, dim: int, concentration: float) -> Tensor:
    """The cosines above which there is this much probability."""
    angle, mass = _masses(dim, concentration)
    return torch.as_tensor(np.interp(mass_above.numpy(), mass, angle)).cos()


def _ranks(cosines: np.ndarray, dim: int, concentration: float) -> np.ndarray:
    """The probability of a smaller cosine."""
    return 1 - np.interp(np.arccos(cosines.clip(-1, 1)), *_masses(dim, concentration))


def _unrounded(cosines: np.ndarray) -> np.ndarray:
    """Cosines moved within the rounding error of float32, in which some of them meet by chance."""
    moved = np.random.default_rng(len(cosines)).random(len(cosines)) - 0.5
    return cosines + moved * np.spacing(np.abs(cosines).astype(np.float32)).astype(np.float64)


def _sphere_and_count(rng: np.random.Generator) -> tuple[int, float, int]:
    dim, concentration = [(3, 2), (4, 0.5), (5, 30), (10, 8), (20, 14), (50, 20), (64, 12), (100, 90)][rng.integers(8)]
    return dim, concentration * float(rng.uniform(0.95, 1.2)), int(rng.choice([50_000, 55_000, 60_000]))


def _edges() -> list[tuple[int, float, int]]:
    """Few draws and one; nearly uniform; so concentrated that e^κ is no float; each kind of random case once."""
    few = [(3, 2.0, 1), (7, 3.0, 7), (100, 50.0, 13)]
    far = [(3, 3.0, 60_000), (5, 3.0, 60_000), (3, 0.01, 50_000), (3, 20.0, 50_000), (4, 0.5, 51_003)]
    return [*few, *far, (10, 8.5, 55_000), (20, 14.5, 50_000), (50, 20.0, 60_000), (64, 12.0, 50_000)]


def _examined(cosines: Callable[..., Any], dim: int, concentration: float, count: int) -> dict[str, Any] | None:
    """What is compared of two calls: number, law, independence, and whether the second brings new draws.

    Centre and spread of log((1 − t)/(1 + t)), on which scales one tolerance fits every (m, κ), name a wrong law.
    """
    found = []
    for call in range(2):
        reseed(1000 * dim + call)
        answer = cosines(dim, concentration, count)
        if is_blank(answer):
            return None
        found.append(as_tensor(arranged(answer, torch.zeros(count))).detach().cpu().double())
    t = torch.cat([part.flatten() for part in found]).numpy()
    several = count >= draws.FEWEST and len(t) == 2 * count
    seen = {"shape": str(tuple(found[0].shape)), "law": draws.AS_ASKED, "independence": draws.AS_ASKED}
    if len(t) == 2 * count:
        ranks = np.where(np.abs(t) <= 1, _ranks(t, dim, concentration), np.nan)
        seen["law"] = draws.law(ranks)
        if seen["law"] == draws.AS_ASKED:
            seen["independence"] = draws.independence(ranks[:count])
        if several and seen["law"] == seen["independence"] == draws.AS_ASKED:
            seen["independence"] = draws.repetition(_ranks(_unrounded(t), dim, concentration))
        seen["freshness"] = draws.freshness(t[:count], t[count:])
    logit = torch.as_tensor(np.log(np.clip(1 - t, 1e-6, 2)) - np.log(np.clip(1 + t, 1e-6, 2)))
    seen["centre / spread"] = logit.mean() / logit.std() if several else torch.zeros(())
    seen["log spread"] = logit.std().log() if several else torch.zeros(())
    return seen


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
    edge_cases=_edges,
    random_cases=1,
    examine=_examined,
    rtol=0.02,
    atol=0.025,  # ten standard errors of two calls
    misconceptions=wrong,
)
