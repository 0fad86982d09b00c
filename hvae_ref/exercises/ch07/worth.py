"""Exercise of chapter 7 on what a level tells about another: 7.8."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_TELLS = "What does the coarser level tell?"

Worth = tuple[Tensor, Tensor]


def _covariances(rng: np.random.Generator) -> tuple[Tensor, int, int]:
    batch, fine, coarse, wide = size(rng), *(size(rng, high=3) for _ in range(3))
    dim = fine + coarse + wide
    factor = normal(rng, batch, dim, dim, dtype=torch.float64)
    unit = torch.as_tensor(rng.uniform(0.2, 3, dim))
    covariance = factor @ factor.mT + 0.3 * torch.eye(dim, dtype=torch.float64)
    return unit[:, None] * covariance * unit, fine, coarse


def _parts(covariance: Tensor, fine: int, coarse: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which coordinates are f, g and c."""
    return torch.arange(covariance.shape[-1]).tensor_split([fine, fine + coarse])


def _log_det(covariance: Tensor, *parts: Tensor) -> Tensor:
    index = torch.cat(parts)
    return torch.logdet(covariance[:, index[:, None], index])


def _nll(covariance: Tensor, f: Tensor, *given: Tensor) -> Tensor:
    """E[−log p(f | given)] without the constant of the normal density, which every difference takes away."""
    whole = _log_det(covariance, f, *given)
    return (whole - _log_det(covariance, *given) if given else whole) / 2


def _worth(covariance: Tensor, fine: int, coarse: int) -> Worth:
    f, g, c = _parts(covariance, fine, coarse)
    alone = _nll(covariance, f) - _nll(covariance, f, g)
    return alone, _nll(covariance, f, c) - _nll(covariance, f, g, c)


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


def _scaled(factor: float) -> Callable[..., Worth]:
    def worth(covariance: Tensor, fine: int, coarse: int) -> Worth:
        alone, after = _worth(covariance, fine, coarse)
        return factor * alone, factor * after

    return worth


def _alone(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f) - _nll(covariance, f, g)


def _of_both(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f) - _nll(covariance, f, g, c)


def _of_the_other(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f) - _nll(covariance, f, c)


def _of_the_other_given_g(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f, g) - _nll(covariance, f, g, c)


def _between_two_contexts(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f, c) - _nll(covariance, f, g)


def _about_both(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, g) - _nll(covariance, g, f, c)


