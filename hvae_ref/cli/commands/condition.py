"""A condition in words, such as level=70,sex=1, and as the row that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hvae_ref.abr.data import STATIC_NAMES, STATICS, check_condition
from hvae_ref.cli.recipes.schema import closest


def condition_row(text: str | None, known: Tensor, names: Sequence[str] = STATIC_NAMES) -> Tensor:
    """The condition that a text describes.

    Args:
        text: such as "level=70,sex=1"; None for nothing in particular.
        known: (N, 7) conditions of a data set; what the text leaves open is their median, always a value of theirs.
        names: of the parameters that the model reads.

    Returns:
        (1, 7) in the parameters' own units, in the order of `STATIC_NAMES`.

    Raises:
        ValueError: for an unknown name, with the closest one; a name given twice; or a value that is no number or out
            of its parameter's range.

    >>> import torch
    >>> known = torch.tensor([[80.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> condition_row("level=70, sex=1", known)[0, :4].tolist()
    [70.0, 21.0, 30.0, 1.0]
    """
    row = known.median(0).values
    seen = set()
    for part in [] if text is None else text.split(","):
        name, separator, value = (word.strip() for word in part.partition("="))
        if not separator or not name:
            raise ValueError(f"--condition: expected name=value,… such as level=70,sex=1, got {part.strip()!r}")
        if name not in names:
            raise ValueError(f"--condition: unknown {name!r}{closest(name, names)}")
        if name in seen:
            raise ValueError(f"--condition: {name} is given twice")
        seen.add(name)
        try:
            row[STATIC_NAMES.index(name)] = float(value)
        except (ValueError, RuntimeError) as error:  # torch refuses what overflows single precision
            raise ValueError(f"--condition: expected a number for {name}, got {value!r}") from error
    check_condition(row[None])
    return row[None]


def in_words(condition: Tensor, names: Sequence[str] = STATIC_NAMES) -> str:
    """A condition (1, 7) as it is told and written: the parameters that the model reads, with their units.

    >>> import torch
    >>> in_words(torch.tensor([[70.0, 21.0, 30.0, 1.0, 10.0, 0.0, 2000.0]]), ("level", "rate", "sex"))
    'level 70 dB nHL, rate 21 clicks/s, sex 1 (0 female, 1 male)'
    """
    words = []
    for static, value in zip(STATICS, condition[0].tolist(), strict=True):
        if static.name in names:
            unit = "" if static.unit == "count" else f" ({static.unit})" if static.values else f" {static.unit}"
            words.append(f"{static.name} {value:.4g}{unit}")
    return ", ".join(words)
