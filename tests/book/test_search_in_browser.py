"""The search page: what is asked for stands first, at its own place."""

import json

import pytest
from ladders_site.places import Reader, with_places

FIRST = {
    "reparameterization trick": "book/glossary.html#term-reparameterisation",
    "reparameterisation": "book/glossary.html#term-reparameterisation",
    "evidence lower bound": "book/glossary.html#term-ELBO",
    "amortized inference": "book/glossary.html#term-amortised-inference",
    "install": "book/how_to_use.html#install-it-and-run-it-on-your-own-machine",
    "variatonal autoencoder": "book/intro.html",
    "postrior collapse": "book/glossary.html#term-posterior-collapse",
    "free bits": "book/glossary.html#term-free-bits",
    "plain numpy": "chapters/01_latent_usefulness.html#the-same-vae-in-plain-numpy",
    "HypersphericalVAE": "book/api/models.html#hvae_ref.models.HypersphericalVAE",
}


def test_places_of_a_page_are_its_sections_terms_and_names():
    reader = Reader("book/a")
    reader.feed(
        '<article class="bd-article"><section id="a"><h1>A<a class="headerlink">#</a></h1><p>One <b>two</b></p>'
        '<section id="b"><h2>B</h2><span class="math">x</span><div class="cell_input">code</div><p>three</p></section>'
        '<dl><dt id="term-flow">flow<a class="headerlink">#</a></dt><dd><p>moves</p></dd></dl><p>four</p></section>'
        "</article><p>outside</p>"
    )
    assert [place.row() for place in reader.places] == [
        ["page", "book/a", "", "A", "One two four"],
        ["section", "book/a", "b", "B", "three"],
        ["term", "book/a", "term-flow", "flow", "moves"],
    ]


def test_the_search_page_loads_its_own_index():
    page = with_places(
        '<script src="_static/searchtools.js"></script><script src="searchindex.js" defer></script></body>'
    )
    assert "searchtools" not in page and "searchindex" not in page and "_static/places.js" in page


def test_every_section_and_term_can_be_found(site, pages):
    text = (site / "_static" / "places.js").read_text(encoding="utf-8")
    places = json.loads(text.removeprefix("const LadderPlaces=").rstrip(";\n"))
    known = {(page, anchor) for _, page, anchor, *_ in places}
    assert {f"{page}.html" for page, _ in known} == set(pages)
    assert [(page, anchor) for page, anchor in known if anchor and anchor not in pages[f"{page}.html"].ids] == []
    assert sum(kind == "term" for kind, *_ in places) == len(
        [i for i in pages["book/glossary.html"].ids if i.startswith("term-")]
    )


@pytest.mark.browser
def test_what_is_asked_for_stands_first(visit, address):
    page, problems = visit(1400, "light")
    found = {}
    for question in FIRST:
        page.goto(f"{address}/search.html?q={question}", wait_until="load")
        first = page.locator("#search-results ul.search li").first
        first.wait_for()
        found[question] = first.locator("a").get_attribute("href")
        assert len(first.locator("p").text_content()) > 40, question
    assert found == FIRST
    assert page.locator("#search-results mark").count() > 0
    page.goto(f"{address}/search.html?q=xylophone", wait_until="load")
    page.locator("#search-results p[role=status]").wait_for()
    assert page.locator("#search-results li").count() == 0
    assert problems == []


@pytest.mark.browser
def test_a_hit_leads_to_its_place_and_not_to_the_top_of_a_page(visit, address):
    page, problems = visit(390, "dark")
    page.goto(f"{address}/search.html?q=plain numpy", wait_until="load")
    page.locator("#search-results ul.search a").first.click()
    page.wait_for_url("**/chapters/01*")
    page.evaluate("MathJax.startup.promise")
    page.wait_for_function(
        "scrollY > 2000 && Math.abs(document.querySelector(':target').getBoundingClientRect().top) < 900"
    )
    assert problems == []
