"""What can be read from a latent: cross-validated probes from codes to known factors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hvae_ref.errors import unmasked, whole_number

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e2)
"""Of the ridge, for each training row."""
WIDTHS = (0.1, 0.3, 1.0)
"""Of the Gaussian kernel: multiples of 1/d, for codes of unit variance."""


@dataclass(frozen=True)
class ProbeScore:
    """How much of one factor a probe reads from one code.

    Attributes:
        code: name of the code, such as "z_global".
        factor: name of the factor, such as "age".
        kind: "linear" or "nonlinear".
        r2: cross-validated R²; below 0 where the probe does worse than the factor's mean.
        r2_se: standard error of `r2` over the examples' squared errors.
        floor: highest R² that the same probe reached on shuffled factors; what is not above it is not there.
    """

    code: str
    factor: str
    kind: str
    r2: float
    r2_se: float
    floor: float


def _standardised(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, sd = train.mean(0), train.std(0)
    sd = np.where(sd > 1e-12 * np.abs(train).max(0), sd, 1.0)
    return (train - mean) / sd, (other - mean) / sd


def _kernel(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    # A linear kernel beside the Gaussian one, so that a nonlinear probe can do what a linear one can.
    products, dim = a @ b.T, a.shape[1]
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * products
    return np.exp(-width / dim * np.maximum(squares, 0)) + 0.1 * products / dim


Decomposed = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Orthonormal columns u (N, r) over the training rows, eigenvalues (r,), and the map (M, r) to other rows."""


def _linear(code: np.ndarray, other: np.ndarray) -> list[Decomposed]:
    u, s, v = np.linalg.svd(code, full_matrices=False)
    return [(u, s**2, (other @ v.T) * s)]


def _nonlinear(code: np.ndarray, other: np.ndarray) -> list[Decomposed]:
    decomposed = []
    for width in WIDTHS:
        values, vectors = np.linalg.eigh(_kernel(code, code, width))
        decomposed.append((vectors, np.maximum(values, 0), _kernel(other, code, width) @ vectors))
    return decomposed


KINDS: dict[str, Callable[[np.ndarray, np.ndarray], list[Decomposed]]] = {"linear": _linear, "nonlinear": _nonlinear}


def _predict(kind: str, code: np.ndarray, target: np.ndarray, other: np.ndarray) -> np.ndarray:
    # Ridge regression in the coordinates u. For each target, the width and penalty whose leave-one-out error is least.
    code, other = _standardised(code, other)
    mean = target.mean(0)
    target = target - mean
    losses, guesses = [], []
    for u, values, elsewhere in KINDS[kind](code, other):
        rotated = u.T @ target
        for penalty in PENALTIES:
            inverse = 1 / (values + penalty * len(code))
            leverage = u**2 @ (values * inverse) + 1 / len(code)
            residual = target - u @ ((values * inverse)[:, None] * rotated)
            losses.append(((residual / (1 - leverage).clip(1e-9)[:, None]) ** 2).mean(0))
            guesses.append(elsewhere @ (inverse[:, None] * rotated))
    return mean + np.stack(guesses)[np.stack(losses).argmin(0), :, np.arange(target.shape[1])].T


def _out_of_fold(kind: str, code: np.ndarray, target: np.ndarray, folds: int, seed: int) -> np.ndarray:
    fold = np.random.default_rng(seed).permutation(len(code)) % folds
    guess = np.empty_like(target)
    for k in range(folds):
        train, test = fold != k, fold == k
        guess[test] = _predict(kind, code[train], target[train], code[test])
    return guess


