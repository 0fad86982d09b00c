"""Wrong answers to exercise 7.5; reference and inputs are in `ex5_density_of_whitened_features.py`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hvae_ref.exercises.ch07.ex5_density_of_whitened_features import (
    _SECTION,
    Basis,
    Fit,
    LogDensity,
    _basis,
    _directions,
    _edges,
    _features,
    _log_density,
    _whitened,
    _with_det,
    _with_fit,
    _with_u,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("D5", into=_with_det)
def _without_determinant(scale: Tensor) -> Tensor | float:
    """This is the density of the whitened coordinates, taken at the right place. Over y it does not integrate to one:
    dividing by the scales has changed what a unit of volume is.
    """
    return 0.0


@wrong("D5", into=_with_det)
def _sign_turned(scale: Tensor) -> Tensor | float:
    """The log-determinant has the wrong sign. Take one direction of scale 1000: y is spread thinly, so should its
    density be higher than that of u or lower?
    """
    return scale.log().sum()


@wrong("D5", into=_with_det)
def _determinant_twice(scale: Tensor) -> Tensor | float:
    """The determinant is counted twice. The map divides by standard deviations, not by variances."""
    return -2 * scale.log().sum()


@wrong("D5", into=_with_det)
def _determinant_halved(scale: Tensor) -> Tensor | float:
    """Half the determinant is counted. The ½ belongs before the logarithm of a *variance*."""
    return -scale.log().sum() / 2


@wrong("D5", into=_with_det)
def _logarithms_averaged(scale: Tensor) -> Tensor | float:
    """The logarithms of the scales are averaged. A determinant is a product over all directions."""
    return -scale.log().mean()


@wrong("D5", into=_with_det)
def _determinant_itself(scale: Tensor) -> Tensor | float:
    """The determinant itself is taken from a logarithm. Beside log p belongs log |det|."""
    return -scale.prod()


@wrong("D5", into=_with_det)
def _scales_added(scale: Tensor) -> Tensor | float:
    """The scales are added before the logarithm. A determinant is their product."""
    return -scale.sum().log()


@wrong("D5")
def _all_directions_counted(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """The scales of all C directions are counted. Asked for is the density of the D coordinates that are kept; the
    others do not appear in it.
    """
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - _basis(train, train.shape[1])[2].log().sum()


@wrong("D5")
def _counted_for_each_row(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """The determinant is counted once for every row of the batch. Each row has one of its own."""
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - len(f) * basis[2].log().sum()


@wrong("D5", into=_with_u)
def _not_scaled(f: Tensor, basis: Basis) -> Tensor:
    """The determinant is there, but the coordinates have not been divided by their scales: log p is asked about u and
    given y.
    """
    return (f - basis[0]) @ basis[1]


@wrong("D5", into=_with_u)
def _multiplied_by_scales(f: Tensor, basis: Basis) -> Tensor:
    """The coordinates are multiplied by their scales. That is the way back; white coordinates have a
    variance of one.
    """
    return (f - basis[0]) @ basis[1] * basis[2]


@wrong("D5", into=_with_u)
def _not_centred(f: Tensor, basis: Basis) -> Tensor:
    """The mean of the training features is not taken away before f is projected."""
    return f @ basis[1] / basis[2]


@wrong("D5")
def _fitted_to_what_is_judged(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """The features to be judged are centred by their own mean. A batch of nothing but anomalies would then look normal,
    and a single row always would.
    """
    mean, directions, scale = _basis(train, dim)
    return log_p(_whitened(f, (f.mean(0), directions, scale))) - scale.log().sum()


@wrong("D5", into=_with_fit)
def _basis_off_centre(train: Tensor, dim: int) -> Basis:
    """Nothing is centred: the first direction then mostly points at the mean, and its variance is the mean's square."""
    variance, directions = _directions(train.T @ train / len(train))
    return torch.zeros_like(train[0]), directions[:, :dim], variance[:dim].sqrt()


@wrong("D5", into=_with_fit)
def _basis_off_centre_then_centred(train: Tensor, dim: int) -> Basis:
    """The mean is taken from f, but not from the training features before their covariance was formed."""
    return train.mean(0), *_basis_off_centre(train, dim)[1:]


