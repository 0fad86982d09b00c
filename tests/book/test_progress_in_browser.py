"""What a chapter remembers of its reader: how far, which answers, which exercises."""

import pytest

pytestmark = pytest.mark.browser

CHAPTER = "chapters/01_latent_usefulness"


@pytest.mark.parametrize("width", [1400, 390])
def test_reading_answers_and_exercises_are_remembered(visit, address, width):
    page, problems = visit(width, "light")
    page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
    bar = page.locator(".reading-progress")
    assert int(bar.get_attribute("aria-valuenow")) < 10
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_function("document.querySelector('.reading-progress').getAttribute('aria-valuenow') > 40")
    at = bar.bounding_box()
    assert at["y"] == 0 and 0.4 * width < at["width"] < 0.65 * width
    question = page.locator(".Quiz").first
    said = question.locator(".MCButton[data-correct='true']").first
    words = said.text_content()
    said.click()
    question.locator(".Feedback.correct").wait_for()
    tick = page.locator("label.solved input").first
    tick.check()
    page.wait_for_timeout(50)

    page.goto(f"{address}/book/glossary.html", wait_until="load")
    note = page.locator(f".bd-links a[href*='{CHAPTER}'] + .chapter-progress").first
    shown = note.text_content()
    assert "questions 1/" in shown and "exercises 1/" in shown, shown
    assert 40 < int(shown.split(" %")[0]) < 65
    assert note.is_visible() == (width == 1400)  # on a phone it is in the menu

    page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
    assert page.locator("label.solved input").first.is_checked()
    page.locator(".Quiz .Feedback.correct").first.wait_for()
    chosen = page.locator(".Quiz").first.locator(".MCButton").filter(has_text=words)
    assert "correctButton" in (chosen.get_attribute("class") or "") or chosen.get_attribute("data-answered") != "0"
    page.locator("label.solved input").first.uncheck()
    assert "exercises 0/" in page.locator(".bd-links .chapter-progress").first.text_content()
    assert problems == []


def test_a_browser_that_remembers_nothing_is_no_error(visit, address):
    page, problems = visit(1400, "light")
    page.add_init_script("""const set = Storage.prototype.setItem;
        Storage.prototype.setItem = function (key, value) {
          if (key === "ladders-of-latents") throw new Error("forbidden");
          set.call(this, key, value);
        };""")
    page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
    page.evaluate("scrollTo(0, 3000)")
    tick = page.locator("label.solved input").first
    tick.check()
    assert tick.is_checked() and "exercises 1/" in page.locator(".bd-links .chapter-progress").first.text_content()
    assert problems == []
