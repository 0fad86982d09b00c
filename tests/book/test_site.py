"""The site in a real browser, without a network: wide and narrow, light and dark."""

import pytest

pytestmark = pytest.mark.browser

# Problems of a loaded page, each as a line of text.
INSPECT = r"""async ([dark]) => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map(image => image.decode().catch(() => 0)));
  const problems = [];
  const root = document.documentElement;
  const over = root.scrollWidth - root.clientWidth;
  if (over > 0) {
    const scrolls = e => ["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX);
    const wide = [...document.querySelectorAll("article *")].filter(e => ![...ancestors(e)].some(scrolls)
      && e.getBoundingClientRect().right > root.clientWidth + 1);
    problems.push(`overflows by ${over} px: ` + wide.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(" | "));
  }
  function* ancestors(e) { for (let a = e; a && a.tagName !== "ARTICLE"; a = a.parentElement) yield a; }
  if (root.dataset.theme !== (dark ? "dark" : "light")) problems.push(`theme is ${root.dataset.theme}`);
  for (const e of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
    problems.push(`formula: ${e.getAttribute("data-mjx-error") || e.textContent}`);
  for (const e of document.querySelectorAll("article .math"))
    if (!e.querySelector("mjx-container svg")) problems.push(`not rendered: ${e.textContent.slice(0, 80)}`);
  for (const image of document.querySelectorAll("article img")) {
    const box = image.getBoundingClientRect();
    const folded = image.closest("details:not([open])");
    if (!image.naturalWidth || (!folded && (box.width < 24 || box.height < 24))) problems.push(`image: ${image.src}`);
    if (dark && image.closest(".cell_output")) {
      const [r, g, b, a = 1] = getComputedStyle(image).backgroundColor.match(/[\d.]+/g).map(Number);
      if (a < 1 || 0.2126 * r + 0.7152 * g + 0.0722 * b < 200) problems.push(`dark ground under ${image.src}`);
    }
  }
  const seen = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  const raw = /\{[a-z:]+\}`|:::|\$\$|\\tag\b|\\(?:mathrm|mathbb|frac)\b|\*\*\S|```/;
  while (seen.nextNode()) {
    const text = seen.currentNode;
    if (!text.parentElement.closest("pre, code, script, style, mjx-container") && raw.test(text.data))
      problems.push(`raw markup: ${text.data.trim().slice(0, 80)}`);
  }
  return problems;
}"""

# Answers every question of a page, each wrong choice first, and says what was not explained.
ANSWER = r"""() => {
  const problems = [];
  const questions = document.querySelectorAll(".Quiz");
  for (const question of questions) {
    const feedback = question.querySelector(".Feedback");
    const choices = [...question.querySelectorAll(".MCButton")];
    const right = choices.filter(choice => choice.dataset.correct === "true");
    if (!right.length || right.length === choices.length) problems.push("expected right and wrong choices");
    for (const choice of [...choices.filter(c => !right.includes(c)), ...right]) {
      choice.click();
      const said = feedback.textContent.trim(), wanted = right.includes(choice) ? "correct" : "incorrect";
      if (!feedback.classList.contains(wanted)) problems.push(`"${choice.textContent}" is not marked ${wanted}`);
      if (said.length < 8 || said.startsWith("Incorrect -- try"))
        problems.push(`no reason for "${choice.textContent}"`);
    }
  }
  return [questions.length, problems];
}"""


@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_shows_as_it_should_in_light_and_dark(visit, address, pages, width):
    page, problems = visit(width, "light")
    found = []
    for name in pages:
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{name}", wait_until="load")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
            problems += page.evaluate(INSPECT, [theme == "dark"])
            found += [f"{name}, {theme}: {problem}" for problem in problems]
            problems.clear()
    assert found == []


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (390, "dark")])
def test_questions_answer_to_clicks(visit, address, pages, root, width, theme):
    page, problems = visit(width, theme)
    for name in (name for name in pages if name.startswith("chapters/")):
        page.goto(f"{address}/{name}", wait_until="load")
        asked, unanswered = page.evaluate(ANSWER)
        assert asked >= 4, f"{name}: expected at least four questions, got {asked}"
        assert unanswered == [], name
        # The questions look for a formula engine half a second after they appear.
        page.wait_for_timeout(700)
        assert problems == [], name
    assert list((root / "chapters").glob("*.ipynb")), "expected chapters"


def test_the_front_page_leads_into_the_book(visit, address):
    page, problems = visit(1400, "light")
    page.goto(f"{address}/index.html", wait_until="load")
    page.wait_for_url("**/book/intro.html")
    page.locator(".chapter-card").first.click(position={"x": 30, "y": 30})
    page.wait_for_url("**/chapters/*.html")
    assert problems == []


def test_the_theme_can_be_changed(visit, address):
    page, problems = visit(1400, "light")
    page.goto(f"{address}/book/intro.html", wait_until="load")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert problems == []


def test_search_finds_a_term_offline(visit, address):
    page, problems = visit(1400, "light")
    page.goto(f"{address}/search.html?q=posterior", wait_until="load")
    page.locator("#search-results ul.search li").first.wait_for(timeout=10_000)
    assert problems == []


def test_hints_unfold(visit, address, pages):
    page, problems = visit(390, "light")
    for name in (name for name in pages if name.startswith("chapters/")):
        page.goto(f"{address}/{name}", wait_until="load")
        folded = page.locator("article details:not([open]) > summary")
        assert folded.count() > 0, f"{name}: expected folded hints and solutions"
        page.evaluate("document.querySelectorAll('article details').forEach(e => { e.open = true; })")
        assert page.evaluate(INSPECT, [False]) == [], name
    assert problems == []
