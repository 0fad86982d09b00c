"""A quiz in Chromium, alone on a page: it works with mouse and keyboard and requests nothing from the network."""

import re
import shutil

import pytest

from hvae_ref.exercises import quiz
from hvae_ref.exercises.engine.quiz import questions

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GROUNDS = {"light": "background:#fff;color:#111", "dark": "background:#121212;color:#ddd"}


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium here; Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(params=GROUNDS)
def page(browser, request):
    """A page that shows the first chapter's quiz; nothing may be fetched, and no script may fail."""
    opened, trouble = browser.new_page(viewport={"width": 390, "height": 900}), []
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("console", lambda message: trouble.append(message.text))
    opened.on("request", lambda asked: trouble.append(asked.url))
    opened.set_content(f"<!doctype html><body style='{GROUNDS[request.param]}'>{quiz(1)._repr_html_()}</body>")
    yield opened
    assert trouble == []
    opened.close()


def settled(locator):
    """Wait for the end of the colours' animation."""
    locator.evaluate("e => Promise.all(e.getAnimations().map(a => a.finished))")
    return locator


def luminance(colour):
    channels = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(locator):
    style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    dark, light = sorted(map(luminance, locator.evaluate(style)))
    return (light + 0.05) / (dark + 0.05)


def test_every_question_is_shown_with_its_answers(page):
    assert page.locator(".Quiz").count() == len(questions(1))
    assert page.locator(".MCButton").count() == sum(len(asked["answers"]) for asked in questions(1))
    assert page.locator("details").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_click_explains_the_answer(page):
    first = page.locator(".Quiz").first
    for given in questions(1)[0]["answers"]:
        button = first.locator(".MCButton").filter(has_text=given["answer"])
        button.click()
        feedback = first.locator(".Feedback")
        assert feedback.inner_text() == given["feedback"]
        mark = feedback.evaluate("e => getComputedStyle(e, '::before').content")
        assert ("✓" if given["correct"] else "✗") in mark
        assert contrast(feedback) > 4.5
        assert contrast(settled(button)) > 4.5


def test_the_keyboard_answers_too(page):
    button = page.locator(".MCButton[data-correct=true]").first
    button.focus()
    page.keyboard.press("Enter")
    assert "correctButton" in button.get_attribute("class")
    assert page.locator(".Feedback").first.get_attribute("aria-live") == "polite"


def test_everything_is_legible_before_a_click(page):
    assert contrast(page.locator(".MultipleChoiceQn").first) > 4.5
    assert contrast(page.locator(".MCButton").first) > 4.5