def _r2(target: np.ndarray, guess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = (target - target.mean(0)) ** 2
    gain = 1 - (target - guess) ** 2 / squares.mean(0)
    # The denominator moves with the same examples: this is the ratio's standard error, not the numerator's alone.
    ratio = 1 - gain.mean(0)
    deviation = (1 - gain) - ratio * squares / squares.mean(0)
    return gain.mean(0), deviation.std(0, ddof=1) / np.sqrt(len(target))


def probe(
    codes: Mapping[str, Float[Tensor, "rows ..."] | np.ndarray],
    factors: Mapping[str, Float[Tensor, " rows"] | np.ndarray],
    kinds: Sequence[str] = ("linear", "nonlinear"),
    folds: int = 5,
    shuffles: int = 3,
    seed: int = 0,
) -> list[ProbeScore]:
    """Cross-validated R² of every factor from every code.

    R² = 1 − Σ_n (y_n − ŷ_n)² / Σ_n (y_n − ȳ)²   (book, eq. 6.12)

    ŷ_n comes from a probe that has not seen example n. "linear" is ridge regression, "nonlinear" ridge regression with
    a Gaussian kernel beside a linear one; penalty and width are those of the least leave-one-out error inside each
    training fold. Both are closed forms, so a probe has no training that could fail. Time grows with N³; up to 1,000
    rows it is a matter of seconds.

    A probe says what *can be read*, not what the decoder does read. Codes are brought to unit variance first, so the
    means of a collapsed level, which differ in some far digit, may be read too: look at its KL beside, or probe samples
    of q (`posterior_samples`). And a high R² for a parameter of the condition says nothing about the signal where the
    encoder was given the condition: the latent may copy it.

    Args:
        codes: name -> (N, d), such as the posterior means of each level, or (N, …), which is flattened; any other array
            may stand beside them.
        factors: name -> (N,), such as the parameters of a generator.
        kinds: of the probes.
        folds: of the cross-validation.
        shuffles: how often the rows of all factors are shuffled for the floor.
        seed: of folds and shuffles.

    Returns:
        One score for each code, factor and kind.

    Raises:
        ValueError: for an unknown kind, rows that don't match, too few of them, values that aren't finite, or a
            constant factor, of which there is nothing to read.

    Reference:
        Alain and Bengio (2016), Understanding intermediate layers using linear classifier probes,
        https://arxiv.org/abs/1610.01644
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"kinds: expected some of {', '.join(KINDS)}, got {unknown[0]!r}")
    for argument, given in (("codes", codes), ("factors", factors)):
        if not isinstance(given, Mapping):
            raise ValueError(f"{argument}: expected arrays by name, got {type(given).__name__}")
    if isinstance(kinds, str):
        raise ValueError(f"kinds: expected a sequence such as ({kinds!r},), got {kinds!r}")
    if not codes or not factors:
        raise ValueError("codes, factors: expected at least one of each")
    folds, shuffles = whole_number("folds", folds, least=2), whole_number("shuffles", shuffles)
    seed = whole_number("seed", seed, least=0)
    arrays = {name: _array(f"codes[{name!r}]", value, 2) for name, value in codes.items()}
    columns = {name: _array(f"factors[{name!r}]", value, 1) for name, value in factors.items()}
    rows = {len(value) for value in itertools.chain(arrays.values(), columns.values())}
    if len(rows) != 1 or min(rows) < 4 * folds:
        raise ValueError(f"codes, factors: expected the same number of rows, at least {4 * folds}, got {sorted(rows)}")
    for name, column in columns.items():
        # Relative to the values, so that the unit does not matter; the mean of equal numbers may be off by rounding.
        if column.std() <= 1e-12 * abs(column).max():
            raise ValueError(f"factors[{name!r}]: expected values that differ, all are {column[0]:g}")
    target = np.stack(list(columns.values()), axis=1)
    spread = target.std(0)
    target = (target - target.mean(0)) / spread
    mixed = [target[np.random.default_rng((seed, k)).permutation(len(target))] for k in range(shuffles)]
    # One factorisation serves the factors and all their shuffles: they stand side by side as targets.
    beside = np.concatenate([target, *mixed], axis=1)
    scores = []
    for (name, code), kind in itertools.product(arrays.items(), kinds):
        r2, se = _r2(beside, _out_of_fold(kind, code, beside, folds, seed))
        floors = r2[len(columns) :].reshape(shuffles, -1).max(0)
        scores += [
            ProbeScore(name, factor, kind, float(r2[k]), float(se[k]), float(floors[k]))
            for k, factor in enumerate(columns)
        ]
    return scores


def _array(name: str, value: Tensor | np.ndarray, ndim: int) -> np.ndarray:
    value = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else value
    array = np.asarray(unmasked(name, value), dtype=float)
    if ndim == 2 < array.ndim:
        array = array.reshape(len(array), -1)
    if array.ndim != ndim or not array.size or not np.isfinite(array).all():
        shape = "(N, d)" if ndim == 2 else "(N,)"
        raise ValueError(f"{name}: expected finite values of shape {shape}, got shape {array.shape}")
    return array
