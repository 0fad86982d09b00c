"""What an error message says after an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
