"""Chapters on paper: nothing cut, hints and solutions open, dark ink on a light ground whatever the screen showed."""

import base64
import re
import zlib

import pytest

pytestmark = pytest.mark.browser

A4 = 794 - 2 * 38
"""Pixels between margins of one centimetre."""

INSPECT = r"""async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => 0)));
  const right = document.documentElement.clientWidth, problems = [];
  const light = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return a === 0 ? 1 : (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  };
  for (const one of document.querySelectorAll("article :is(p, li, pre, table, img, div.math, figure, dd, svg)")) {
    if (one.closest("mjx-assistive-mml, .live-panel, .Quiz")) continue;
    const box = one.getBoundingClientRect(), words = one.textContent.trim().slice(0, 60);
    if (box.width && box.right > right + 1)
      problems.push(`cut by ${Math.round(box.right - right)} px: ${one.tagName} ${words}`);
    const style = getComputedStyle(one), hides = style.overflowX !== "visible";
    if (hides && one.scrollWidth > one.clientWidth + 1) problems.push(`hidden: ${one.tagName} ${words}`);
    if (light(style.color) > 0.45) problems.push(`pale: ${one.tagName} ${style.color} ${words}`);
    if (light(style.backgroundColor) < 0.8) problems.push(`dark ground: ${one.tagName} ${words}`);
  }
  const folded = [...document.querySelectorAll("article details")];
  for (const one of folded) {
    const last = one.lastElementChild, height = last.getBoundingClientRect().height;
    if (last.tagName !== "SUMMARY" && height < 5) problems.push(`folded: ${one.textContent.trim().slice(0, 60)}`);
  }
  for (const ground of [document.body, document.documentElement, document.querySelector("article")]) {
    const colour = getComputedStyle(ground).backgroundColor;
    if (light(colour) < 0.9) problems.push(`page is ${colour}`);
  }
  return [folded.length, problems];
}"""


def test_a_chapter_is_whole_on_paper(visit, address, chapters):
    page, problems = visit(1400, "dark")
    # No script is told of the paper's width.
    page.add_init_script("addEventListener('resize', (event) => event.stopImmediatePropagation(), true)")
    for name in chapters:
        page.set_viewport_size({"width": 1400, "height": 900})
        page.emulate_media(media="screen", color_scheme="dark")
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("MathJax.startup.promise")
        page.set_viewport_size({"width": A4, "height": 1000})
        page.emulate_media(media="print", color_scheme="dark")
        folded, found = page.evaluate(INSPECT)
        assert folded > 10 and found == [], name
    assert problems == []


def test_a_chapter_is_printed(visit, address, chapters):
    """Chromium makes a PDF of many pages, and what is folded on the screen makes it longer."""
    page, problems = visit(1400, "dark")
    for name in chapters:
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("MathJax.startup.promise")
        whole = sheets(page)
        page.evaluate("document.querySelectorAll('article details').forEach((one) => one.remove())")
        without = sheets(page)
        assert whole > 15 and whole > 1.15 * without, (name, whole, without)
    assert problems == []


def sheets(page):
    """How many sheets a print of the page has."""
    client = page.context.new_cdp_session(page)
    made = client.send("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False})
    content = base64.b64decode(made["data"])
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    for packed in streams:
        try:
            content += zlib.decompress(packed)
        except zlib.error:
            continue
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
