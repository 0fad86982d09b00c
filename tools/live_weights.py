"""Export what live figures of the site are given: `python -m tools.live_weights [NAME …]`.

Each name stands for stored data that figures share, in `book/_static/live/NAME.js`, with the fingerprint of the weights
and the error that rounding them makes, so that a test can tell when an export is stale.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from PIL import Image

from hvae_ref.abr.plots import exchange
from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.features import TextureSurprise
from hvae_ref.features.plots import surprise_page
from hvae_ref.viz.live import beta
from hvae_ref.viz.live.top_down import stored_top_down
from hvae_ref.viz.live.two_level import two_level
from hvae_ref.viz.live.weights import script
from tools.environments import ROOT

BETAS = (0.1, 0.5, 1, 2, 3, 6)
FOLDER = ROOT / "book" / "_static" / "live"


def digits_top_down() -> dict[str, Any]:
    """The shipped two-level model, with test images to start from."""
    return stored_top_down(recipes.pretrained("digits-top-down"), load("digits", "test"))


def digits_beta() -> dict[str, Any]:
    """Six small models, trained at rising prices of a nat."""
    models = {price: recipes.pretrained(f"digits-beta-{price}") for price in BETAS}
    return beta.stored(models, load("digits", "test", binarize="static"))


def abr_hierarchical() -> dict[str, Any]:
    """The decoder of the shipped model of brainstem responses, with two of them."""
    return exchange.stored(recipes.pretrained("abr-hierarchical"), load("abr", "test"))


def grass_surprise() -> dict[str, Any]:
    """Two stages of the pyramid's network, and the shipped densities of grass."""
    return surprise_page.stored(TextureSurprise.load())


EXPORTS: dict[str, Callable[[], dict[str, Any]]] = {
    "digits-top-down": digits_top_down,
    "digits-beta": digits_beta,
    "abr-hierarchical": abr_hierarchical,
    "grass-surprise": grass_surprise,
}
"""What makes the stored data of each name."""


def picture() -> None:
    """The picture of the first page, which is also what other sites show of a link."""
    figure = two_level(recipes.pretrained("digits-top-down"), load("digits", "test"))
    opened = Image.open(io.BytesIO(figure.picture)).convert("RGB")
    opened.quantize(48).save(FOLDER / "digits-top-down.png", optimize=True)


def main(names: list[str]) -> None:
    """Write the scripts of these names, or of all, and the picture of the first page."""
    if unknown := [name for name in names if name not in EXPORTS]:
        sys.exit(f"no stored data {', '.join(unknown)}; there are {', '.join(EXPORTS)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or EXPORTS:
        path = FOLDER / f"{name}.js"
        path.write_text(script(name, EXPORTS[name]()), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    picture()


if __name__ == "__main__":
    main(sys.argv[1:])
