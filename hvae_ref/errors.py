"""What errors say: of an unknown name, of what is no number, and of a package that is not installed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from importlib import import_module
from numbers import Integral, Real
from types import ModuleType
from typing import Any


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "") -> str:
    """The end of an error message about an unknown name: the nearest known one, or what to say where none is near.

    Args:
        word: what was given; need not be text.
        known: the names that would have done.
        otherwise: the end of the message where no known name is near.

    >>> did_you_mean("epoch", ["epochs", "seed"])
    "; did you mean 'epochs'?"
    >>> did_you_mean("colour", ["epochs", "seed"])
    ''
    """
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else otherwise


def missing_extra(package: str, extra: str, wanted_by: str) -> ModuleNotFoundError:
    """The error that says which of this package's extras brings what is missing.

    Args:
        package: what is not installed.
        extra: name of the extra that brings it, see `[project.optional-dependencies]` in pyproject.toml.
        wanted_by: what needs it, such as a package or function of `hvae_ref`.

    >>> print(missing_extra("matplotlib", extra="viz", wanted_by="hvae_ref.viz"))
    hvae_ref.viz needs matplotlib, which is not installed: pip install "hvae-ref[viz]"
    """
    return ModuleNotFoundError(
        f'{wanted_by} needs {package}, which is not installed: pip install "hvae-ref[{extra}]"', name=package
    )


def optional_import(module: str, *, extra: str, wanted_by: str) -> ModuleType:
    """Import a module that one of the extras brings.

    Args:
        module: such as "matplotlib" or "scipy.stats".
        extra: name of the extra, see `missing_extra`.
        wanted_by: what needs it, for the message.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: where it is not installed, with the command that installs it. What an installed module
            fails to import by itself is not touched: the extra would not mend that.

    >>> optional_import("no_such_module", extra="viz", wanted_by="hvae_ref.viz")
    Traceback (most recent call last):
    ModuleNotFoundError: hvae_ref.viz needs no_such_module, which is not installed: pip install "hvae-ref[viz]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise missing_extra(package, extra, wanted_by) from error


def unmasked(name: str, value: Any) -> Any:  # noqa: ANN401
    """A value as it is; an array of `numpy.ma` with values that count as absent is refused, as NumPy would use them.

    Args:
        name: of the argument, for the error.
        value: what was given.

    Raises:
        ValueError: where some values are masked.
    """
    mask = getattr(value, "mask", None) if hasattr(value, "filled") else None
    absent = 0 if mask is None else int(mask.sum())
    if absent:
        raise ValueError(
            f"{name}: expected numbers throughout, got {absent} masked values of {mask.size}; leave these out or fill "
            "them in"
        )
    return value


def is_whole(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number of at least `least`; NumPy's are, truth values, strings and 2.0 are not.

    >>> is_whole(2), is_whole(0), is_whole(True), is_whole(2.0)
    (True, False, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def whole_number(name: str, value: Any, least: int = 1) -> int:  # noqa: ANN401
    """A whole number, see `is_whole`, as Python's own int.

    Args:
        name: of the argument, for the error.
        value: what was given.
        least: the smallest that will do.

    Raises:
        ValueError: for anything else.

    >>> whole_number("epochs", True)
    Traceback (most recent call last):
    ValueError: epochs: expected a whole number of at least 1, got True
    """
    if not is_whole(value, least):
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def real_number(name: str, value: Any, least: float = -math.inf, above: float = -math.inf) -> float:  # noqa: ANN401
    """A finite number as Python's own float; NumPy's are numbers too, truth values, strings and tensors are not.

    Args:
        name: of the argument, for the error.
        value: what was given.
        least: the smallest that will do.
        above: what it must be greater than.

    Raises:
        ValueError: for anything else.

    >>> real_number("beta", "1", least=0)
    Traceback (most recent call last):
    ValueError: beta: expected a finite number ≥ 0, got '1'
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not (math.isfinite(value) and value >= least and value > above)
    ):
        bound = f" ≥ {least:g}" if least > -math.inf else ""
        wanted = f"a number > {above:g}" if above > -math.inf else f"a finite number{bound}"
        raise ValueError(f"{name}: expected {wanted}, got {value!r}")
    return float(value)
