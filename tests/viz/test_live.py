"""Live figures without a browser: what an output holds, where it is read, and which models are refused."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from hvae_ref import viz
from hvae_ref.data import load
from hvae_ref.models import TopDownVAE
from hvae_ref.nn import Categorical, LogisticMixture
from hvae_ref.viz.live.figure import SMALL, LiveFigure, web
from hvae_ref.viz.live.kinds import KINDS
from hvae_ref.viz.live.top_down import NEEDS, plane, stored_top_down
from hvae_ref.viz.live.weights import dequantised, fingerprint, packed, rounded, script
from tools.repository import ROOT

DATA = load("digits", "test")
TOP_DOWN = ("two-level", "swap", "interpolate", "draw", "prior-follows")
"""Kinds that take a top-down model and data."""
WEB = ROOT / "hvae_ref" / "viz" / "live" / "web"


def small_model(**changes):
    torch.manual_seed(0)
    settings = {"x_shape": 64, "latent_dims": (6, 3), "hidden": 12, "likelihood": LogisticMixture(17)} | changes
    return TopDownVAE.dense(**settings).eval()


@pytest.fixture(params=TOP_DOWN)
def figure(request):
    return viz.live(request.param, small_model(), DATA)


@pytest.fixture
def on_the_site(monkeypatch):
    monkeypatch.setenv("HVAE_REF_LIVE", "site")


def held(html):
    (text,) = re.findall(r'<script type="application/json" class="live-stored">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def test_a_running_notebook_gets_all_that_the_figure_needs(figure, monkeypatch):
    monkeypatch.delenv("HVAE_REF_LIVE", raising=False)
    html = figure._repr_html_()
    stored = held(html)
    assert stored["weights"] == fingerprint(small_model().state_dict()) == figure.weights
    for name in ("figure", "arithmetic", *figure.needs, f"kinds/{figure.kind}"):
        assert web(f"{name}.js") in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    first, second = (re.search(r'id="(live-\w+)"', text)[1] for text in (html, figure._repr_html_()))
    assert first != second and f'getElementById("{first}")' in html


def test_an_output_for_the_site_is_light_and_says_whose_picture_it_is(figure, on_the_site):
    html = viz.live(figure.kind, small_model(), DATA, name="a-name")._repr_html_()
    assert "<script" not in html and "<style" not in html and len(html) < 100_000
    assert f'data-live="{figure.kind}"' in html and 'data-model="a-name"' in html
    assert f'data-weights="{fingerprint(small_model().state_dict())}"' in html
    assert html == viz.live(figure.kind, small_model(), DATA, name="a-name")._repr_html_(), "not the same every time"


def test_the_picture_is_one_and_described(figure):
    picture = base64.b64decode(re.search(r"data:image/webp;base64,([^\"]+)", figure._repr_html_())[1])
    assert picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == figure.size and len(image.convert("L").getcolors()) > 20
    assert len(figure.alt) > 40 and len(figure.caption) > 40 and figure.alt in repr(figure)


def test_caption_and_alt_are_the_callers_and_escaped(on_the_site):
    html = viz.live("two-level", small_model(), DATA, name="n", caption="<b> & c", alt='say "z2"')._repr_html_()
    assert "<figcaption>&lt;b&gt; &amp; c</figcaption>" in html and 'alt="say &quot;z2&quot;"' in html


def test_small_data_stand_in_the_output_and_large_ones_need_a_name(on_the_site):
    figure = LiveFigure("sphere", lambda: {"text": "</script>"}, b"", (1, 1), "alt", "caption")
    assert held(figure._repr_html_()) == {"text": "</script>"}
    with pytest.raises(ValueError, match="name: expected what the site calls these data"):
        LiveFigure("sphere", lambda: {"text": "x" * SMALL}, b"", (1, 1), "alt", "caption")._repr_html_()


def test_what_cannot_be_shown_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="kind: expected one of .*two-level.*got 'three'"):
        viz.live("three")
    for model in (
        small_model(residual=False),
        small_model(likelihood=Categorical(17)),
        small_model(latent_dims=(6, 3, 2)),
        small_model(posterior="ladder"),
        torch.nn.Linear(2, 2),
    ):
        with pytest.raises(ValueError, match="model: expected TopDownVAE"):
            viz.live("two-level", model, DATA)
    with pytest.raises(ValueError, match="data: expected square images"):
        viz.live("two-level", small_model(x_shape=32), DATA)
    monkeypatch.setenv("HVAE_REF_LIVE", "page")
    with pytest.raises(ValueError, match="HVAE_REF_LIVE: expected 'site' or nothing, got 'page'"):
        viz.live("two-level", small_model(), DATA)._repr_html_()
    with pytest.raises(ValueError, match="matrix: expected finite"):
        rounded(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match="name: expected a file"):
        web("none.js")


def test_packed_weights_are_what_python_says_they_are():
    """Reads the bytes as arithmetic.js does: scales, then signed bytes; vectors as they are."""
    state = small_model().state_dict() | {"kernel": torch.randn(4, 3, 2, 2), "zero": torch.zeros(2, 3)}
    stored, rounded_state = packed(state, more=1), dequantised(state)
    data = base64.b64decode(stored["data"])
    for name, (shape, offset) in stored["tensors"].items():
        if len(shape) >= 2:
            scale = np.frombuffer(data, "<f4", shape[0], offset)
            numbers = np.frombuffer(data, "i1", int(np.prod(shape)), offset + 4 * shape[0]).reshape(shape)
            value = numbers * scale.reshape(-1, *[1] * (len(shape) - 1))
            assert np.abs(value - state[name].numpy()).max() <= 0.5 * scale.max() + 1e-7
        else:
            value = np.frombuffer(data, "<f4", shape[0] if shape else 1, offset).reshape(shape)
        assert np.allclose(value, rounded_state[name].numpy(), atol=1e-7), name
    assert stored["more"] == 1 and script("n", stored).startswith('(self.LadderModels ??= {})["n"] = {')


def test_a_fingerprint_tells_models_apart():
    one, other = small_model().state_dict(), small_model().state_dict()
    assert fingerprint(one) == fingerprint(other)
    other["descent.z1.0.bias"][0] += 1e-3
    assert fingerprint(one) != fingerprint(other)


def test_stored_data_say_what_rounding_costs_and_where_images_lie():
    model, stored = small_model(), stored_top_down(small_model(), DATA)
    assert 0 < stored["error"]["largest"] < 5 and abs(stored["error"]["mean"]) <= stored["error"]["largest"]
    assert (stored["values"], stored["components"]) == (17, model.likelihood.components)
    assert [len(image) for image in stored["images"]] == [64] * 10
    z = model.infer(DATA.x).latents["z2"].q.mean.detach()
    a, b, digit = plane(model, DATA)["points"][3]
    axes, center = torch.tensor(stored["axes"]), torch.tensor(stored["center"])
    assert digit == int(DATA.y[3])
    residue = z[3] - center - a * axes[0] - b * axes[1]
    assert torch.allclose(residue @ axes.T / axes.square().sum(1), torch.zeros(2), atol=0.02)


def test_every_kind_has_its_script_and_every_script_its_kind():
    assert {path.stem for path in (WEB / "kinds").glob("*.js")} >= set(KINDS)
    for path in WEB.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 250 and "</script" not in text and "import " not in text, path
        assert not re.search(r"\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", text), path
    assert all((WEB / f"{name}.js").is_file() for name in NEEDS)
