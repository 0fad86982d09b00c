"""One look for the whole book: level colours, a ground that holds on white and black pages, sharp rasters."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GROUND = "#fbfbf9"
"""A light card rather than a transparent figure: text keeps its contrast on white pages and on dark ones."""
INK = "#2b2b2b"
"""Colour of text and axes."""
FAINT = "#6b6b6b"
HALO = [patheffects.withStroke(linewidth=3, foreground=GROUND)]
"""Keeps a name readable on top of marks and lines."""

CYCLE = ("#0058a8", "#c04a00", "#00835a", "#a23b72", "#7a6000", "#4b4fa6", "#8c3b2a", "#4d4d4d")
"""Okabe and Ito's hues, darkened until their text reads on `GROUND` (contrast of at least 4.5 to 1)."""

STYLE: dict[str, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": GROUND,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.autolayout": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": GROUND,
    "figure.figsize": (6.4, 3.6),
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#e4e4e0",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "savefig.facecolor": GROUND,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}
"""Settings of matplotlib that `use_style` makes."""

P = ParamSpec("P")


NAMED_LEVELS = {"z_local": "z1", "z_global": "z2"}
"""Levels that go by what they stand for, and whose colour they have."""


def level_color(level: str) -> str:
    """Colour of a level, the same in every figure: "z1" is blue, "z2" orange, "z3" green.

    Args:
        level: "z1", "z2", …; with more than eight levels the colours come again. "z_local" has the colour of "z1",
            "z_global" that of "z2".

    Raises:
        ValueError: for any other name.
    """
    match = re.fullmatch(r"z([1-9]\d*)", NAMED_LEVELS.get(level, level))
    if match is None:
        raise ValueError(f"level: expected a name such as 'z1', got {level!r}")
    return CYCLE[(int(match[1]) - 1) % len(CYCLE)]


class _Restore(AbstractContextManager[None]):
    def __init__(self, before: dict[str, object]) -> None:
        self.before = before

    def __exit__(self, *exception: object) -> None:
        mpl.rcParams.update(self.before)


def use_style() -> AbstractContextManager[None]:
    """Switch to the style of the book; in a `with` statement, for its block only.

    In a notebook the inline figures get twice the pixels at the same size. The functions of `hvae_ref.viz`
    have the style by themselves; this is for figures drawn by hand.

    Returns:
        A context manager that puts the former settings back.
    """
    before = {key: mpl.rcParams[key] for key in STYLE}
    mpl.rcParams.update(STYLE)
    if "ipykernel" in sys.modules and "inline" in mpl.get_backend():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    return _Restore(before)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function in the book's style, without changing the reader's settings."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def axes_for(ax: Axes | None, size: tuple[float, float] = (6.4, 3.6)) -> tuple[Figure, Axes]:
    """The given axes with their figure, or new ones.

    A new figure is closed for pyplot at once, so a notebook shows it once, as the value of the cell.

    Args:
        ax: where to draw, or None.
        size: width and height of a new figure in inches.
    """
    if ax is not None:
        return ax.get_figure(root=True), ax
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=size)
    plt.close(figure)
    return figure, ax
