"""Exercise of chapter 7 on the density of whitened features: 7.5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.ch07.specimens import Tails
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_SEES = "What does a network see at a place?"

LogDensity = Callable[[Tensor], Tensor]
Basis = tuple[Tensor, Tensor, Tensor]
Fit = Callable[[Tensor, int], Basis]


def _features(rng: np.random.Generator) -> tuple[Tensor, Tensor, LogDensity, int]:
    rows, channels, batch = int(rng.integers(12, 30)), int(rng.integers(2, 8)), size(rng)
    # Spreads that are well apart, in directions of their own, so that no two directions are confused.
    spread = torch.as_tensor(float(rng.uniform(0.3, 3)) * 0.65 ** np.arange(channels))
    turn = torch.linalg.qr(normal(rng, channels, channels, dtype=torch.float64)).Q
    mean = normal(rng, channels, scale=2, dtype=torch.float64)
    cloud = normal(rng, rows + batch, channels, dtype=torch.float64) * spread @ turn + mean
    dim = int(rng.integers(1, channels + 1))
    return cloud[:rows], cloud[rows:], Tails(uniform(rng, dim, low=0.5, high=2, dtype=torch.float64)), dim


def _directions(scatter: Tensor) -> tuple[Tensor, Tensor]:
    """Variances, largest first, and their directions as columns."""
    variance, directions = torch.linalg.eigh(scatter)
    return variance.flip(0), directions.flip(1)


def _basis(train: Tensor, dim: int) -> Basis:
    """Mean (C,), directions (C, D) and standard deviations (D,), over all rows."""
    centred = train - train.mean(0)
    variance, directions = _directions(centred.T @ centred / len(train))
    return train.mean(0), directions[:, :dim], variance[:dim].sqrt()


def _whitened(f: Tensor, basis: Basis) -> Tensor:
    mean, directions, scale = basis
    return (f - mean) @ directions / scale


def _log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - basis[2].log().sum()


def _with_fit(fit: Fit) -> Callable[..., Tensor]:
    """The density, with other components."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = fit(train, dim)
        return log_p(_whitened(f, basis)) - basis[2].log().sum()

    return log_density


def _with_det(log_det: Callable[[Tensor], Tensor | float]) -> Callable[..., Tensor]:
    """The density, with another function of the standard deviations for log |det|."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis(train, dim)
        return log_p(_whitened(f, basis)) + log_det(basis[2])

    return log_density


def _with_u(u: Callable[[Tensor, Basis], Tensor]) -> Callable[..., Tensor]:
    """The density, with another formula for the whitened coordinates."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis(train, dim)
        return log_p(u(f, basis)) - basis[2].log().sum()

    return log_density


