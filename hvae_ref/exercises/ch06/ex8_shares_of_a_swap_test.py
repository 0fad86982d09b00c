"""Exercise 6.8: whose latency is it?

Asked for are three shares (3,), of the global latent, the local latent and their interaction, from the measurements
(N, 2, 2) of a swap test.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What does each latent hold?"


def _variations(m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Variance in each pair: of the global latent's two means, of the local one's, and of all four values."""
    by_global, by_local = m.mean(2), m.mean(1)
    return (
        (by_global[:, 0] - by_global[:, 1]) ** 2 / 4,
        (by_local[:, 0] - by_local[:, 1]) ** 2 / 4,
        m.flatten(1).var(1, unbiased=False),
    )


def _parts(first: Tensor, second: Tensor, total: Tensor) -> Tensor:
    return torch.stack([first, second, total - first - second]) / total


def _shares(m: Tensor) -> Tensor:
    return _parts(*(variation.sum() for variation in _variations(m)))


def _measured(rng: np.random.Generator) -> tuple[Tensor]:
    pairs = size(rng, high=9)
    a, b, c = (normal(rng, pairs, 2, scale=s, dtype=torch.float64) for s in rng.uniform(0.1, 0.5, 3))
    d = normal(rng, pairs, 2, dtype=torch.float64)
    place = normal(rng, pairs, 1, 1, scale=0.4, dtype=torch.float64) + 5.6
    return (place + a[:, :, None] + b[:, None, :] + c[:, :, None] * d[:, None, :],)


