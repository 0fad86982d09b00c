"""Whether two answers agree, and how they differ where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae_ref.exercises.engine.evaluate import Outcome
from hvae_ref.exercises.engine.forms import Leaf

GRADIENT_SLACK = 3.0  # derivatives lose more digits than values do


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be: ``|actual - expected| <= atol + rtol |expected|``.

    Attributes:
        rtol: relative to what is expected.
        atol: absolute.
        equal_nan: whether NaN agrees with NaN, which it does where two wrong answers are compared.
    """

    rtol: float
    atol: float
    equal_nan: bool = False

    def loosened(self, factor: float) -> Tolerance:
        """The same tolerance, times a factor."""
        return Tolerance(self.rtol * factor, self.atol * factor, self.equal_nan)


def difference(expected: Outcome, actual: Outcome, tolerance: Tolerance) -> str | None:
    """Compare two outcomes on one input.

    Args:
        expected: What the reference gave.
        actual: What the answer gave.
        tolerance: How far apart numbers may be.

    Returns:
        None where they agree, else the kind of difference: ``"error"``, ``"structure"``, ``"shape"``, ``"nan"``,
        ``"dtype"``, ``"value"``, ``"gradient missing"``, ``"gradient"`` or ``"changed input"``.
    """
    if actual.error is not None or expected.error is not None:
        return "error"
    if expected.leaves.keys() != actual.leaves.keys():
        return "structure"
    kinds = [_leaf_difference(expected.leaves[p], actual.leaves[p], tolerance) for p in expected.leaves]
    for kind in ("structure", "shape", "nan", "dtype", "value"):
        if kind in kinds:
            return kind
    kind = _gradient_difference(expected, actual, tolerance.loosened(GRADIENT_SLACK))
    return "changed input" if kind is None and expected.changed != actual.changed else kind


def agree(expected: Outcome, actual: Outcome, tolerance: Tolerance) -> bool:
    """Whether two outcomes agree within the tolerance, gradients included.

    Args:
        expected: What the reference (or a misconception) gave.
        actual: What the answer gave.
        tolerance: How far apart numbers may be.

    Returns:
        True where they agree.
    """
    return difference(expected, actual, tolerance) is None


def overflows(outcome: Outcome) -> bool:
    """Whether NaN or infinity is among the numbers of an outcome."""
    return any(isinstance(leaf, Tensor) and not torch.isfinite(leaf).all() for leaf in outcome.leaves.values())


def close(expected: Tensor, actual: Tensor, tolerance: Tolerance) -> bool:
    """Whether two tensors have the same shape and the same values within the tolerance.

    NaN is close to nothing, and to NaN only where the tolerance says so.

    Args:
        expected: What is right.
        actual: What is compared with it.
        tolerance: How far apart they may be.

    Returns:
        True where all values are close.
    """
    if expected.shape != actual.shape or expected.is_complex() != actual.is_complex():
        return False
    return torch.allclose(
        _wide(actual), _wide(expected), rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=tolerance.equal_nan
    )


def pattern(
    cases: Sequence[tuple[Outcome, Outcome]], tolerance: Tolerance, sizes: Sequence[Mapping[str, int]] = ()
) -> tuple[str, str]:
    """Say what wrong values have in common over many inputs.

    Args:
        cases: Expected and actual outcome for every input (right ones included) where shapes agree.
        tolerance: How far apart numbers may be.
        sizes: For every input the sizes of its axes by name, to recognise a mean that stands for a sum.

    Returns:
        The kind (``"sign"``, ``"factor"``, ``"offset"``, ``"reduction"``, ``"permuted"``, ``"partial"`` or
        ``"value"``) and a sentence that says it.
    """
    pairs = [_joined(expected, actual) for expected, actual in cases]
    wrong = [not close(e, a, tolerance) for e, a in pairs]
    es, as_ = torch.cat([e for e, _ in pairs]), torch.cat([a for _, a in pairs])
    if close(-es, as_, tolerance):
        return "sign", "The sign is flipped: on every input your answer is minus the expected one."
    ratio = _common(as_, es, tolerance)
    if ratio is not None:
        return "factor", f"A constant factor: on every input your answer is {ratio:.4g} times the expected one."
    if reduced := _reduction(pairs, sizes, tolerance):
        return "reduction", reduced
    offset = (as_ - es).median()
    if torch.isfinite(offset) and close(es + offset, as_, tolerance):
        return "offset", f"A constant offset: on every input your answer is the expected one {offset.item():+.4g}."
    if all(_same_values(expected, actual, tolerance) for expected, actual in cases):
        return "permuted", "The right values in the wrong places: an axis is permuted or transposed."
    if not all(wrong):
        return "partial", f"Right on {wrong.count(False)} of {len(wrong)} inputs, wrong on the others."
    return "value", "Wrong values on every input, with no simple factor, sign or offset between them."


