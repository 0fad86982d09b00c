"""The addresses of the book's sections on the web, for links in verdicts."""

from __future__ import annotations

import re
import unicodedata
from importlib.metadata import PackageNotFoundError, metadata

PAGES = {
    1: "chapters/01_latent_usefulness.html",
    2: "chapters/02_two_level_vae.html",
    3: "chapters/03_top_down_vae.html",
    4: "chapters/04_amortized_flows.html",
    5: "chapters/05_hyperspherical_vae.html",
    6: "chapters/06_hierarchical_cvae.html",
    7: "chapters/07_feature_density_and_synthesis.html",
}


def section_link(chapter: int, section: str) -> str | None:
    """Address of a section in the online book.

    Args:
        chapter: Number of the chapter.
        section: Its heading, exactly as the chapter has it.

    Returns:
        The address, or None where the package's metadata name no book or the chapter has no page.
    """
    home, page = book_address(), PAGES.get(chapter)
    return None if home is None or page is None else f"{home.rstrip('/')}/{page}#{anchor(section)}"


def book_address() -> str | None:
    """Address of the online book, from the installed package's metadata.

    Returns:
        The address, or None where the package is not installed or names none.
    """
    try:
        urls = metadata("hvae-ref").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return named.get("Homepage")


def anchor(heading: str) -> str:
    """The id that docutils gives a heading.

    Args:
        heading: Text of the heading.

    Returns:
        Its id: lower case, ASCII, words joined by hyphens, not beginning with a digit.

    Example:
        >>> anchor("2.3 · Three objectives, told apart")
        'three-objectives-told-apart'
    """
    plain = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", " ".join(plain.split())))
