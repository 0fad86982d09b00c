"""What a verdict says, in a terminal and on a page."""

import re
from html.parser import HTMLParser

import pytest

from hvae_ref.exercises.engine import links as address
from hvae_ref.exercises.engine.links import anchor, section_link
from hvae_ref.exercises.engine.verdict import Verdict

STATUSES = ("passed", "failed", "not attempted")


def verdict(status="failed", **options):
    return Verdict(status, "9.1", "Lengths & <areas>", **({"message": "Use `x < 3` & more."} | options))


class Page(HTMLParser):
    """Collects text and checks that tags are balanced."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text, self.links = [], "", []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("status", STATUSES)
def test_the_status_is_told_in_words_and_by_a_mark(status):
    shown = verdict(status)
    words = {"passed": "✓ .*passed", "failed": "✗ .*not right yet", "not attempted": "○ .*not attempted yet"}[status]
    assert re.search(words, str(shown))
    assert re.search(words, Page(shown._repr_html_()).text)
    assert shown.passed is bool(shown) is (status == "passed")


def test_text_is_escaped_and_code_is_marked():
    page = verdict()._repr_html_()
    assert "<areas>" not in page
    assert "x &lt; 3</code>" in page
    assert "Lengths & <areas>" in Page(page).text
    assert "Use x < 3 & more." in str(verdict())


def test_facts_line_up_in_a_terminal_and_stand_in_a_table():
    shown = verdict(facts=(("loc", "[1]"), ("expected", "<2>")))
    assert "\n  loc       [1]\n  expected  <2>" in str(shown)
    page = shown._repr_html_()
    assert page.count("<tr>") == 2
    assert "scope='row'" in page
    assert "<2>" in Page(page).text


def test_the_section_is_linked_where_it_has_an_address():
    plain = verdict(section="9.1 · Lengths")
    assert "Read again: 9.1 · Lengths" in str(plain)
    assert Page(plain._repr_html_()).links == []
    linked = verdict(section="9.1 · Lengths", link="https://example.org/9.html#lengths")
    assert "<https://example.org/9.html#lengths>" in str(linked)
    assert Page(linked._repr_html_()).links == ["https://example.org/9.html#lengths"]


def test_text_keeps_the_colour_of_the_page():
    """For light and dark pages no text colour is set, and the background is transparent or nearly so."""
    page = verdict(facts=(("loc", "[1]"),))._repr_html_()
    assert set(re.findall(r"(?<![-\w])color:([^;'\"]+)", page)) == {"inherit"}
    assert set(re.findall(r"background:([^;'\"]+)", page)) <= {"#d9534f1f", "transparent"}


def test_what_a_terminal_shows_is_what_str_says():
    assert repr(verdict()) == str(verdict())
    assert max(map(len, str(verdict(message="word " * 60)).splitlines())) <= 96


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("2.3 · Three objectives, told apart", "three-objectives-told-apart"),
        ("What does “maximum likelihood” ask for?", "what-does-maximum-likelihood-ask-for"),
        ("1.4 · A naïve estimator", "a-naive-estimator"),
    ],
)
def test_anchors_follow_docutils(heading, expected):
    assert anchor(heading) == expected


def test_links_go_to_the_book_that_the_package_names(monkeypatch):
    monkeypatch.setattr(address, "book_address", lambda: "https://example.org/book/")
    assert section_link(2, "2.1 · Two") == "https://example.org/book/chapters/02_two_level_vae.html#two"
    assert section_link(99, "99.1 · Far") is None
    monkeypatch.setattr(address, "book_address", lambda: None)
    assert section_link(2, "2.1 · Two") is None


def test_a_package_that_is_not_installed_names_no_book(monkeypatch):
    def missing(name):
        raise address.PackageNotFoundError(name)

    monkeypatch.setattr(address, "metadata", missing)
    assert address.book_address() is None