def _leaf_difference(expected: Leaf, actual: Leaf, tolerance: Tolerance) -> str | None:
    if not isinstance(expected, Tensor) or not isinstance(actual, Tensor):
        if isinstance(expected, str) and isinstance(actual, str):
            return None if _folded(expected) == _folded(actual) else "value"
        return None if expected is actual is None else "structure"
    if expected.shape != actual.shape:
        return "shape"
    if close(expected, actual, tolerance):
        return None
    if actual.is_complex() and not expected.is_complex():
        return "dtype"
    if not torch.isfinite(_wide(actual))[torch.isfinite(_wide(expected))].all():
        return "nan"
    return "dtype" if _is_real(expected) and not _is_real(actual) else "value"


def _folded(word: str) -> str:
    """A word without its case and surrounding space; a subclass of str has no say in it."""
    return str.casefold(str.strip(word))


def _gradient_difference(expected: Outcome, actual: Outcome, tolerance: Tolerance) -> str | None:
    worst: str | None = None
    for source, wanted in expected.gradients.items():
        found = actual.gradients.get(source)
        wanted_or_zero = _or_zero(wanted, found)
        if wanted_or_zero is None or close(wanted_or_zero, _or_zero(found, wanted_or_zero), tolerance):
            continue
        if found is None:
            return "gradient missing"
        worst = "gradient"
    return worst


def _or_zero(tensor: Tensor | None, like: Tensor | None) -> Tensor | None:
    if tensor is not None:
        return tensor
    return None if like is None else torch.zeros_like(like)


def _wide(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor if tensor.is_complex() else tensor.to(torch.float64)


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point()


def _joined(expected: Outcome, actual: Outcome) -> tuple[Tensor, Tensor]:
    """All numbers of one case in a row, the expected ones and the actual ones."""
    rows = []
    for outcome in (expected, actual):
        parts = [_wide(leaf).flatten() for leaf in outcome.leaves.values() if isinstance(leaf, Tensor)]
        rows.append(torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64))
    return rows[0], rows[1]


def _common(numerator: Tensor, denominator: Tensor, tolerance: Tolerance) -> float | None:
    """The one factor between two rows of numbers, if there is one that is neither 0 nor 1."""
    if not len(numerator) or numerator.is_complex() or denominator.is_complex():
        return None
    square = denominator.square().sum()
    factor = (numerator * denominator).sum() / square
    if not torch.isfinite(factor) or factor.abs() < 1e-6 or not close(factor * denominator, numerator, tolerance):
        return None
    return float(factor)


def _reduction(
    pairs: Sequence[tuple[Tensor, Tensor]], sizes: Sequence[Mapping[str, int]], tolerance: Tolerance
) -> str | None:
    """The axis whose size is the factor on every input: a mean in place of a sum, or the other way round."""
    for axis in [name for name in sizes[0] if all(name in found for found in sizes)] if sizes else ():
        by = [found[axis] for found in sizes]
        for factors, got, asked in (([1 / n for n in by if n], "mean", "sum"), (by, "sum", "mean")):
            if len(factors) == len(pairs) and all(
                close(e * factor, a, tolerance) for (e, a), factor in zip(pairs, factors, strict=True)
            ):
                return f"A {got} where a {asked} is asked: your answer is off by the size of {axis}."
    return None


def _same_values(expected: Outcome, actual: Outcome, tolerance: Tolerance) -> bool:
    """Whether each part holds the same numbers, whatever their order."""
    pairs = zip(expected.leaves.values(), actual.leaves.values(), strict=True)
    return all(
        close(_wide(e).flatten().sort().values, _wide(a).flatten().sort().values, tolerance)
        for e, a in pairs
        if isinstance(e, Tensor) and isinstance(a, Tensor) and not e.is_complex() and not a.is_complex()
    )
