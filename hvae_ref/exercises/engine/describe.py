"""What to say of a difference on one input: its kind, the shapes, an exception; and values in one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from hvae_ref.exercises.engine.evaluate import Outcome
from hvae_ref.exercises.engine.forms import Leaf, UnsupportedAnswerError, is_blank
from hvae_ref.exercises.engine.time_limit import TIME_LIMIT, TOTAL_LIMIT, TimeLimitError, TotalTimeError


def describe(kind: str, expected: Outcome, actual: Outcome) -> tuple[str, str]:
    """Say how an answer differs from what is expected on one input.

    Args:
        kind: Kind of difference, other than ``"value"``.
        expected: What the reference gave.
        actual: What the answer gave.

    Returns:
        The kind, and a sentence that says it.
    """
    if is_blank(actual.value):
        return (
            "structure",
            "On this input the function returns nothing (None): does every way through it end in `return`?",
        )
    if kind == "structure":
        return kind, f"The answer has another form than what is asked: {mismatch(expected, actual)}."
    if kind == "shape":
        return kind, f"The shape differs: {mismatch(expected, actual)}.{_shape_hint(expected, actual)}"
    if kind == "nan":
        return kind, "NaN or infinity where a finite number is expected."
    if kind == "dtype":
        if any(isinstance(leaf, Tensor) and leaf.is_complex() for leaf in actual.leaves.values()):
            return kind, "Complex numbers where real ones are expected: check the dtype, or take the real part."
        return kind, "Whole numbers or truth values where real numbers are expected: check the dtype."
    if kind == "gradient missing":
        return kind, (
            "The values are right, but no gradient reaches an input: something on the way is detached, "
            "copied through NumPy or drawn without reparameterisation."
        )
    return kind, "The values are right, but the gradient with respect to the inputs is not."


def changed_inputs(changed: tuple[int, ...], names: tuple[str, ...]) -> str:
    """Say which inputs an answer changed.

    Args:
        changed: Their places.
        names: Names of all arguments.

    Returns:
        Two sentences.
    """
    listed = ", ".join(f"`{names[place]}`" for place in changed)
    return (
        f"The function changes its input {listed}. Whoever calls it needs that afterwards: make a new tensor "
        "(`a = a + b`, not `a += b`), or work on a clone."
    )


def words_that_differ(expected: Outcome, actual: Outcome) -> str:
    """Say which words of an answer differ from what is expected.

    Args:
        expected: What is right, in tensors and words.
        actual: What came.

    Returns:
        A sentence for each word, or an empty string where only numbers differ.
    """
    pairs = ((place, leaf, actual.leaves[place]) for place, leaf in expected.leaves.items())
    return " ".join(
        f"{place.capitalize()}: {found}." for place, leaf, found in pairs if isinstance(leaf, str) and found != leaf
    )


def mismatch(expected: Outcome, actual: Outcome) -> str:
    """Say what form was expected and what form came.

    Args:
        expected: What the reference gave.
        actual: What the answer gave.

    Returns:
        Part of a sentence, such as ``"expected shape (2,), got a single number"``.
    """
    if expected.leaves.keys() != actual.leaves.keys():
        return f"expected {_form(expected)}, got {_form(actual)}"
    for place, leaf in expected.leaves.items():
        wanted, found = _shape(leaf), _shape(actual.leaves[place])
        if wanted != found:
            return f"expected {wanted}, got {found}" + (f" at {place}" if place else "")
    return f"expected {_form(expected)}, got {_form(actual)}"


def _shape_hint(expected: Outcome, actual: Outcome) -> str:
    for place, leaf in expected.leaves.items():
        found = actual.leaves[place]
        if not isinstance(leaf, Tensor) or not isinstance(found, Tensor) or leaf.shape == found.shape:
            continue
        if found.ndim > leaf.ndim:
            return " An axis is left that should have been reduced or squeezed away."
        if found.ndim < leaf.ndim:
            return " One axis too many has been reduced."
        if sorted(found.shape) == sorted(leaf.shape):
            return " Two axes are transposed."
        return ""
    return ""


def _form(outcome: Outcome) -> str:
    if list(outcome.leaves) == [""]:
        return _shape(outcome.leaves[""])
    return "parts " + ", ".join(outcome.leaves) if outcome.leaves else "nothing"


def _shape(leaf: Leaf) -> str:
    if not isinstance(leaf, Tensor):
        return "nothing" if leaf is None else "a word"
    return f"shape {tuple(leaf.shape)}" if leaf.ndim else "a single number"


def error_message(error: BaseException | None, inputs: tuple[Any, ...], names: tuple[str, ...]) -> str:
    """Say what exception an answer raised, and on inputs of which shapes.

    Args:
        error: The exception.
        inputs: The arguments.
        names: Their names.

    Returns:
        One or two sentences.
    """
    if isinstance(error, UnsupportedAnswerError):
        return f"The answer cannot be compared: {error}."
    if isinstance(error, TotalTimeError):
        message = (
            f"The function was stopped after {TOTAL_LIMIT:g} seconds over several inputs: each call takes too long."
        )
    elif isinstance(error, TimeLimitError):
        message = f"The function was stopped after {TIME_LIMIT:g} seconds. Does a loop in it never end?"
    elif _on_a_leaf(error):
        return "The function changes its input in place, and no gradient can pass there: make a new tensor."
    else:
        message = f"The function stopped with {type(error).__name__}: {clipped(_text(error), 300)}."
    shapes = [f"{n} {tuple(v.shape)}" for n, v in zip(names, inputs, strict=True) if isinstance(v, Tensor)]
    where = f" The inputs' shapes: {', '.join(shapes)}." if shapes else ""
    return f"{message}{where}"


def _on_a_leaf(error: BaseException | None) -> bool:
    """Whether torch refused to change an input."""
    return isinstance(error, RuntimeError) and "a leaf Variable that requires grad" in _text(error)


def _text(error: BaseException | None) -> str:
    try:
        return str(error).rstrip(".")
    except Exception:  # an exception that cannot say what it is
        return "no message"


# -- values in one line of text --------------------------------------------------------------------------------------

_SHOWN = 24  # up to so many numbers are shown


def readable_outcome(outcome: Outcome) -> str:
    """Write what an answer gave in one line.

    Args:
        outcome: What it gave.

    Returns:
        Its parts and their places.
    """
    if list(outcome.leaves) == [""]:
        return readable(outcome.leaves[""])
    return "; ".join(f"{place}: {readable(leaf)}" for place, leaf in outcome.leaves.items())


def readable(value: Any) -> str:  # noqa: ANN401
    """Write a value in one line: numbers to four digits, and the shape.

    Args:
        value: Anything.

    Returns:
        The line, shortened where it would be long.
    """
    if isinstance(value, np.ndarray):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.ndim == 0:
            return _number(value.item())
        if value.numel() > _SHOWN:
            first = ", ".join(_number(v) for v in value.flatten()[:6].tolist())
            return f"[{first}, …]  shape {tuple(value.shape)}"
        return f"{_nested(value.tolist())}  shape {tuple(value.shape)}"
    if isinstance(value, float | np.floating):
        return _number(float(value))
    if isinstance(value, Distribution):
        return clipped(repr(value), 120)
    if isinstance(value, list | tuple):
        return clipped("(" + ", ".join(readable(v) for v in value) + ")", 300)
    return clipped(" ".join(repr(value).split()), 120)


def _nested(value: Any) -> str:  # noqa: ANN401
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else _number(value)


def _number(value: Any) -> str:  # noqa: ANN401
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clipped(text: str, width: int) -> str:
    """Shorten a text.

    Args:
        text: The text.
        width: How many characters may stay.

    Returns:
        The text, with an ellipsis where something was cut off.
    """
    return text if len(text) <= width else text[: width - 1] + "…"
