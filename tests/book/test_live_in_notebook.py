"""Live figures in a running notebook: the output alone moves the reader's own model, as Colab and Jupyter show it."""

import json

import pytest
import torch

from hvae_ref import viz
from hvae_ref.data import load
from hvae_ref.models import TopDownVAE
from hvae_ref.nn import LogisticMixture
from hvae_ref.viz.live.top_down import decoded
from hvae_ref.viz.live.weights import dequantised

pytestmark = pytest.mark.browser
# Jupyter puts an output's HTML in place and then runs its scripts; in Colab it is the page of a frame of its own.
JUPYTER = """html => {
  document.body.innerHTML = `<div id="output">${html}</div>`;
  for (const old of document.querySelectorAll('#output script')) {
    const script = document.createElement('script');
    for (const {name, value} of old.attributes) script.setAttribute(name, value);
    script.textContent = old.textContent;
    old.replaceWith(script);
  }
}"""


@pytest.fixture(scope="module")
def model():
    """A model of the reader's: other sizes, other weights than the site's."""
    torch.manual_seed(3)
    return TopDownVAE.dense(64, (6, 3), hidden=20, likelihood=LogisticMixture(17, 2)).eval()


@pytest.mark.parametrize("kind", ["two-level", "swap", "interpolate", "draw", "prior-follows"])
def test_every_kind_opens_in_a_notebook_in_the_dark(browser, model, kind, monkeypatch):
    monkeypatch.delenv("HVAE_REF_LIVE", raising=False)
    context = browser.new_context(offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_content("<body style='background: #111; color: #eee'></body>")
    page.evaluate(JUPYTER, viz.live(kind, model, load("digits", "test"))._repr_html_())
    figure = page.locator("figure.live.live-dark")
    figure.locator(".live-question button").last.click()
    assert figure.locator(".live-panel").is_visible() and problems == []
    context.close()


@pytest.mark.parametrize("place", ["jupyter", "colab"])
def test_an_output_moves_the_readers_own_model(browser, model, place, monkeypatch):
    monkeypatch.delenv("HVAE_REF_LIVE", raising=False)
    html = viz.live("two-level", model, load("digits", "test"))._repr_html_()
    context = browser.new_context(offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    if place == "colab":
        page.set_content("<iframe width=1000 height=1200></iframe>")
        page.locator("iframe").evaluate("(frame, html) => { frame.srcdoc = html; }", html)
        figure = page.frame_locator("iframe").locator("figure.live")
    else:
        page.set_content("<p></p>")
        page.evaluate(JUPYTER, html)
        page.evaluate(JUPYTER, html)  # run again, as a reader does
        figure = page.locator("figure.live")
    figure.locator(".live-question button").first.click()
    assert figure.locator(".live-panel").is_visible()
    z2, noise = torch.randn(3).double(), {"z2": torch.randn(3).double(), "z1": torch.randn(6).double()}
    given = {"z2": z2.tolist(), "noise": {k: v.tolist() for k, v in noise.items()}, "x": [4] * 64}
    got = json.loads(figure.evaluate("(f, given) => JSON.stringify(f.live.numbers(given).image)", given))
    own = TopDownVAE.dense(64, (6, 3), hidden=20, likelihood=LogisticMixture(17, 2)).eval()
    own.load_state_dict(dequantised(model.state_dict()))
    with torch.no_grad():
        expected = decoded(own.double(), z2[None], noise["z1"][None])[0] / 16
    assert got == pytest.approx(expected.tolist(), abs=1e-4)
    assert problems == []
    context.close()