def _basis_of_a_sample(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale * (len(train) / (len(train) - 1)) ** 0.5


def _basis_off_centre(train: Tensor, dim: int) -> Basis:
    variance, directions = _directions(train.T @ train / len(train))
    return torch.zeros_like(train[0]), directions[:, :dim], variance[:dim].sqrt()


def _basis_off_centre_then_centred(train: Tensor, dim: int) -> Basis:
    return train.mean(0), *_basis_off_centre(train, dim)[1:]


def _basis_of_singular_values(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale * len(train) ** 0.5


def _basis_of_the_smallest(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, train.shape[1])
    return mean, directions.flip(1)[:, :dim], scale.flip(0)[:dim]


def _basis_of_rows(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, train.shape[1])
    return mean, directions.T[:, :dim], scale[:dim]


def _basis_of_columns(train: Tensor, dim: int) -> Basis:
    mean, _, scale = _basis(train, dim)
    return mean, torch.linalg.svd(train - mean, full_matrices=False).Vh[:, :dim], scale


def _basis_of_first_channels(train: Tensor, dim: int) -> Basis:
    scale = train.std(0, unbiased=False)
    return train.mean(0), torch.eye(train.shape[1], dim, dtype=train.dtype), scale[:dim]


def _basis_by_variances(train: Tensor, dim: int) -> Basis:
    mean, directions, scale = _basis(train, dim)
    return mean, directions, scale.square()


def _all_directions_counted(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - _basis(train, train.shape[1])[2].log().sum()


def _counted_for_each_row(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - len(f) * basis[2].log().sum()


def _fitted_to_what_is_judged(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    mean, directions, scale = _basis(train, dim)
    return log_p(_whitened(f, (f.mean(0), directions, scale))) - scale.log().sum()


def _as_scikit_learn_whitens(log_det: Callable[[Tensor], Tensor | float]) -> Callable[..., Tensor]:
    """The density with variances over N − 1, and another function of the standard deviations for log |det|."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis_of_a_sample(train, dim)
        return log_p(_whitened(f, basis)) + log_det(basis[2])

    return log_density


def _not_whitened(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    mean, directions, _ = _basis(train, dim)
    return log_p((f - mean) @ directions)


def _density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    return _log_density(train, f, log_p, dim).exp()


def _multiplied_by_the_det(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) / basis[2].prod()


ON_WHITENING: tuple[Exercise, ...] = (
    Exercise(
        id="7.5",
        title="Whitened, and back",
        kind="derive",
        section=_SEES,
        reference=_log_density,
        inputs=_features,
        misconceptions=(
            Misconception(
                "D5",
                _with_det(lambda scale: 0.0),
                "This is the density of the whitened coordinates, taken at the right place. Over y it does not "
                "integrate to one: dividing by the scales has changed what a unit of volume is.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: scale.log().sum()),
                "The log-determinant has the wrong sign. Take one direction of scale 1000: y is spread thinly, so "
                "should its density be higher than that of u or lower?",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: -2 * scale.log().sum()),
                "The determinant is counted twice. The map divides by standard deviations, not by variances.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: -scale.log().sum() / 2),
                "Half the determinant is counted. The ½ belongs before the logarithm of a *variance*.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: -scale.log().mean()),
                "The logarithms of the scales are averaged. A determinant is a product over all directions.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: -scale.prod()),
                "The determinant itself is taken from a logarithm. Beside log p belongs log |det|.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_det(lambda scale: -scale.sum().log()),
                "The scales are added before the logarithm. A determinant is their product.",
                _SEES,
            ),
            Misconception(
                "D5",
                _all_directions_counted,
                "The scales of all C directions are counted. Asked for is the density of the D coordinates that are "
                "kept; the others do not appear in it.",
                _SEES,
            ),
            Misconception(
                "D5",
                _counted_for_each_row,
                "The determinant is counted once for every row of the batch. Each row has one of its own.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_u(lambda f, basis: (f - basis[0]) @ basis[1]),
                "The determinant is there, but the coordinates have not been divided by their scales: log p is asked "
                "about u and given y.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_u(lambda f, basis: (f - basis[0]) @ basis[1] * basis[2]),
                "The coordinates are multiplied by their scales. That is the way back; white coordinates have a "
                "variance of one.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_u(lambda f, basis: f @ basis[1] / basis[2]),
                "The mean of the training features is not taken away before f is projected.",
                _SEES,
            ),
            Misconception(
                "D5",
                _fitted_to_what_is_judged,
                "The features to be judged are centred by their own mean. A batch of nothing but anomalies would then "
                "look normal, and a single row always would.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_off_centre),
                "Nothing is centred: the first direction then mostly points at the mean, and its variance is the "
                "mean's square.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_off_centre_then_centred),
                "The mean is taken from f, but not from the training features before their covariance was formed.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_of_a_sample),
                "The variances are divided by N − 1, as `cov`, `var` and `std` do unless told otherwise. Asked for is "
                "N. Either is defensible; in a comparison both sides need the same.",
                _SEES,
            ),
            Misconception(
                "D5",
                _as_scikit_learn_whitens(lambda scale: 0.0),
                "Two things: the variances are divided by N − 1 in place of N, and this is still the density of the "
                "whitened coordinates. Dividing by the scales has changed what a unit of volume is.",
                _SEES,
            ),
            Misconception(
                "D5",
                _as_scikit_learn_whitens(lambda scale: scale.log().sum()),
                "Two things: the variances are divided by N − 1 in place of N, and the log-determinant has the wrong "
                "sign. A direction of scale 1000 spreads y thinly; is its density then higher than that of u?",
                _SEES,
            ),
            Misconception(
                "D5",
                _not_whitened,
                "log p is asked about y. It is the density of *u*, the coordinates after their division.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_of_singular_values),
                "Singular values of the centred features are used as standard deviations. They grow with the number "
                "of rows; what divides their squares?",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_by_variances),
                "The coordinates are divided by their variances. What comes out has a variance other than one.",
                _SEES,
            ),
            Misconception(
                "D5",
                _with_fit(_basis_of_the_smallest),
                "These are the directions of *smallest* variance: `eigh` answers in ascending order.",
                _SEES,
            ),
            *(
                Misconception(
                    "D5",
                    _with_fit(fit),
                    "The directions are read off the wrong side of a matrix. `eigh` keeps them in its columns, `svd` "
                    "in the rows of its last part.",
                    _SEES,
                )
                for fit in (_basis_of_rows, _basis_of_columns)
            ),
            Misconception(
                "D5",
                _with_fit(_basis_of_first_channels),
                "The first D channels are kept. Principal components are directions that mix all of them.",
                _SEES,
            ),
            Misconception(
                "D5",
                _multiplied_by_the_det,
                "The *log*-density is divided by the determinant. A density is; in logarithms this is a difference.",
                _SEES,
            ),
            Misconception("D5", _density, "This is the density itself. Asked for is its logarithm.", _SEES),
        ),
    ),
)
