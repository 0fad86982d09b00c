"""The site's live figures, a row each, and what PyTorch computes for the numbers that their scripts compute."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.distributions import kl_divergence

from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.viz.live.prior_follows import on_the_way
from hvae_ref.viz.live.top_down import decoded, inferred, one_of_each
from hvae_ref.viz.live.weights import dequantised
from tests.book import live_other_models as other

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


def ten_digits():
    """The images that pages are given, as model, images (10, 64) and what inference says at the posterior means."""
    model, x = as_the_page_has_it()
    x = x[one_of_each(load("digits", "test"))]
    with torch.no_grad():
        return model, x, inferred(model, x)


def swap():
    model, _, seen = ten_digits()
    for a, b in ((3, 8), (8, 3), (4, 4), (6, 7)):
        prior = seen["p"]["z1"].base_dist
        z1 = seen["z"]["z1"][b]
        with torch.no_grad():
            image = decoded(model, seen["z"]["z2"][a][None], z1=z1[None])[0] / 16
        distance = ((z1 - prior.loc[a]) / prior.scale[a]).square().mean().sqrt()
        yield {"above": a, "below": b}, {"image": image, "distance": distance}


def interpolate():
    model, x, seen = ten_digits()
    z2, z1 = seen["z"]["z2"], seen["z"]["z1"]
    for a, b, t in ((3, 8, 0.0), (3, 8, 0.3), (0, 9, 1.0)):
        with torch.no_grad():
            upper = decoded(model, torch.lerp(z2[a], z2[b], t)[None], z1=z1[a][None])[0] / 16
            lower = decoded(model, z2[a][None], z1=torch.lerp(z1[a], z1[b], t)[None])[0] / 16
        yield {"a": a, "b": b, "t": t}, {"z2": upper, "z1": lower, "pixels": torch.lerp(x[a], x[b], t) / 16}


def draw():
    model, x, _ = ten_digits()
    line = torch.zeros(8, 8, dtype=torch.float64)
    line[:, 3:5] = 16
    for image in (x[3], line.flatten(), torch.zeros(64, dtype=torch.float64)):
        noise = normal(16, seed=5)
        with torch.no_grad():
            seen = inferred(model, image[None])
            both = decoded(model, seen["z"]["z2"], z1=seen["z"]["z1"])[0] / 16
            redrawn = decoded(model, seen["z"]["z2"], noise=noise[None])[0] / 16
            prior = seen["p"]["z1"].base_dist
            latents = {"z2": seen["z"]["z2"], "z1": prior.loc + prior.scale * noise}
            without = model.ancestral_pass(lambda level, p, state, z=latents: z[level], 1).log_prob(image[None])
        expected = {"kl": torch.cat([seen["kl"]["z2"], seen["kl"]["z1"]]), "logProb": seen["p_x"].log_prob(image[None])}
        yield {"x": image, "noise": noise}, {**expected, "both": both, "redrawn": redrawn, "redrawnLogProb": without}


def prior_follows():
    model, x, _ = ten_digits()
    for start, end, t in ((3, 5, 0.0), (3, 5, 0.7), (4, 1, 1.0)):
        with torch.no_grad():
            found = on_the_way(model, x, start, end, t)
        prior, relative, stayed = found["prior"], found["relative"], found["absolute"]
        yield (
            {"from": start, "to": end, "t": t},
            {
                "priorLoc": prior.loc,
                "priorScale": prior.scale,
                "loc": relative.loc,
                "scale": relative.scale,
                "relativeKl": kl_divergence(relative, prior),
                "absoluteKl": kl_divergence(stayed, prior),
            },
        )


D = "digits-top-down"
FIGURES = [
    Figure(INTRO, "two-level", D, two_level, ".live-pad"),
    Figure("chapters/02_two_level_vae.html", "swap", D, swap, ".live-choice label:nth-child(2)", "input:checked"),
    Figure("chapters/03_top_down_vae.html", "prior-follows", D, prior_follows, ".live-slider input"),
    Figure("chapters/03_top_down_vae.html", "interpolate", D, interpolate, ".live-slider input"),
    Figure("chapters/03_top_down_vae.html", "draw", D, draw, ".live-cells", ".live-cell:nth-child(10)", "Space"),
    Figure("chapters/01_latent_usefulness.html", "beta", "digits-beta", other.beta_slider, ".live-buttons button"),
    Figure("chapters/04_amortized_flows.html", "flow", "", other.bent, ".live-pad"),
    Figure("chapters/05_hyperspherical_vae.html", "sphere", "", other.sphere_and_slice, ".live-buttons button"),
    Figure(
        "chapters/06_hierarchical_cvae.html",
        "response",
        "abr-hierarchical",
        other.responses,
        ".live-choose label:nth-child(2)",
    ),
    Figure(
        "chapters/07_feature_density_and_synthesis.html", "surprise", "grass-surprise", other.surprises, ".live-pad"
    ),
]
