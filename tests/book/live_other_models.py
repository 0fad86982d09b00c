"""What PyTorch computes for the live figures of other models than top-down ones."""

import json

import torch

from hvae_ref.abr.plots import exchange
from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.features import TextureSurprise
from hvae_ref.features.plots import surprise_page
from hvae_ref.flows import PlanarFlow
from hvae_ref.viz.live import beta, sphere
from hvae_ref.viz.live import flow as live_flow
from tools.live_weights import BETAS
from tools.repository import ROOT


def normal(*sizes, seed=0):
    """Noise that the page and PyTorch share."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def beta_slider():
    models = {price: recipes.pretrained(f"digits-beta-{price}") for price in BETAS}
    x = load("digits", "test", binarize="static").x.flatten(1)
    for which, index in ((0, 3), (2, 50), (5, 51)):
        model, noise = beta.as_a_page_has_it(list(models.values())[which]).double(), normal(1, 8, seed=which)
        found = beta.reconstructed(model, x[index : index + 1], noise)
        expected = {"z": found["z"], "image": found["image"], "kl": found["kl"], "logProb": found["log_px"]}
        yield {"which": which, "x": x[index], "noise": noise[0]}, expected


def sphere_and_slice():
    t = torch.linspace(-0.99, 0.99, 12, dtype=torch.float64)
    for m, kappa in ((2, 0.5), (3, 20.0), (20, 0.001), (200, 20.0), (200, 1900.0), (512, 5000.0)):
        mean, kl, entropy = sphere.facts(m, kappa)
        # Ranks of known cosines, by integration; the page goes the other way.
        angles = torch.linspace(0, torch.pi, 400_001, dtype=torch.float64)
        log_f = kappa * (angles.cos() - 1) + (m - 2) * angles.sin().clamp(min=1e-300).log()
        above = torch.cumulative_trapezoid((log_f - log_f.max()).exp(), angles)
        at = torch.tensor([int((above < share * above[-1]).sum()) for share in (0.03, 0.4, 0.9)])
        expected = {"mean": mean, "kl": kl, "entropy": entropy}
        expected |= {"logDensity": sphere.log_density_of_cosine(t, m, kappa), "cosines": angles[at + 1].cos()}
        yield {"m": m, "kappa": kappa, "t": t, "ranks": 1 - above[at] / above[-1]}, expected


def bent():
    """The flow of the page, read from it: the notebook trains it anew wherever it runs."""
    page = (ROOT / "chapters" / "04_amortized_flows.ipynb").read_text(encoding="utf-8")
    outputs = [o for cell in json.loads(page)["cells"] for o in cell.get("outputs", ())]
    (html,) = [h for o in outputs if 'data-live="flow"' in (h := "".join(o.get("data", {}).get("text/html", "")))]
    steps = json.loads(html.partition('class="live-stored">')[2].partition("</script>")[0])["steps"]
    flow = PlanarFlow(2, 0, steps=len(steps)).double()
    flow.load_state_dict(
        {
            "hyper.weight": torch.zeros(5 * len(steps), 0),
            "hyper.bias": torch.tensor([[*u, *w, b] for u, w, b in steps]).flatten(),
        }
    )
    for seed, time in enumerate((1, 3, len(steps))):
        starts = normal(6, 2, seed=seed)
        path = live_flow.trajectory(flow, starts)[: time + 1]
        logs = torch.stack([at.log_abs_det for at in path]).diff(dim=0).T
        rest = torch.zeros(6, len(steps) - time)
        yield {"starts": starts, "time": time}, {"z": path[-1].z, "logs": torch.cat([logs, rest], 1)}


def responses():
    model, test = recipes.pretrained("abr-hierarchical"), load("abr", "test")
    a, b = exchange.parts_of_two(model, test)
    rounded_model = exchange.as_a_page_has_it(model).double()
    rounded_model.observe.condition.double()
    for parts in (a, b | {"z_global": a["z_global"]}, a | {"condition": [32.0, *b["condition"][1:]]}):
        yield parts, exchange.decoded(rounded_model, parts)


def surprises():
    found = TextureSurprise.load().double()
    texture, others = (surprise_page.images()[0].double(), surprise_page.images()[1])
    for which, x, y, size in ((0, 26, 22, 10), (1, 6, 40, 16), (2, 24, 24, 5)):
        foreign = list(others.values())[which].double()
        image = surprise_page.patched(texture, foreign, x, y, size)
        expected = {"image": image}
        for what, key in zip(("kept", "left out"), ("Kept", "Rest"), strict=True):
            expected |= {level + key: s[0] for level, s in found(image[None, None])[what].items()}
        yield {"which": which, "x": x, "y": y, "size": size}, expected
