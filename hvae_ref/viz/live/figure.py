"""A live figure as HTML: complete in a running notebook, light where the site brings scripts and weights."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

WHERE = "HVAE_REF_LIVE"
"""The environment variable that says where outputs will be read: "site" leaves out what the site brings."""
DPI = 160
"""Pixels of a picture for an inch of its drawing, which a page shows at 100 pixels an inch or fewer."""
SMALL = 60_000
"""Characters of data that an output for the site may hold itself."""


@dataclass(frozen=True)
class LiveFigure:
    """What a notebook shows of a live figure: the picture, its caption, and all that a script needs to move it.

    Attributes:
        kind: of the figure, such as "swap"; its script is `web/kinds/swap.js`.
        stored: makes what the script is given, ready for JSON; called only where the output holds it.
        picture: WebP, shown where no script runs.
        size: width and height of the picture in pixels.
        alt: the picture in words.
        caption: what the figure shows, with and without a script.
        needs: other scripts of `web/` that the kind uses, such as "top_down".
        name: what the site calls the stored data, in `_static/live/NAME.js`; None where the output holds them itself.
        weights: fingerprint of the model's weights. The site moves no picture of another model than the stored one.
    """

    kind: str
    stored: Callable[[], dict[str, Any]] = field(repr=False)
    picture: bytes = field(repr=False)
    size: tuple[int, int]
    alt: str
    caption: str
    needs: tuple[str, ...] = ()
    name: str | None = None
    weights: str = ""

    def __repr__(self) -> str:
        """The picture in words, for terminals."""
        return f"Live figure, {self.kind}. {self.alt}"

    def _repr_html_(self) -> str:
        light = for_site()
        held = "" if light and self.name else self._data(SMALL if light else None)
        return self._figure(held) if light else self._figure(held, f"live-{uuid.uuid4().hex[:12]}")

    def _data(self, limit: int | None) -> str:
        text = json.dumps(self.stored(), separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
        if limit is not None and len(text) > limit:
            raise ValueError(
                f"name: expected what the site calls these data, as an output of {len(text):,} characters is heavier "
                f"than {limit:,}, got None; export them with python -m tools.live_weights"
            )
        return f'<script type="application/json" class="live-stored">{text}</script>'

    def _figure(self, held: str, identity: str | None = None) -> str:
        about = {
            "id": identity,
            "class": "live",
            "data-live": self.kind,
            "data-needs": " ".join(self.needs),
            "data-model": self.name,
            "data-weights": self.weights,
        }
        attributes = " ".join(f'{key}="{html.escape(value)}"' for key, value in about.items() if value)
        source = base64.b64encode(self.picture).decode()
        figure = (
            f"<figure {attributes}>\n"
            f'<img class="live-still" src="data:image/webp;base64,{source}" width="{self.size[0]}" '
            f'height="{self.size[1]}" style="--drawn: {self.size[0] * 100 // DPI}px" alt="{html.escape(self.alt)}">\n'
            f"<figcaption>{html.escape(self.caption)}</figcaption>{held}\n</figure>"
        )
        if identity is None:
            return figure
        scripts = "\n".join(web(f"{name}.js") for name in ("figure", "arithmetic", *self.needs, f"kinds/{self.kind}"))
        start = f'LadderLive.upgrade(document.getElementById("{identity}"));'
        return f"<style>{web('live.css')}</style>\n{figure}\n<script>\n{scripts}\n{start}\n</script>"


def for_site() -> bool:
    """Whether outputs are made for the site, by the environment variable HVAE_REF_LIVE.

    Raises:
        ValueError: for a value that is neither "site" nor empty.
    """
    value = os.environ.get(WHERE, "")
    if value not in ("", "site"):
        raise ValueError(f"{WHERE}: expected 'site' or nothing, got {value!r}")
    return value == "site"


def web(name: str) -> str:
    """A file of the page's part of live figures, such as "figure.js".

    Raises:
        ValueError: for a file that is not there.
    """
    path = files("hvae_ref.viz.live").joinpath("web", *name.split("/"))
    if not path.is_file():
        raise ValueError(f"name: expected a file of hvae_ref/viz/live/web, got {name!r}")
    return path.read_text(encoding="utf-8")


def drawn(figure: Figure) -> tuple[bytes, tuple[int, int]]:
    """A matplotlib figure as WebP, with its width and height in pixels; the figure is closed."""
    stream = io.BytesIO()
    figure.savefig(stream, format="webp", dpi=DPI, pil_kwargs={"quality": 86, "method": 5})
    plt.close(figure)
    width, height = figure.get_size_inches() * DPI
    return stream.getvalue(), (int(width), int(height))


def put_image(ax: Axes, image: Tensor, most: float) -> None:
    """Show a square image (D,), ink on paper, without axes; `most` is the value of the darkest ink."""
    side = round(len(image) ** 0.5)
    ax.imshow(image.reshape(side, side).cpu().numpy(), cmap="gray_r", vmin=0, vmax=most, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
