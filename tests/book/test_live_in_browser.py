"""Live figures in a real browser: their arithmetic is PyTorch's, and every way of moving them works, everywhere."""

import gzip
import json

import pytest
import torch

from tests.book.live_figures import FIGURES
from tools import live_weights

pytestmark = pytest.mark.browser
EVERY = pytest.mark.parametrize("figure", FIGURES, ids=str)
HEAVIEST = 650e3  # bytes of stored data, compressed
SOON, QUICK = 1500, 50  # milliseconds on a processor four times slower: until a figure is there, and for a step
SEEN = """figure => [...figure.querySelectorAll('.live-panel canvas')].map(c => c.toDataURL()).join()
  + figure.querySelector('.live-panel').innerHTML"""
STEP = """(figure, pointed) => {
  const input = figure.querySelector('.live-panel input[type=range]'), times = [];
  for (let i = 0; i < 15; i++) {
    const started = performance.now();
    if (input) {
      input.value = Number(input.min) + ((i % 2 ? 0.3 : 0.7) * (input.max - input.min));
      input.dispatchEvent(new Event('input', {bubbles: true}));
    } else figure.live.update();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[7];
}"""


def locate(page, figure):
    found = page.locator(f"figure.live[data-live='{figure.kind}']").first
    found.scroll_into_view_if_needed()
    return found


def opened(page, figure):
    """The figure, after the reader has said what to expect."""
    found = locate(page, figure)
    found.locator(".live-question button").first.click()
    found.locator(".live-panel").wait_for(state="visible")
    return found


def point(page, found, selector, tap=False):
    """Click or tap in the middle of the upper left quarter of what the reader moves."""
    target = found.locator(selector).first
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    act = page.touchscreen.tap if tap else page.mouse.click
    act(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])


def as_json(value):
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, torch.Tensor) else value


@EVERY
def test_the_page_computes_what_pytorch_computes(visit, address, figure):
    page, problems = visit(1400, "light")
    page.goto(f"{address}/{figure.page}", wait_until="load")
    found = opened(page, figure)
    cases = 0
    for given, expected in figure.twin():
        text = found.evaluate(
            "(figure, given) => JSON.stringify(figure.live.numbers(given),"
            " (key, value) => ArrayBuffer.isView(value) ? [...value] : value)",
            as_json(given),
        )
        got = json.loads(text)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            value = torch.as_tensor(value, dtype=torch.float64).flatten()
            numbers = torch.as_tensor(got[name], dtype=torch.float64).flatten()
            largest = max(1.0, float(value.abs().max()))
            assert numbers == pytest.approx(value, abs=1e-4 * largest), name
        cases += 1
    assert cases >= 2 and problems == []


@EVERY
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_asks_first_and_then_moves_by_mouse_and_keyboard(visit, address, figure, theme):
    for width in figure.sizes:
        page, problems = visit(width, theme)
        page.goto(f"{address}/{figure.page}", wait_until="load")
        found = locate(page, figure)
        assert found.locator(".live-still").is_visible() and not found.locator(".live-panel").is_visible()
        found = opened(page, figure)
        assert found.locator(".live-said").text_content().strip() and not found.locator(".live-still").is_visible()
        assert found.evaluate("figure => figure.classList.contains('live-dark')") == (theme == "dark")
        before = found.evaluate(SEEN)
        point(page, found, figure.pointed)
        clicked = found.evaluate(SEEN)
        found.locator(figure.keyed).first.focus()
        page.keyboard.press(figure.key)
        assert before != clicked != found.evaluate(SEEN)
        assert_it_fits(found, width)
        assert problems == []


def assert_it_fits(found, width):
    """Nothing stands out of the figure, what is drawn can be seen, and what is touched is large enough for a finger."""
    frame = found.bounding_box()
    assert frame["x"] >= 0 and frame["x"] + frame["width"] <= width + 1
    for part in found.locator(".live-panel *").all():
        box = part.bounding_box()
        if box and box["width"] and box["height"]:
            assert box["x"] >= frame["x"] - 1 and box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    for canvas in found.locator(".live-panel canvas:visible").all():
        box = canvas.bounding_box()
        assert box["width"] >= 30 and box["height"] >= 30
    for control in found.locator(".live-panel :is(button, input, .live-cell):visible").all():
        assert control.bounding_box()["height"] >= 30


@EVERY
def test_a_finger_moves_a_figure(browser, address, figure):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{address}/{figure.page}", wait_until="load")
    found = locate(page, figure)
    found.locator(".live-question button").first.tap()
    found.locator(".live-panel").wait_for(state="visible")
    before = found.evaluate(SEEN)
    point(page, found, figure.pointed, tap=True)
    assert before != found.evaluate(SEEN)
    context.close()


