"""Live figures in a real browser: the arithmetic is PyTorch's, and every way of moving them works."""

import pytest
import torch

from hvae_ref.cli import recipes
from hvae_ref.data import load
from tools import live_weights

NAME = "digits-top-down"
RUN = """async ([z2, noise, x]) => {
  const model = new LadderModel(LadderModels["digits-top-down"]);
  const array = (values) => Float64Array.from(values);
  const drawn = model.decode(array(z2), array(noise.z1));
  const seen = model.infer(x, {z2: array(noise.z2), z1: array(noise.z1)});
  return {image: [...drawn.image], z1: [...drawn.z1], kl: seen.kl, logProb: seen.logProb, z2: [...seen.z2]};
}"""


@pytest.fixture(scope="module")
def model():
    """The shipped model with its weights as the page has them."""
    model = recipes.pretrained(NAME)
    model.load_state_dict(live_weights.dequantised(model))
    return model.double()


def test_exported_weights_are_those_of_the_checkpoint_and_change_little():
    text = (live_weights.FOLDER / f"{NAME}.js").read_text(encoding="utf-8")
    assert live_weights.checkpoint_hash(NAME) in text, "run python -m tools.live_weights"
    exact, rounded = recipes.pretrained(NAME), recipes.pretrained(NAME)
    rounded.load_state_dict(live_weights.dequantised(rounded))
    x = load("digits", "test").x
    bounds = []
    for one in (exact, rounded):
        torch.manual_seed(0)
        with torch.no_grad():
            bounds.append(one.elbo(x).value)
    difference = bounds[0] - bounds[1]
    assert abs(float(difference.mean())) < 0.05 and float(difference.abs().max()) < 1.5


@pytest.mark.browser
def test_the_page_computes_what_pytorch_computes(visit, address, model):
    page, problems = visit(1400, "light")
    page.goto(f"{address}/book/intro.html", wait_until="load")
    page.locator("figure.live .live-question").wait_for()
    generator = torch.Generator().manual_seed(0)
    test = load("digits", "test").x.double()
    for index in (0, 7, 100):
        z2 = torch.randn(8, generator=generator, dtype=torch.float64)
        noise = {"z2": torch.randn(8, generator=generator), "z1": torch.randn(16, generator=generator)}
        noise = {level: value.double() for level, value in noise.items()}
        x = test[index].flatten()
        got = page.evaluate(RUN, [z2.tolist(), {level: value.tolist() for level, value in noise.items()}, x.tolist()])
        with torch.no_grad():
            image = live_weights.decoded(model, z2[None], noise["z1"][None])[0] / 16
            latents, p_x, kl = infer(model, test[index : index + 1], noise)
        assert torch.tensor(got["image"]) == pytest.approx(image, abs=1e-4)
        assert torch.tensor(got["z2"]) == pytest.approx(latents["z2"], abs=1e-4)
        assert got["kl"] == pytest.approx(kl, abs=1e-4)
        assert got["logProb"] == pytest.approx(float(p_x.log_prob(test[index : index + 1])), abs=1e-3)
    assert problems == []


def infer(model, x, noise):
    """Latents from the posteriors at this noise, p(x|z) and the KL of each level in nats."""
    h, _ = model.observe(x, None, next(model.parameters()))
    r = {}
    for level, net in model.side_path.items():
        r[level] = h = net(h)
    latents, kl = {}, {}

    def source(level, p, state):
        q = model.posterior[level](p, r[level], state)
        kl[level] = float(torch.distributions.kl_divergence(q, p))
        z = q.base_dist.loc + q.base_dist.scale * noise[level]
        latents[level] = z[0]
        return z

    return latents, model.ancestral_pass(source, 1), kl


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "theme", "touch"), [(1920, "light", False), (1400, "dark", False), (390, "dark", True)]
)
def test_a_figure_asks_first_and_then_moves_by_mouse_touch_and_keyboard(visit, address, width, theme, touch):
    page, problems = visit(width, theme)
    page.goto(f"{address}/book/intro.html", wait_until="load")
    figure = page.locator("figure.live").first
    assert figure.locator(".live-still").is_visible()
    figure.locator(".live-question button").first.click()
    panel = figure.locator(".live-panel")
    panel.wait_for(state="visible")
    assert figure.locator(".live-said").text_content().strip() and not figure.locator(".live-still").is_visible()
    box = panel.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    images = "() => [...document.querySelectorAll('.live-grid canvas')].map(c => c.toDataURL()).join()"
    first = page.evaluate(images)
    pad = figure.locator(".live-pad").bounding_box()
    assert pad["width"] > 150
    page.mouse.click(pad["x"] + 0.2 * pad["width"], pad["y"] + 0.3 * pad["height"])
    second = page.evaluate(images)
    figure.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    third = page.evaluate(images)
    figure.get_by_role("button", name="Draw z1 again").click()
    fourth = page.evaluate(images)
    assert len({first, second, third, fourth}) == 4
    assert problems == []
