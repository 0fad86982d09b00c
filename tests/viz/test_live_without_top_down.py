"""Live figures of other models than top-down ones: what their outputs hold, and what is refused."""

import json
import math
import re

import pytest
import torch

from hvae_ref import viz
from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.flows import FLOWS, PlanarFlow
from hvae_ref.models import VAE
from hvae_ref.nn import LogisticMixture
from hvae_ref.viz.live import beta, sphere
from hvae_ref.viz.live.figure import web

DIGITS = load("digits", "test", binarize="static")


def vaes(*prices, **changes):
    torch.manual_seed(0)
    return {price: VAE.dense(**({"x_shape": 64, "latent_dims": (3,), "hidden": (9,)} | changes)) for price in prices}


def bent(**changes):
    torch.manual_seed(0)
    return PlanarFlow(**({"latent_dim": 2, "context_dim": 0, "steps": 4} | changes))


def bowl(z):
    return -z.square().sum(-1)


FIGURES = {
    "beta": lambda: viz.live("beta", vaes(0.5, 1, 2), DIGITS),
    "flow": lambda: viz.live("flow", bent(), bowl),
    "sphere": lambda: viz.live("sphere"),
}


def held(html):
    (text,) = re.findall(r'<script type="application/json" class="live-stored">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


@pytest.mark.parametrize("kind", FIGURES)
def test_an_output_holds_scripts_data_and_a_described_picture(kind, monkeypatch):
    monkeypatch.delenv("HVAE_REF_LIVE", raising=False)
    figure = FIGURES[kind]()
    html = figure._repr_html_()
    assert figure.kind == kind and held(html).get("weights", "") == figure.weights
    for name in ("figure", "arithmetic", *figure.needs, f"kinds/{kind}"):
        assert web(f"{name}.js") in html
    assert figure.picture[8:12] == b"WEBP" and len(figure.alt) > 40 and len(figure.caption) > 40


def test_the_curve_is_the_bound_of_the_rounded_models():
    models = vaes(0.5, 2)
    stored = beta.stored(models, DIGITS)
    for (price, kl, distortion), model in zip(stored["curve"], models.values(), strict=True):
        torch.manual_seed(1)
        with torch.no_grad():
            exact = beta.as_a_page_has_it(model).elbo(DIGITS.x)
        assert price in models and kl == pytest.approx(float(exact.kl["z1"].mean()), abs=1e-4)
        assert distortion == pytest.approx(-float(exact.log_px.mean()), rel=0.02)  # another draw of z
    assert 0 < stored["error"]["largest"] < 1 and [len(x) for x in stored["images"]] == [64] * 10


def test_shipped_models_give_up_their_latent_as_the_price_rises():
    models = {price: recipes.pretrained(f"digits-beta-{price}") for price in (0.1, 1, 6)}
    low, middle, high = (kl for _, kl, _ in beta.stored(models, DIGITS)["curve"])
    assert low > 10 > middle > 1 and high < 0.01


def test_the_density_of_the_cosine_integrates_to_one_and_has_its_mean():
    t = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 10_000 - 1
    for m, kappa in ((3, 20.0), (20, 3.0), (200, 20.0)):
        p = sphere.log_density_of_cosine(t, m, kappa).exp()
        mean, kl, entropy = sphere.facts(m, kappa)
        assert float(p.sum()) / 10_000 == pytest.approx(1, abs=1e-4)
        assert float((p * t).sum()) / 10_000 == pytest.approx(mean, abs=1e-4)
        log_area = math.log(2) + m / 2 * math.log(math.pi) - math.lgamma(m / 2)
        assert kl + entropy == pytest.approx(log_area, abs=1e-9)


def test_a_flow_stores_its_own_numbers_and_the_means_of_its_steps():
    flow = bent()
    stored = held(viz.live("flow", flow, bowl)._repr_html_())
    numbers = torch.tensor([[*u, *w, b] for u, w, b in stored["steps"]]).flatten()
    assert torch.allclose(numbers, flow.hyper.bias.detach())
    with torch.no_grad():
        z = torch.randn(20_000, 2)
        total = flow(z, torch.empty(len(z), 0)).log_abs_det.mean()
    assert sum(stored["means"]) == pytest.approx(float(total), abs=0.02)
    assert max(stored["target"]) == 255 and len(stored["target"]) == round(len(stored["target"]) ** 0.5) ** 2


def test_what_the_scripts_would_compute_wrongly_is_refused():
    for models in (vaes(1), vaes(2, 1)):
        with pytest.raises(ValueError, match="models: expected two or more, from the least β"):
            viz.live("beta", models, DIGITS)
    for models in (
        vaes(1, 2, hidden=(9, 9)),
        vaes(1, 2, likelihood=LogisticMixture(17)),
        dict.fromkeys((1, 2), bent()),
    ):
        with pytest.raises(ValueError, match="models\\[1\\]: expected VAE.dense"):
            viz.live("beta", models, DIGITS)
    with pytest.raises(ValueError, match="data: expected square images"):
        viz.live("beta", vaes(1, 2, x_shape=32), DIGITS)
    for flow in (bent(latent_dim=3), bent(context_dim=1), FLOWS["iaf"](2, 0, steps=2), vaes(1)[1]):
        with pytest.raises(ValueError, match="bending: expected a PlanarFlow of 2 dimensions"):
            viz.live("flow", flow, bowl)
