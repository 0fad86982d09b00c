"""Barriers that axe finds: none that is serious or critical, on any page, in either theme, at either width."""

from pathlib import Path

import pytest
from ladders_site.accessible import accessible

AXE = Path(__file__).parent / "_vendor" / "axe" / "axe.min.js"
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
RUN = """async (colours) => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const options = {resultTypes: ["violations"], ...(colours ? {runOnly: ["cat.color"]} : {})};
  const found = await axe.run({exclude: [["mjx-container > svg"]]}, options);
  return found.violations.map(one => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 160)]);
}"""
ACCEPTED = {
    # (impact, rule): why it stays
    (
        "minor",
        "aria-allowed-role",
    ): "jupyterquiz makes its answers of labels with the role of a button; keys reach them",
}


def test_a_signature_of_several_lines_is_no_list():
    page = '<dl class="py"><dt class="sig py" id="f">f(\n<dl>\n<dd>x,</dd>\n</dl>\n)</dt>\n<dd><p>Text</p></dd></dl>'
    mended = accessible(page)
    assert mended.count("<dl") == 1 and mended.count("<dd") == 1 and mended.count("</dl>") == 1
    assert '<span class="sig-lines">' in mended and '<span class="sig-line">x,</span>' in mended


def test_what_unfolds_says_what_is_in_it():
    page = accessible('<summary aria-label="Toggle hidden content"><p>Show code: Imports</p></summary>')
    assert page == "<summary><p>Show code: Imports</p></summary>"


@pytest.mark.browser
def test_axe_finds_no_barrier(visit, address, pages):
    """Every rule at both widths; what depends on the theme, which is colour, at both widths in both themes."""
    found = []
    page, problems = visit(1400, "light")
    for name in [*pages, "search.html?q=posterior"]:
        page.set_viewport_size({"width": 1400, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{name}", wait_until="load")
        page.add_style_tag(content=STILL)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for width, theme, colours in (
            (1400, "light", False),
            (1400, "dark", True),
            (390, "dark", False),
            (390, "light", True),
        ):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
            found += [(name, width, theme, *one) for one in page.evaluate(RUN, colours)]
    assert [one for one in found if tuple(one[3:5]) not in ACCEPTED] == []
    assert {tuple(one[3:5]) for one in found} == set(ACCEPTED), "a barrier that is gone need not be accepted"
    assert problems == []