@EVERY
def test_without_scripts_the_picture_stays(browser, address, figure):
    context = browser.new_context(viewport={"width": 1400, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{figure.page}", wait_until="load")
    still = page.locator(f"figure.live[data-live='{figure.kind}'] .live-still").first
    assert still.is_visible() and len(still.get_attribute("alt")) > 40
    box = still.bounding_box()
    assert box["width"] > 200 and box["height"] > 60
    assert page.locator(f"figure.live[data-live='{figure.kind}'] figcaption").first.is_visible()
    context.close()


@EVERY
def test_a_figure_works_from_a_file(browser, site, figure):
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page, asked, problems = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((site / figure.page).as_uri(), wait_until="load")
    opened(page, figure)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert problems == []
    context.close()


@EVERY
def test_a_figure_is_soon_there_and_quick_on_a_slow_processor(visit, address, figure):
    page, problems = visit(1400, "light")
    session = page.context.new_cdp_session(page)
    page.goto(f"{address}/{figure.page}", wait_until="networkidle")
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    found = opened(page, figure)
    assert found.evaluate("figure => figure.live.ready") <= SOON
    assert found.evaluate(STEP) <= QUICK
    assert problems == []


def test_no_picture_of_another_model_is_moved(visit, address):
    figure = next(figure for figure in FIGURES if figure.kind == "swap")
    page, problems = visit(1400, "light")
    warned = []
    page.on("console", lambda message: message.type == "warning" and warned.append(message.text))
    page.goto(f"{address}/{figure.page}", wait_until="load")
    found = page.locator("figure.live[data-live='swap']")
    assert len(found.get_attribute("data-weights")) == 16
    found.evaluate("figure => { figure.dataset.weights = 'another'; }")
    with page.expect_console_message(lambda message: "stored weights" in message.text):
        found.scroll_into_view_if_needed()
    assert found.locator(".live-still").is_visible() and found.locator(".live-panel").count() == 0
    assert len(warned) == 1 and problems == []


def test_a_stroke_paints_every_cell_that_it_crosses_and_arrow_keys_lead_to_all(visit, address):
    figure = next(figure for figure in FIGURES if figure.kind == "draw")
    page, problems = visit(1400, "light")
    page.goto(f"{address}/{figure.page}", wait_until="load")
    found = opened(page, figure)
    found.get_by_role("button", name="Clear").click()
    pad = found.locator(".live-cells")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    y = box["y"] + 3.5 / 8 * box["height"]
    page.mouse.move(box["x"] + 0.5 / 8 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 7.5 / 8 * box["width"], y, steps=12)
    page.mouse.up()
    page.mouse.move(box["x"] + 0.5 / 8 * box["width"], box["y"] + 5, steps=3)
    inked = pad.locator("[aria-label$=': 16 of 16']")
    assert [cell.get_attribute("aria-label").split(",")[0] for cell in inked.all()] == ["row 4"] * 8
    pad.locator("[tabindex='0']").focus()
    for key in ["ArrowUp"] * 9 + ["ArrowLeft"] * 9 + ["ArrowDown"] * 7 + ["ArrowRight"] * 7:
        page.keyboard.press(key)
    page.keyboard.press("Space")
    assert pad.get_by_label("row 8, column 8: 16 of 16").count() == 1 and inked.count() == 9
    assert problems == []


@pytest.mark.parametrize("name", sorted({figure.model for figure in FIGURES if figure.model}))
def test_stored_data_are_those_of_the_checkpoint_and_light(name):
    text = (live_weights.FOLDER / f"{name}.js").read_text(encoding="utf-8")
    assert len(gzip.compress(text.encode())) <= HEAVIEST
    stored, now = json.loads(text.partition("] = ")[2].rstrip().rstrip(";")), live_weights.EXPORTS[name]()
    assert stored["weights"] == now["weights"], "run python -m tools.live_weights"
    assert stored["error"] == pytest.approx(now["error"], abs=0.02)
    assert abs(stored["error"]["mean"]) < 0.05 and stored["error"]["largest"] < 1.5


def test_every_figure_of_the_site_stands_in_the_table(pages):
    found = {
        (name, figure["data-live"])
        for name, page in pages.items()
        for figure in page.all("figure")
        if "data-live" in figure
    }
    assert found == {(figure.page, figure.kind) for figure in FIGURES}


def test_only_pages_with_a_figure_load_its_script(pages):
    for name, page in pages.items():
        loads = any("live/figure.js" in script.get("src", "") for script in page.all("script"))
        assert loads == any("data-live" in figure for figure in page.all("figure")), name
