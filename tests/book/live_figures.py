"""The site's live figures, a row each, and what PyTorch computes for the numbers that their scripts compute."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.viz.live.top_down import decoded, inferred
from hvae_ref.viz.live.weights import dequantised

INTRO = "book/intro.html"


@dataclass(frozen=True)
class Figure:
    """One figure: where it stands, what moves it, and its numbers.

    `pointed` is clicked or tapped in the middle of its upper left quarter, `keyed` is focused and `key` is pressed;
    both must change the picture. `twin` answers inputs of `numbers(…)` and what it must return for each.
    """

    page: str
    kind: str
    model: str
    twin: Callable
    pointed: str
    keyed: str = "input[type=range]"
    key: str = "ArrowRight"
    sizes: tuple[int, ...] = (1920, 1400, 390)

    def __str__(self):
        return self.kind


def as_the_page_has_it(name="digits-top-down"):
    """A shipped model with its weights rounded, in double precision, and the test images."""
    model = recipes.pretrained(name)
    model.load_state_dict(dequantised(model.state_dict()))
    return model.double(), load("digits", "test").x.double()


def normal(*sizes, seed=0):
    """Noise that the page and PyTorch share."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_level():
    model, x = as_the_page_has_it()
    for seed, index in enumerate((0, 7, 100)):
        z2, noise = normal(8, seed=seed), {"z2": normal(8, seed=10 + seed), "z1": normal(16, seed=20 + seed)}
        with torch.no_grad():
            image = decoded(model, z2[None], noise["z1"][None])[0] / 16
            seen = inferred(model, x[index : index + 1], {level: e[None] for level, e in noise.items()})
            log_px = seen["p_x"].log_prob(x[index : index + 1])
        expected = {"image": image, "kl": torch.cat([seen["kl"]["z2"], seen["kl"]["z1"]]), "logProb": log_px}
        expected |= {level: seen["z"][level][0] for level in ("z2", "z1")}
        yield {"z2": z2, "noise": noise, "x": x[index]}, expected


FIGURES = [
    Figure(INTRO, "two-level", "digits-top-down", two_level, ".live-pad"),
]
