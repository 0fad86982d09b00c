"""From the name of a kind to the function that makes its figure."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from hvae_ref.viz.live.figure import LiveFigure

KINDS = {
    "beta": "hvae_ref.viz.live.beta:beta",
    "flow": "hvae_ref.viz.live.flow:flow",
    "sphere": "hvae_ref.viz.live.sphere:sphere",
    "draw": "hvae_ref.viz.live.draw:draw",
    "interpolate": "hvae_ref.viz.live.interpolate:interpolate",
    "prior-follows": "hvae_ref.viz.live.prior_follows:prior_follows",
    "swap": "hvae_ref.viz.live.swap:swap",
    "two-level": "hvae_ref.viz.live.two_level:two_level",
}
"""One file a kind; each function takes a model and data, and answers a `LiveFigure`."""


def live(
    kind: str,
    *given: object,
    name: str | None = None,
    caption: str | None = None,
    alt: str | None = None,
    **options: object,
) -> LiveFigure:
    """A figure that the reader moves, with the model given; where no script runs, the picture that PyTorch drew.

    A notebook that runs gets scripts and rounded weights with the output. With HVAE_REF_LIVE=site in the environment,
    as when the book's outputs are made, they are left to the site.

    Args:
        kind: such as "two-level".
        given: what the kind shows, most often a model and a data set.
        name: what the site calls the model's data.
        caption: in place of the kind's own, which speaks of the book's model.
        alt: the picture in words, in place of the kind's own, which speaks of the book's model.
        options: of the kind.

    Raises:
        ValueError: for a kind that there is not, or what the kind's function refuses.

    Example:
        `live("two-level", recipes.pretrained("digits-top-down"), load("digits", "test"), name="digits-top-down")`
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    module, _, function = KINDS[kind].partition(":")
    figure = getattr(import_module(module), function)(*given, **options)
    return replace(figure, name=name, caption=caption or figure.caption, alt=alt or figure.alt)
