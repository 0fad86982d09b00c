"""Log-densities along ways between two places of a map of features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.features.validation import checked_tensor
from hvae_ref.viz.style import CYCLE, axes_for, styled


@styled
def path_curves(log_prob: Mapping[str, Tensor], unit: str = "log p, nats", ax: Axes | None = None) -> Figure:
    """log p along ways between two places, one line each with its name, from t = 0 to t = 1.

    Args:
        log_prob: label -> (S,), as `FeaturePath.log_prob` holds them.
        unit: of the vertical axis.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: for no way or more than there are colours, ways of different lengths or fewer than two steps, and
            for NaN or infinity.
    """
    lengths = {label: tuple(checked_tensor(label, values).shape) for label, values in log_prob.items()}
    shape = next(iter(lengths.values()), ())
    if len(set(lengths.values())) != 1 or len(shape) != 1 or shape[0] < 2:
        raise ValueError(f"log_prob: expected at least one way, all of one length of two steps or more, got {lengths}")
    if len(lengths) > len(CYCLE) or not all(values.isfinite().all() for values in log_prob.values()):
        raise ValueError(f"log_prob: expected finite numbers and at most {len(CYCLE)} ways, got {len(lengths)}")
    figure, ax = axes_for(ax, (5.2, 2.6))
    for color, (label, values) in zip(CYCLE, log_prob.items(), strict=False):
        t = np.linspace(0, 1, len(values))
        ax.plot(t, values.detach().cpu().double().numpy(), marker="o", markersize=3.5, color=color, label=label)
    ax.set(xlabel="way from the first place (0) to the second (1)", ylabel=unit)
    ax.legend(loc="best", fontsize=9)
    return figure
