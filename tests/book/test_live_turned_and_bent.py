"""Two live figures in a real browser: a sphere that one turns, and a flow whose areas keep account of its density."""

import json

import pytest
import torch

from tests.book.live_other_models import normal

pytestmark = pytest.mark.browser
GLOBE = "figure => figure.querySelector('.live-globe').toDataURL()"
FACTS = "figure => figure.querySelector('.live-facts').textContent"


def opened(page, address, chapter, kind):
    page.goto(f"{address}/chapters/{chapter}.html", wait_until="load")
    found = page.locator(f"figure.live[data-live='{kind}']")
    found.scroll_into_view_if_needed()
    found.locator(".live-question button").first.click()
    found.locator(".live-panel").wait_for(state="visible")
    return found


def test_a_sphere_turns_by_dragging_and_by_arrow_keys_and_its_numbers_stay(visit, address):
    page, problems = visit(1400, "light")
    found = opened(page, address, "05_hyperspherical_vae", "sphere")
    facts, seen = found.evaluate(FACTS), [found.evaluate(GLOBE)]
    found.locator(".live-globe").scroll_into_view_if_needed()
    box = found.locator(".live-globe").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 130, steps=4)
    page.mouse.up()
    seen.append(found.evaluate(GLOBE))
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    assert found.evaluate(GLOBE) == seen[-1], "it turns without a button pressed"
    found.locator(".live-globe").focus()
    for key in ("ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(found.evaluate(GLOBE))
    assert len(set(seen)) == 4 and found.evaluate(FACTS) == facts and problems == []


def test_a_part_of_a_step_keeps_its_account_by_differences(visit, address):
    page, problems = visit(1400, "light")
    found = opened(page, address, "04_amortized_flows", "flow")
    starts, small = normal(8, 2, seed=3), 1e-5
    corners = [(small, 0), (-small, 0), (0, small), (0, -small)]
    for time in (0.4, 3.7, 8):
        points = torch.stack([starts + torch.tensor(c, dtype=torch.float64) for c in ((0, 0), *corners)]).flatten(0, 1)
        given = {"starts": points.tolist(), "time": time}
        got = json.loads(found.evaluate("(figure, given) => JSON.stringify(figure.live.numbers(given))", given))
        z = torch.tensor(got["z"], dtype=torch.float64).view(5, 8, 2)
        jacobian = torch.stack([(z[1] - z[2]) / (2 * small), (z[3] - z[4]) / (2 * small)], -1)
        logs = torch.tensor(got["logs"][:8], dtype=torch.float64).sum(1)
        assert torch.allclose(torch.linalg.slogdet(jacobian).logabsdet, logs, atol=1e-5)
    assert problems == []


def test_a_flow_draws_the_area_of_the_patch_that_its_account_says(visit, address):
    page, problems = visit(1400, "light")
    found = opened(page, address, "04_amortized_flows", "flow")
    for _ in range(3):
        found.get_by_role("button", name="One step on").click()
        text = found.locator(".live-facts").text_content()
        outline, centre = (float(word) for word in text.replace("×", " ").split() if word.replace(".", "").isdigit())
        assert outline == pytest.approx(centre, rel=0.25) and centre > 0
    assert outline != 1 and problems == []
