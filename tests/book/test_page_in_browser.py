"""How the links of a page behave, and that its equations fit, in a real browser."""

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1400, 390])
def test_a_link_shows_where_it_leads(visit, address, width):
    page, problems = visit(width, "light")
    page.goto(f"{address}/chapters/02_two_level_vae.html", wait_until="load")
    page.evaluate("MathJax.startup.promise")
    box = page.locator("#preview-box")
    for link in (page.locator("a.mention[href*='#equation-']").first, page.locator("a.term").first):
        link.scroll_into_view_if_needed()
        link.focus()
        box.wait_for(state="visible")
        assert box.text_content().strip() and link.get_attribute("aria-describedby") == "preview-box"
        at = box.bounding_box()
        assert at["x"] >= 0 and at["x"] + at["width"] <= width + 1 and at["height"] > 20
        page.keyboard.press("Escape")
        box.wait_for(state="hidden")
    page.locator("a.mention[href*='#equation-']").first.hover()
    box.locator("mjx-container svg").first.wait_for(state="visible")
    page.mouse.move(2, 2)
    box.wait_for(state="hidden")
    page.locator("a.mention[href^='#equation-']").first.click()
    assert page.evaluate("document.querySelector(':target').getBoundingClientRect().top") >= 0
    assert problems == []


def test_no_equation_loses_a_part_on_a_phone(visit, address, pages):
    """Wide equations are made smaller, to no less than 9 px, and none of them has to be moved sideways."""
    for name in [name for name in pages if name.startswith("chapters/")]:
        page, problems = visit(390, "dark")
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("MathJax.startup.promise")
        wide = page.evaluate(
            """[...document.querySelectorAll("div.math > mjx-container[display='true']")].map(box => ({
                over: box.parentElement.scrollWidth - box.parentElement.clientWidth,
                size: parseFloat(getComputedStyle(box).fontSize), id: box.parentElement.id}))"""
        )
        assert len(wide) > 5, name
        assert [found for found in wide if found["over"] > 1 or found["size"] < 9] == [], name
        assert problems == []
