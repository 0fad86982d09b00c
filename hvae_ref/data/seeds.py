"""Seeds for streams of random numbers that have nothing to do with each other."""

from __future__ import annotations

import numpy as np

VALIDATION_STREAM = 2**31 - 1
"""The part of a seed that tells validation from an epoch, whose number stands in the same place."""

EVALUATION_STREAM = 2**31 - 2
"""The part of a seed that tells measures of a model from everything else, the user's own numbers included."""


def derived_seed(*parts: int) -> int:
    """A seed that depends on every part: runs, epochs and processes get unrelated streams.

    A part of 0 at the end is as good as none.

    >>> derived_seed(0, 1) != derived_seed(1, 0)
    True
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