@wrong("D5", into=_with_fit)
def _basis_of_a_sample(train: Tensor, dim: int) -> Basis:
    """The variances are divided by N − 1, as `cov`, `var` and `std` do unless told otherwise. Asked for is N. Either is
    defensible; in a comparison both sides need the same.
    """
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale * (len(train) / (len(train) - 1)) ** 0.5


def _as_scikit_learn_whitens(log_det: Callable[[Tensor], Tensor | float]) -> Callable[..., Tensor]:
    """The density with variances over N − 1, and another function of the standard deviations for log |det|."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis_of_a_sample(train, dim)
        return log_p(_whitened(f, basis)) + log_det(basis[2])

    return log_density


@wrong("D5", into=_as_scikit_learn_whitens)
def _of_a_sample_and_without_determinant(scale: Tensor) -> Tensor | float:
    """Two things: the variances are divided by N − 1 in place of N, and this is still the density of the whitened
    coordinates. Dividing by the scales has changed what a unit of volume is.
    """
    return 0.0


@wrong("D5", into=_as_scikit_learn_whitens)
def _of_a_sample_and_sign_turned(scale: Tensor) -> Tensor | float:
    """Two things: the variances are divided by N − 1 in place of N, and the log-determinant has the wrong sign. A
    direction of scale 1000 spreads y thinly; is its density then higher than that of u?
    """
    return scale.log().sum()


@wrong("D5")
def _not_whitened(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """log p is asked about y. It is the density of *u*, the coordinates after their division."""
    mean, directions, _ = _basis(train, dim)
    return log_p((f - mean) @ directions)


@wrong("D5", into=_with_fit)
def _basis_of_singular_values(train: Tensor, dim: int) -> Basis:
    """Singular values of the centred features are used as standard deviations. They grow with the number of rows; what
    divides their squares?
    """
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale * len(train) ** 0.5


@wrong("D5", into=_with_fit)
def _basis_by_variances(train: Tensor, dim: int) -> Basis:
    """The coordinates are divided by their variances. What comes out has a variance other than one."""
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale.square()


@wrong("D5", into=_with_fit)
def _basis_of_the_smallest(train: Tensor, dim: int) -> Basis:
    """These are the directions of *smallest* variance: `eigh` answers in ascending order."""
    mean, directions, scale = _basis(train, train.shape[1])
    return mean, directions.flip(1)[:, :dim], scale.flip(0)[:dim]


def _basis_of_rows(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, train.shape[1])
    return mean, directions.T[:, :dim], scale[:dim]


def _basis_of_columns(train: Tensor, dim: int) -> Basis:
    mean, _, scale = _basis(train, dim)
    return mean, torch.linalg.svd(train - mean, full_matrices=False).Vh[:, :dim], scale


@wrong("D5", into=_with_fit, variants=(_basis_of_rows, _basis_of_columns))
def _basis_of_the_wrong_side(train: Tensor, dim: int, basis: Fit) -> Basis:
    """The directions are read off the wrong side of a matrix. `eigh` keeps them in its columns, `svd` in the rows of
    its last part.
    """
    return basis(train, dim)


@wrong("D5", into=_with_fit)
def _basis_of_first_channels(train: Tensor, dim: int) -> Basis:
    """The first D channels are kept. Principal components are directions that mix all of them."""
    scale = train.std(0, unbiased=False)
    return train.mean(0), torch.eye(train.shape[1], dim, dtype=train.dtype), scale[:dim]


@wrong("D5")
def _multiplied_by_the_det(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """The *log*-density is divided by the determinant. A density is; in logarithms this is a difference."""
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) / basis[2].prod()


@wrong("D5")
def _density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    """This is the density itself. Asked for is its logarithm."""
    return _log_density(train, f, log_p, dim).exp()


EXERCISE = Exercise(
    id="7.5",
    title="Whitened, and back",
    kind="derive",
    section=_SECTION,
    reference=_log_density,
    inputs=_features,
    edge_cases=_edges,
    misconceptions=wrong,
)