def _with_c_not_taken_away(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _nll(covariance, f, c) - _nll(covariance, f, g, c) + _nll(covariance, c)


def _added_up(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return _alone(covariance, f, g, c) + _of_the_other(covariance, f, g, c)


def _exchanged(covariance: Tensor, fine: int, coarse: int) -> Worth:
    alone, after = _worth(covariance, fine, coarse)
    return after, alone


def _for_each_dimension(covariance: Tensor, fine: int, coarse: int) -> Worth:
    alone, after = _worth(covariance, fine, coarse)
    return alone / fine, after / fine


def _diagonal(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """Differences of NLLs of independent features: each one's variance given the context."""
    f, g, c = _parts(covariance, fine, coarse)

    def nll(*given: Tensor) -> Tensor:
        own = covariance[:, f[:, None], f]
        if given:
            index = torch.cat(given)
            across = covariance[:, f[:, None], index]
            own = own - across @ torch.linalg.solve(covariance[:, index[:, None], index], across.mT)
        return own.diagonal(dim1=1, dim2=2).log().sum(-1) / 2

    return nll() - nll(g), nll(c) - nll(g, c)


def _by_traces(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """½ log of how much of the whole variance is left, as one would for a single number."""
    f, g, c = _parts(covariance, fine, coarse)

    def log_variance(*given: Tensor) -> Tensor:
        own = covariance[:, f[:, None], f]
        if given:
            index = torch.cat(given)
            across = covariance[:, f[:, None], index]
            own = own - across @ torch.linalg.solve(covariance[:, index[:, None], index], across.mT)
        return own.diagonal(dim1=1, dim2=2).sum(-1).log() / 2

    return log_variance() - log_variance(g), log_variance(c) - log_variance(g, c)


def _of_pairs(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """Σ −½ log(1 − ρ²) over all pairs of a coordinate of f and one of g."""
    f, g, c = _parts(covariance, fine, coarse)

    def pairs(matrix: Tensor) -> Tensor:
        scale = matrix.diagonal(dim1=1, dim2=2).sqrt()
        rho = matrix / (scale[:, :, None] * scale[:, None])
        return -torch.log1p(-(rho[:, :fine, fine:] ** 2)).sum((1, 2)) / 2

    both = torch.cat([f, g])
    across = covariance[:, both[:, None], c]
    given_c = across @ torch.linalg.solve(covariance[:, c[:, None], c], across.mT)
    joint = covariance[:, both[:, None], both]
    return pairs(joint), pairs(joint - given_c)


def _entropies(covariance: Tensor, fine: int, coarse: int) -> Worth:
    f, g, c = _parts(covariance, fine, coarse)
    constant = fine * (1 + math.log(2 * math.pi)) / 2
    return _nll(covariance, f, g) + constant, _nll(covariance, f, g, c) + constant


def _joint_entropies(covariance: Tensor, fine: int, coarse: int) -> Worth:
    f, g, c = _parts(covariance, fine, coarse)
    of_f, of_f_c = (_nll(covariance, torch.cat(parts)) for parts in ([f], [f, c]))
    return tuple(few - _nll(covariance, torch.cat(all_)) for few, all_ in ((of_f, [f, g]), (of_f_c, [f, g, c])))


ON_THE_WORTH: tuple[Exercise, ...] = (
    Exercise(
        id="7.8",
        title="What is a level worth?",
        kind="predict",
        section=_TELLS,
        reference=_worth,
        inputs=_covariances,
        misconceptions=(
            Misconception("D8", _scaled(2.0), "Twice too much: the density has the *root* of the determinant.", _TELLS),
            Misconception("D8", _scaled(1 / math.log(2)), "These are bits. The tables are in nats.", _TELLS),
            Misconception(
                "D8",
                _scaled(-1.0),
                "The sign is reversed: this is what conditioning adds to the NLL. How much does it lower it?",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_alone),
                "The second number is the first again: as if g told the same whether c is known or not. It may tell "
                "less, since c has said it already, or more.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_of_both),
                "The second number is what g and c tell *together*. What c tells by itself has to be taken from it.",
                _TELLS,
            ),
            Misconception(
                "D8", _with(after=_of_the_other), "The second number is what c tells about f, with no g in it.", _TELLS
            ),
            Misconception(
                "D8",
                _with(after=_of_the_other_given_g),
                "The second number is what c still tells once g is known. Asked for is the other way round.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_between_two_contexts),
                "The second number compares the NLL given c alone with that given g alone. Neither of the two knows "
                "what the other knows, and the difference may be negative; g is to come *in addition* to c.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_about_both),
                "The second number is what g tells about f and c together. What it tells about c is not asked for: c "
                "is known.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_with_c_not_taken_away),
                "In the second number c has been joined to f, to g and to both, but it also stands alone somewhere: "
                "p(f, g | c) = p(f, g, c) / p(c). Count how often the log-determinant of c is in your sum.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(after=_added_up),
                "The second number adds what g and c tell each by itself. Asked for is what g *still* tells when c is "
                "known.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _with(alone=_of_both),
                "The first number is what g and c tell together; a block of the inverse covariance is conditioned on "
                "*all* the rest. For g alone, leave the rows and columns of c out first.",
                _TELLS,
            ),
            Misconception(
                "D8", _with(alone=_of_both, after=_of_both), "Both numbers are what g and c tell together.", _TELLS
            ),
            Misconception(
                "D8",
                _exchanged,
                "The two numbers are exchanged: first what g tells alone, then what it tells once c is known.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _for_each_dimension,
                "This is a mean over the dimensions of f. The NLL of a position is a sum over them, and so is what "
                "conditioning takes away.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _diagonal,
                "Each coordinate of f is counted for itself, by its conditional variance. Coordinates that go "
                "together are then counted twice; a determinant knows.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _by_traces,
                "This compares total variances. They forget how the coordinates of f go together, and change when one "
                "of them is measured in another unit; information does not.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _of_pairs,
                "This adds up what each coordinate of g tells about each one of f, pair by pair. What two pairs say in "
                "common is counted twice.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _entropies,
                "These are the NLLs that are left after conditioning. Asked for is by how much it lowers them.",
                _TELLS,
            ),
            Misconception(
                "D8",
                _joint_entropies,
                "The NLL of f is compared with that of f *and* g, from which that of g is missing. p(f | g) is a "
                "ratio.",
                _TELLS,
            ),
        ),
    ),
)
