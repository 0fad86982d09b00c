"""A progress bar that vanishes when the work is done."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from tqdm import tqdm


def bar(total: int, done: int, shown: bool | None) -> tqdm:
    """A bar over epochs.

    Args:
        total: epochs of the run.
        done: epochs that a resumed run already has.
        shown: True, False, or None for "where somebody can see it move": in a terminal, or in a notebook that has
            ipywidgets. tqdm's own variable `TQDM_DISABLE` hides it, so that executed notebooks keep clean outputs.

    Returns:
        A tqdm bar, possibly a silent one.
    """
    notebook = _in_notebook() and find_spec("ipywidgets") is not None
    if shown is None:
        shown = not os.environ.get("TQDM_DISABLE") and (notebook or sys.stderr.isatty())
    kind = tqdm
    if notebook and shown:
        # Imported here because outside of a notebook it warns about widgets that nobody misses.
        from tqdm.notebook import tqdm as kind
    return kind(total=total, initial=done, unit="epoch", leave=False, disable=not shown, dynamic_ncols=True)


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
