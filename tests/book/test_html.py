"""The built pages as files: nothing from elsewhere, nothing dead, nothing raw."""

import json
import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag

import pytest
import yaml

RAW = {
    "a role": re.compile(r"\{[a-z:]+\}`"),
    "a directive": re.compile(r":::|\{(?:grid|card|figure|admonition)[\w-]*\}"),
    "dollar mathematics": re.compile(r"\$\$|\$\\[a-z]+"),
    "an equation's tag": re.compile(r"\\tag\b|\\(?:mathbb|mathrm|mathcal|frac|log)\b"),
    "emphasis": re.compile(r"\*\*\S"),
    "a fence": re.compile(r"```"),
    "attributes": re.compile(r"\{[.#][\w-]+\}"),
    "a link": re.compile(r"\]\((?:https?:|/|\.|#)[^)]*\)"),
    "HTML": re.compile(r"</?(?:details|summary|div|span|img|br)\b"),
}
EXTERNAL = re.compile(r"^(?:https?:)?//")


def listed(toc):
    """All files that the table of contents names."""
    if isinstance(toc, list):
        return [name for entry in toc for name in listed(entry)]
    if isinstance(toc, dict):
        own = [toc[key] for key in ("root", "file", "glob") if key in toc]
        return own + [name for value in toc.values() if isinstance(value, list) for name in listed(value)]
    return []


def test_every_page_of_the_contents_is_built_and_no_other(pages, root):
    patterns = listed(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    sources = (path.relative_to(root).with_suffix("") for name in patterns for path in root.glob(f"{name}.*"))
    names = {path.as_posix() for path in sources}
    assert sorted(f"{name}.html" for name in names) == sorted(pages)


def test_every_chapter_is_in_the_contents(pages, root):
    assert {f"chapters/{path.stem}.html" for path in (root / "chapters").glob("*.ipynb")} <= set(pages)


def test_pages_load_nothing_from_elsewhere(pages):
    loaded = [
        (name, address)
        for name, page in pages.items()
        for tag, attributes, _ in page.elements
        for address in (attributes.get("src", ""), attributes.get("href", "") if tag == "link" else "")
        if EXTERNAL.match(address) and "canonical" not in attributes.get("rel", "")
    ]
    assert loaded == []


def test_styles_load_nothing_from_elsewhere(site):
    sheets = list((site / "_static").rglob("*.css"))
    assert sheets
    found = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')]*")
    assert [(sheet.name, match) for sheet in sheets for match in found.findall(sheet.read_text("utf-8"))] == []


def test_mathematics_and_search_are_part_of_the_site(site, pages):
    assert (site / "_static" / "mathjax" / "tex-svg-full.js").stat().st_size > 1e6
    assert (site / "_static" / "places.js").is_file() and not (site / "searchindex.js").exists()
    sources = [script.get("src", "") for script in pages["book/notation.html"].all("script")]
    config, engine = (
        next(index for index, source in enumerate(sources) if name in source)
        for name in ("mathjax/config.js", "mathjax/tex-svg-full.js")
    )
    assert config < engine


def test_every_figure_has_a_text_in_its_place(pages):
    missing = [
        (name, attributes.get("src", ""))
        for name, page in pages.items()
        for tag, attributes, article in page.elements
        if tag == "img" and article and not is_description(attributes)
    ]
    assert missing == []


def is_description(attributes):
    """Whether an image's alt text says something that its file name does not."""
    alt = attributes.get("alt", "").strip()
    return bool(alt) and alt != attributes.get("src", "") and "_images/" not in alt


def test_no_markup_is_left_raw(pages):
    found = [
        (name, what, match[0], "".join(page.prose)[max(0, match.start() - 40) : match.end() + 40])
        for name, page in pages.items()
        for what, pattern in RAW.items()
        for match in pattern.finditer("".join(page.prose))
    ]
    assert found == []


def test_internal_links_lead_somewhere(site, pages):
    known = {name: page.ids for name, page in pages.items()}
    dead = []
    for name, page in pages.items():
        for attributes in page.all("a"):
            address, anchor = urldefrag(unquote(attributes.get("href", "")))
            if EXTERNAL.match(address) or address.startswith(("mailto:", "javascript:")):
                continue
            target = (site / PurePosixPath(name).parent / address).resolve() if address else site / name
            relative = target.relative_to(site).as_posix() if target.is_relative_to(site) else "outside"
            if not target.is_file() or (anchor and relative in known and anchor not in known[relative]):
                dead.append((name, attributes["href"]))
    assert dead == []


def test_links_into_the_repository_lead_somewhere(pages, project):
    prefix = re.compile(rf"^{re.escape(project.url)}/(?:blob|tree|raw)/{re.escape(project.branch)}/([^#?]+)")
    paths = {
        (name, unquote(match[1]))
        for name, page in pages.items()
        for attributes in page.all("a")
        if (match := prefix.match(attributes.get("href", "")))
    }
    assert paths
    assert [(name, path) for name, path in sorted(paths) if not (project.root / path).exists()] == []


def test_chapters_open_in_colab(pages, project):
    start = "https://colab.research.google.com/"
    for name, page in pages.items():
        links = {a["href"] for a in page.all("a") if a.get("href", "").startswith(start)}
        if name.startswith("chapters/"):
            own = project.colab(f"{name.removesuffix('.html')}.ipynb")
            assert own in links, f"{name}: expected a launch link {own}, got {sorted(links)}"
        for link in links:
            path = link.split(f"/blob/{project.branch}/", 1)[1]
            assert link == project.colab(path) and (project.root / path).is_file(), f"{name}: {link}"


def test_chapters_can_be_downloaded(pages, site):
    for name in pages:
        if name.startswith("chapters/"):
            notebook = json.loads((site / "_sources" / name.replace(".html", ".ipynb")).read_text(encoding="utf-8"))
            code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
            assert len(code) > 20 and all("".join(cell["source"]).strip() for cell in code)
            assert not any(cell["outputs"] for cell in code)


@pytest.mark.parametrize("word", ["copybutton", "styles/site-", "theme-switch-button", "search-button"])
def test_every_page_has_what_readers_use(pages, word):
    assert [name for name, page in pages.items() if word not in page.path.read_text(encoding="utf-8")] == []
