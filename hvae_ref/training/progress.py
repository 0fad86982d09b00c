"""A progress bar that vanishes when the work is done."""

from __future__ import annotations

import os
import sys

from tqdm import tqdm


def bar(total: int, done: int, shown: bool | None) -> tqdm:
    """A bar over epochs.

    Args:
        total: epochs of the run.
        done: epochs that a resumed run already has.
        shown: True, False, or None for "where somebody can see it move": in a terminal or a live notebook. The
            environment variable `HVAE_REF_PROGRESS=0` hides it, so that executed notebooks keep clean outputs.

    Returns:
        A tqdm bar, possibly a silent one.
    """
    if shown is None:
        shown = os.environ.get("HVAE_REF_PROGRESS", "1") != "0" and (sys.stderr.isatty() or _in_notebook())
    return tqdm(total=total, initial=done, unit="epoch", leave=False, disable=not shown, dynamic_ncols=True)


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
