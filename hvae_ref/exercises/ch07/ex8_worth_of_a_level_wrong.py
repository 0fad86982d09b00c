"""Wrong answers to exercise 7.8: what is a level worth?

The reference and the inputs are in `ex8_worth_of_a_level.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae_ref.exercises.ch07.ex8_worth_of_a_level import (
    _SECTION,
    Worth,
    _covariances,
    _edges,
    _nll,
    _parts,
    _with,
    _with_after,
    _with_alone,
    _worth,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


def _scaled(factor: float, worth: Worth) -> Worth:
    alone, after = worth
    return factor * alone, factor * after


@wrong("D8")
def _twice(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """Twice too much: the density has the *root* of the determinant."""
    return _scaled(2.0, _worth(covariance, fine, coarse))


@wrong("D8")
def _in_bits(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """These are bits. The tables are in nats."""
    return _scaled(1 / math.log(2), _worth(covariance, fine, coarse))


@wrong("D8")
def _sign_reversed(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """The sign is reversed: this is what conditioning adds to the NLL. How much does it lower it?"""
    return _scaled(-1.0, _worth(covariance, fine, coarse))


@wrong("D8", into=_with_after)
def _alone(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number is the first again: as if g told the same whether c is known or not. It may tell less, since c
    has said it already, or more.
    """
    return _nll(covariance, f) - _nll(covariance, f, g)


@wrong("D8", into=_with_after)
def _of_both(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number is what g and c tell *together*. What c tells by itself has to be taken from it."""
    return _nll(covariance, f) - _nll(covariance, f, g, c)


@wrong("D8", into=_with_after)
def _of_the_other(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number is what c tells about f, with no g in it."""
    return _nll(covariance, f) - _nll(covariance, f, c)


@wrong("D8", into=_with_after)
def _of_the_other_given_g(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number is what c still tells once g is known. Asked for is the other way round."""
    return _nll(covariance, f, g) - _nll(covariance, f, g, c)


@wrong("D8", into=_with_after)
def _between_two_contexts(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number compares the NLL given c alone with that given g alone. Neither of the two knows what the other
    knows, and the difference may be negative; g is to come *in addition* to c.
    """
    return _nll(covariance, f, c) - _nll(covariance, f, g)


@wrong("D8", into=_with_after)
def _about_both(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number is what g tells about f and c together. What it tells about c is not asked for: c is known."""
    return _nll(covariance, g) - _nll(covariance, g, f, c)


@wrong("D8", into=_with_after)
def _with_c_not_taken_away(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """In the second number c has been joined to f, to g and to both, but it also stands alone somewhere: p(f, g | c) =
    p(f, g, c) / p(c). Count how often the log-determinant of c is in your sum.
    """
    return _nll(covariance, f, c) - _nll(covariance, f, g, c) + _nll(covariance, c)


@wrong("D8", into=_with_after)
def _added_up(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The second number adds what g and c tell each by itself. Asked for is what g *still* tells when c is known."""
    return _alone(covariance, f, g, c) + _of_the_other(covariance, f, g, c)


@wrong("D8", into=_with_alone)
def _of_both_in_the_first(covariance: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """The first number is what g and c tell together; a block of the inverse covariance is conditioned on *all* the
    rest. For g alone, leave the rows and columns of c out first.
    """
    return _of_both(covariance, f, g, c)


@wrong("D8")
def _of_both_throughout(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """Both numbers are what g and c tell together."""
    return _with(alone=_of_both, after=_of_both)(covariance, fine, coarse)


@wrong("D8")
def _exchanged(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """The two numbers are exchanged: first what g tells alone, then what it tells once c is known."""
    alone, after = _worth(covariance, fine, coarse)
    return after, alone


@wrong("D8")
def _for_each_dimension(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """This is a mean over the dimensions of f. The NLL of a position is a sum over them, and so is what conditioning
    takes away.
    """
    alone, after = _worth(covariance, fine, coarse)
    return alone / fine, after / fine


@wrong("D8")
def _diagonal(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """Each coordinate of f is counted for itself, by its conditional variance. Coordinates that go together are then
    counted twice; a determinant knows.
    """
    # The features are treated as independent: each has its own variance given the context.
    f, g, c = _parts(covariance, fine, coarse)

    def nll(*given: Tensor) -> Tensor:
        own = covariance[:, f[:, None], f]
        if given:
            index = torch.cat(given)
            across = covariance[:, f[:, None], index]
            own = own - across @ torch.linalg.solve(covariance[:, index[:, None], index], across.mT)
        return own.diagonal(dim1=1, dim2=2).log().sum(-1) / 2

    return nll() - nll(g), nll(c) - nll(g, c)


@wrong("D8")
def _by_traces(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """This compares total variances. They forget how the coordinates of f go together, and change when one of them is
    measured in another unit; information does not.
    """
    # ½ log of the ratio of total variances, the formula for a single number.
    f, g, c = _parts(covariance, fine, coarse)

    def log_variance(*given: Tensor) -> Tensor:
        own = covariance[:, f[:, None], f]
        if given:
            index = torch.cat(given)
            across = covariance[:, f[:, None], index]
            own = own - across @ torch.linalg.solve(covariance[:, index[:, None], index], across.mT)
        return own.diagonal(dim1=1, dim2=2).sum(-1).log() / 2

    return log_variance() - log_variance(g), log_variance(c) - log_variance(g, c)


@wrong("D8")
def _of_pairs(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """This adds up what each coordinate of g tells about each one of f, pair by pair. What two pairs say in common is
    counted twice.
    """
    # Σ −½ log(1 − ρ²) over all pairs of a coordinate of f and one of g.
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


@wrong("D8")
def _entropies(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """These are the NLLs that are left after conditioning. Asked for is by how much it lowers them."""
    f, g, c = _parts(covariance, fine, coarse)
    constant = fine * (1 + math.log(2 * math.pi)) / 2
    return _nll(covariance, f, g) + constant, _nll(covariance, f, g, c) + constant


@wrong("D8")
def _joint_entropies(covariance: Tensor, fine: int, coarse: int) -> Worth:
    """The NLL of f is compared with that of f *and* g, from which that of g is missing. p(f | g) is a ratio."""
    f, g, c = _parts(covariance, fine, coarse)
    of_f, of_f_c = (_nll(covariance, torch.cat(parts)) for parts in ([f], [f, c]))
    return tuple(few - _nll(covariance, torch.cat(all_)) for few, all_ in ((of_f, [f, g]), (of_f_c, [f, g, c])))


EXERCISE = Exercise(
    id="7.8",
    title="What is a level worth?",
    kind="predict",
    section=_SECTION,
    reference=_worth,
    inputs=_covariances,
    edge_cases=_edges,
    misconceptions=wrong,
)
