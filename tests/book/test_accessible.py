"""Barriers that axe finds: none that is serious or critical, on any page, in either theme, at either width."""

from pathlib import Path

import pytest
from ladders_site.accessible import accessible

AXE = Path(__file__).parent / "_vendor" / "axe" / "axe.min.js"
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
RUN = """async (colours) => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const only = colours ? {runOnly: ["color-contrast", "link-in-text-block"]} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...only});
  return found.violations.map(one => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 160)]);
}"""
FORMULAS = ("book/notation.html", "book/errata.html")
"""Pages that axe reads with their formulas drawn. They look alike everywhere, and chapters have thousands."""
PHONES = ("book/intro.html", "chapters/01_latent_usefulness.html", "book/api/nn.html")
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


def barriers(visit, address, names):
    """What axe says of pages: every rule at both widths, and colours, which depend on the theme, in both themes.

    What only a phone shows is the same on all pages, so its colours in the light are looked at on some.
    """
    found = []
    page, problems = visit(1400, "light")
    for name in names:
        page.set_viewport_size({"width": 1400, "height": 900})
        page.emulate_media(color_scheme="light")
        page.unroute_all()
        if name not in FORMULAS:
            page.route("**/tex-svg-full.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page.goto(f"{address}/{name}", wait_until="load")
        page.add_style_tag(content=STILL)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for width, themes in ((1400, ("light", "dark")), (390, ("dark", "light"))):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            for theme in themes if width == 1400 or name in PHONES else themes[:1]:
                page.emulate_media(color_scheme=theme)
                page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
                rules = page.evaluate(RUN, theme != themes[0])
                found += [(name, width, theme, *one) for one in rules]
    assert problems == []
    return [one for one in found if tuple(one[3:5]) not in ACCEPTED]


@pytest.mark.browser
class TestBook:
    """The pages that are read; apart from the reference, so that two processes can share the work."""

    def test_axe_finds_no_barrier(self, visit, address, pages):
        names = [name for name in pages if not name.startswith("book/api")]
        assert barriers(visit, address, [*names, "search.html?q=posterior"]) == []


@pytest.mark.browser
class TestReference:
    """The pages of the reference."""

    def test_axe_finds_no_barrier(self, visit, address, pages):
        assert barriers(visit, address, [name for name in pages if name.startswith("book/api")]) == []


@pytest.mark.browser
def test_axe_would_find_one(visit, address):
    """Proof that the search above can fail: a name, a contrast and a list that are wrong are found."""
    page, _ = visit(1400, "light")
    page.goto(f"{address}/book/changelog.html", wait_until="load")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    page.evaluate("""document.querySelector(".bd-article").insertAdjacentHTML("beforeend",
        '<button></button><p style="color:#aaa;background:#fff">pale</p><ul><p>no entry</p></ul>')""")
    assert {"button-name", "color-contrast", "list"} <= {rule for _, rule, *_ in page.evaluate(RUN, False)}
