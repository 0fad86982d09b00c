"""Mentions of equations, sections, exercises, errata and terms: what is recognised, and that the site links it."""

import json
import re

import pytest
from ladders_site.targets import MENTIONS, NUMBER, Targets, spellings


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


def test_the_site_links_every_mention_and_shows_what_is_there(pages, targets):
    """Counted in the visible prose of the chapters: no mention of something that exists stays plain text."""
    for name, page in pages.items():
        if not name.startswith("chapters/"):
            continue
        links = [a for a in page.all("a") if "preview" in a.get("class", "").split()]
        prose = " ".join(" ".join(page.prose).split())
        mentions = sum(
            number in targets.by_kind[kind]
            for kind in ("equation", "section")
            for match in MENTIONS[kind].finditer(prose)
            for number in re.findall(NUMBER, match.group())
        )
        # Captions of printed tables stand in outputs, which are shown as they are: a few mentions each.
        assert len([a for a in links if "mention" in a["class"].split()]) >= mentions - 3, name
        assert any("term" in a["class"].split() for a in links), name
        ids = {a["href"].rpartition("#")[2] for a in links}
        text = page.path.read_text(encoding="utf-8")
        shown = json.loads(re.search(r'id="previews">(.+?)</script>', text, re.DOTALL)[1])
        assert set(shown) <= ids and all(shown.values())