def _edges() -> list[tuple[Tensor]]:
    """One of the three shares alone; pairs of very different spread; values far from 0; one pair and many; float32."""
    rng = np.random.default_rng(68)
    side, both = torch.tensor([-1.0, 1.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    alone = [torch.outer(side, both), torch.outer(both, side), torch.outer(side, side)]
    m = normal(rng, 5, 2, 2, dtype=torch.float64)
    return [
        *((5.6 + part[None],) for part in alone),
        (m * torch.tensor([1e-3, 1.0, 30.0, 0.1, 2.0]).double()[:, None, None],),
        (m + 1000,),
        (m + torch.tensor([-50.0, 0.0, 3.0, 700.0, 9.0]).double()[:, None, None],),
        (m[:1],),
        (1e-6 * m,),
        (normal(rng, 300, 2, 2, dtype=torch.float64),),
        (normal(rng, 2, 2, 2),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("C9")
def _shares_exchanged(m: Tensor) -> Tensor:
    """The latents are exchanged: the middle index says whose *global* latent it was. A mean over it leaves the local
    one.
    """
    return _shares(m.transpose(1, 2))


@wrong("C9")
def _shares_of_a_crossing(m: Tensor) -> Tensor:
    """This asks which of the two, A or B, one crossed response is nearer to, and clips what lies beyond them. It leaves
    no room for an interaction, and where A and B are nearly alike it divides by next to nothing.
    """
    # Where the response with A's global and B's local latent lies between B's own (0) and A's own (1).
    follows = ((m[:, 0, 1] - m[:, 1, 1]) / (m[:, 0, 0] - m[:, 1, 1])).clamp(0, 1).mean()
    return torch.stack([follows, 1 - follows, 0 * follows])


@wrong("C9")
def _shares_of_a_crossing_unclipped(m: Tensor) -> Tensor:
    """This asks how far one crossed response has come from B to A. Where A and B are nearly alike it divides by next to
    nothing, so one pair can decide it all; and it leaves no room for an interaction.
    """
    follows = ((m[:, 0, 1] - m[:, 1, 1]) / (m[:, 0, 0] - m[:, 1, 1])).mean()
    return torch.stack([follows, 1 - follows, 0 * follows])


@wrong("C9")
def _shares_of_each_pair(m: Tensor) -> Tensor:
    """Each pair has shares of its own here, and they are averaged. A pair in which nothing moved then counts as much as
    one in which everything did. Add up over the pairs first.
    """
    return _parts(*_variations(m)).mean(-1)


@wrong("C9")
def _shares_over_all_pairs(m: Tensor) -> Tensor:
    """The total also holds how much one pair differs from another, and that was not exchanged. It is to be the variance
    among the four values of a pair.
    """
    by_global, by_local, _ = _variations(m)
    return _parts(by_global.mean(), by_local.mean(), m.var(unbiased=False))


@wrong("C9")
def _shares_less_one(m: Tensor) -> Tensor:
    """The variance divides by 3. The four values are all that there are, no sample of more: divide by 4, or the shares
    of a feature that follows one latent alone do not add up to it.
    """
    by_global, by_local, total = (variation.sum() for variation in _variations(m))
    return _parts(by_global, by_local, total * 4 / 3)


@wrong("C9")
def _shares_not_quartered(m: Tensor) -> Tensor:
    """Two numbers that differ by δ have a variance of δ²/4. With δ² the shares exceed one, and the interaction goes
    below zero.
    """
    by_global, by_local, total = (variation.sum() for variation in _variations(m))
    return _parts(4 * by_global, 4 * by_local, total)


@wrong("C9")
def _shares_of_sums(m: Tensor) -> Tensor:
    """Beside the variances of the latents' means stands a *sum* of four squares. A variance is their mean: sums run
    over pairs alone.
    """
    by_global, by_local, total = (variation.sum() for variation in _variations(m))
    return _parts(by_global, by_local, 4 * total)


@wrong("C9")
def _shares_of_sums_throughout(m: Tensor) -> Tensor:
    """Squares are summed within a pair, two in the numerator and four in the denominator. Variances are means of
    squares; with sums, a feature that follows one latent alone is half its own.
    """
    by_global, by_local, total = (variation.sum() for variation in _variations(m))
    return _parts(2 * by_global, 2 * by_local, 4 * total)


@wrong("C9")
def _shares_of_main_effects(m: Tensor) -> Tensor:
    """The interaction is divided among the two by taking only their own parts for the total. But what neither latent
    decides alone is what the test should show.
    """
    by_global, by_local, total = (variation.sum() for variation in _variations(m))
    return torch.stack([by_global, by_local, 0 * total]) / (by_global + by_local)


@wrong("C9")
def _shares_beside_one(m: Tensor) -> Tensor:
    """Each latent is exchanged once, with the other one left as A's. Beside B's it may do something else: take the mean
    over both first.
    """
    alone = [((m[:, 0, 0] - other) ** 2).sum() / 4 for other in (m[:, 1, 0], m[:, 0, 1])]
    return _parts(*alone, _variations(m)[2].sum())


@wrong("C9")
def _shares_in_absolute_value(m: Tensor) -> Tensor:
    """Absolute differences and standard deviations do not add up to a whole, and the interaction comes out as whatever
    is missing. Squares do.
    """
    by_global, by_local, total = (variation.sqrt().sum() for variation in _variations(m))
    return _parts(by_global, by_local, total)


@wrong("C9")
def _shares_of_the_mean_pair(m: Tensor) -> Tensor:
    """The mean over the pairs is taken first. A and B are drawn at random, so their differences cancel; square before
    you add.
    """
    return _shares(m.mean(0, keepdim=True))


@wrong("C9")
def _shares_interaction_twice(m: Tensor) -> Tensor:
    """The interaction is counted with both latents and by itself as well: the three add up to more than one."""
    by_global, by_local, rest = _shares(m)
    return torch.stack([by_global + rest, by_local + rest, rest])


@wrong("C9")
def _shares_as_samples(m: Tensor) -> Tensor:
    """`var` divides by one less than there are: by 1 for the two means, by 3 for the four values. Different divisors do
    not make shares; all there is, is there, so divide by 2 and by 4.
    """
    main = [m.mean(other).var(1).sum() for other in (2, 1)]
    return _parts(*main, m.flatten(1).var(1).sum())


EXERCISE = Exercise(
    id="6.8",
    title="Whose latency is it?",
    kind="predict",
    section=_SECTION,
    reference=_shares,
    inputs=_measured,
    edge_cases=_edges,
    misconceptions=wrong,
)
