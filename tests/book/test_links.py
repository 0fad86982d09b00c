"""Mentions of equations, sections, exercises, errata and terms: what is recognised, and that the site links it."""

import json
import re
from html.parser import HTMLParser

import pytest
from ladders_site.targets import Targets, spellings

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@pytest.fixture(scope="module")
def targets(project):
    return Targets(project)


def found(targets, text):
    return [(text[start:end], target.anchor) for start, end, target in targets.find(text)]


def test_each_number_of_a_list_is_a_mention_of_its_own(targets):
    assert found(targets, "Equations 2.1 and 2.2 are joined in section 2.3, see eq. 1.2.") == [
        ("Equations 2.1", "equation-2-1"),
        ("2.2", "equation-2-2"),
        ("eq. 1.2", "equation-1-2"),
        ("section 2.3", targets.by_kind["section"]["2.3"].anchor),
    ]


def test_numbers_and_names_that_mention_nothing_are_left_alone(targets):
    assert found(targets, "by 2.1 nats, at 0.89; equation 99.1; D44; A level Z1 of 3 digits; PSNR 22.2") == []


def test_a_code_of_an_erratum_is_a_mention(targets):
    assert found(targets, "the shortcut (O5) and V4's μ") == [("O5", "erratum-o5"), ("V4", "erratum-v4")]


@pytest.mark.parametrize("term", ["amortised inference", "reparameterisation", "normalizing flow"])
def test_terms_are_known_in_both_spellings(targets, term):
    other = term.replace("ised", "ized").replace("isation", "ization").replace("izing", "ising")
    assert other != term and {term, other} <= spellings(term) and other in targets.terms


def test_every_equation_of_a_chapter_can_be_linked(targets, root):
    for path in (root / "chapters").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        assert set(re.findall(r"\\tag\{([\d.]+)\}", text)) == {
            number for number, target in targets.by_kind["equation"].items() if target.page.endswith(path.stem)
        }


class Prose(HTMLParser):
    """Texts of a page that could be linked and are not, and the terms that are linked, section by section."""

    SILENT = {
        "a",
        "pre",
        "code",
        "script",
        "style",
        "title",
        "textarea",
        "summary",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "button",
    }
    CLASSES = {"math", "sig", "rubric", "caption-number", "Quiz", "hvae-quiz", "hvae-verdict", "sd-card-footer"}

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.texts: list[tuple[int, bool, str]] = []  # section, whether HTML that was no Markdown, text
        self.linked: set[tuple[int, str]] = set()
        self.count = 0
        self._open = [("", True, 0, False)]
        self.feed(page.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        classes = set(given.get("class", "").split())
        _, silent, section, printed = self._open[-1]
        if "bd-article" in classes:
            silent = False
        if tag == "section":
            self.count += 1
            section = self.count
        if tag == "a" and "term" in classes:
            self.linked.add((section, given["href"].rpartition("#")[2]))
        term = tag == "dt" and given.get("id", "").startswith("term-")
        silent = silent or tag in self.SILENT or bool(self.CLASSES & classes) or term
        if tag not in VOID:
            self._open.append((tag, silent, section, printed or bool({"text_html", "live"} & classes)))

    def handle_endtag(self, tag):
        if any(tag == name for name, *_ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        _, silent, section, printed = self._open[-1]
        if not silent:
            self.texts.append((section, printed, " ".join(data.split())))


def test_no_mention_of_an_equation_section_chapter_or_erratum_is_plain_text(pages, targets):
    left = [
        (name, text[max(0, start - 20) : end + 20])
        for name, page in pages.items()
        for _, _, text in Prose(page).texts
        for start, end, _ in targets.find(text)
    ]
    assert left == []


def test_every_term_is_linked_where_a_section_first_uses_it(pages, targets):
    left, linked = [], 0
    for name, page in pages.items():
        if name.startswith("book/api") or name == "book/glossary.html":
            continue
        prose = Prose(page)
        linked += len(prose.linked)
        for section, printed, text in prose.texts:
            for start, end, target in targets.find_terms("" if printed else text):
                if (section, target.anchor) not in prose.linked:
                    left.append((name, text[start:end], text[max(0, start - 30) : end + 30]))
    assert left == [] and linked > 300


def test_a_link_has_what_it_shows(pages):
    for name, page in pages.items():
        links = [a for a in page.all("a") if "preview" in a.get("class", "").split()]
        text = page.path.read_text(encoding="utf-8")
        found = re.search(r'id="previews">(.+?)</script>', text, re.DOTALL)
        shown = json.loads(found[1]) if found else {}
        assert set(shown) <= {a["href"].rpartition("#")[2] for a in links} and all(shown.values()), name
        assert bool(shown) == bool(links) or name == "book/intro.html", name
        if name.startswith("chapters/"):
            assert any("term" in a["class"] for a in links) and any("mention" in a["class"] for a in links), name


def test_a_chapter_is_a_mention_and_what_is_counted_after_it_is_not(targets):
    first, second = (f"chapters/{name}" for name in ("01_latent_usefulness", "02_two_level_vae"))
    text = "Chapters 1 and 2, chapter 2, 5 seeds; chapter 1.5, chapter 99 and eqs. (2.1) and (2.2)"
    places = [(text[start:end], target.page, target.anchor) for start, end, target in targets.find(text)]
    assert ("Chapters 1", first, "") in places and ("2", second, "") in places and ("chapter 2", second, "") in places
    assert ("(2.2", second, "equation-2-2") in places or ("2.2", second, "equation-2-2") in places
    assert len(places) == 5
