"""What a reader sees without moving anything sideways: programs, tables, figures, and the first screens."""

import ast
import json

import pytest
from ladders_site.targets import Targets

SMALLEST_FONT = 7.5
"""Points of the smallest letters in a figure; `test_no_figure_is_drawn_with_smaller_letters` looks for smaller ones."""

WIDE = r"""async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const over = (box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1;
  const seen = (box) => `${box.scrollWidth - box.clientWidth} px: ${box.textContent.trim().slice(0, 60)}`;
  const boxes = [...document.querySelectorAll("article .tag_idea pre, article div.math")];
  for (const table of document.querySelectorAll("article table")) {
    const box = table.closest(".text_html > div, .pst-scrollable-table-container, .table-wrapper, .output");
    boxes.push(box || table);
  }
  return [boxes.length, boxes.filter(over).map(seen)];
}"""

# For each table: whether all of it can be reached, and whether the first column stays while the rest moves.
TABLES = r"""async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const problems = [];
  const tables = [...document.querySelectorAll("article table")].filter((table) => table.offsetParent);
  for (const table of tables) {
    const size = parseFloat(getComputedStyle(table).fontSize), name = table.textContent.trim().slice(0, 50);
    if (size < 10.5) problems.push(`letters of ${size} px: ${name}`);
    let box = table.parentElement;
    const moves = (one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
    while (box.tagName !== "ARTICLE" && !moves(box)) box = box.parentElement;
    if (box.tagName === "ARTICLE") {
      if (table.getBoundingClientRect().right > document.documentElement.clientWidth) problems.push(`cut: ${name}`);
    } else if (box.scrollWidth > box.clientWidth + 1) {
      const row = table.rows[table.rows.length - 1], first = row.cells[0], before = first.getBoundingClientRect();
      box.scrollLeft = box.scrollWidth;
      const after = first.getBoundingClientRect(), last = row.cells[row.cells.length - 1].getBoundingClientRect();
      const edge = box.getBoundingClientRect();
      if (Math.abs(after.left - edge.left) > 3) problems.push(`the first column moves away: ${name}`);
      if (last.right > edge.right + 2) problems.push(`the last column is not reached: ${name}`);
      if (after.width > 0.6 * edge.width) problems.push(`the first column leaves no room: ${name}`);
      if (!box.hasAttribute("tabindex")) problems.push(`no key reaches it: ${name}`);
      box.scrollLeft = 0;
    }
  }
  return [tables.length, problems];
}"""

# Pixels on the screen for a point of a picture: what it is shown at, over the width that it was drawn at.
FIGURES = r"""async () => {
  const found = [];
  for (const image of document.querySelectorAll("article .cell_output img")) {
    image.loading = "eager";
    await image.decode();
    const drawn = parseFloat(image.style.getPropertyValue("--drawn")), box = image.getBoundingClientRect();
    const mover = image.closest("a.image-reference, .output"), style = getComputedStyle(mover);
    found.push({
      src: image.src, scale: box.width / drawn * 100 / 72,
      shape: box.width / box.height / (image.naturalWidth / image.naturalHeight),
      cut: mover.scrollWidth > mover.clientWidth + 1 && style.overflowX !== "auto",
    });
  }
  return found;
}"""

FIRST = r"""() => {
  const figures = [...document.querySelectorAll("article :is(.cell_output img, figure.live)")];
  return Math.min(...figures.map((one) => one.getBoundingClientRect().top)) + scrollY;
}"""


def font_sizes(source):
    """Sizes of letters that a program names, in points."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call | ast.Dict):
            pairs = (
                [(word.arg, word.value) for word in node.keywords]
                if isinstance(node, ast.Call)
                else [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
            )
            for name, value in pairs:
                named = str(name or "").endswith(("fontsize", "labelsize", "titlesize", "font.size"))
                if named and isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                    yield value.value


def test_no_figure_is_drawn_with_smaller_letters(root):
    sources = [path.read_text(encoding="utf-8") for path in (root / "hvae_ref").rglob("*.py")]
    for path in (root / "chapters").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    sizes = [size for source in sources for size in font_sizes(source)]
    assert len(sizes) > 20 and min(sizes) == SMALLEST_FONT


@pytest.mark.browser
def test_nothing_of_a_chapter_is_moved_sideways_on_a_wide_screen(visit, address, chapters):
    page, problems = visit(1400, "light")
    for name in chapters:
        page.goto(f"{address}/{name}", wait_until="load")
        count, wide = page.evaluate(WIDE)
        assert count > 20 and wide == [], name
        assert page.evaluate(FIRST) < 1800, f"{name}: expected a figure within the first two screens"
    assert problems == []


@pytest.mark.browser
def test_a_phone_shows_all_of_each_table_and_figures_that_can_be_read(visit, address, chapters):
    page, problems = visit(390, "light")
    for name in [*chapters, "book/results.html", "book/notation.html"]:
        page.goto(f"{address}/{name}", wait_until="load")
        count, found = page.evaluate(TABLES)
        assert count > 1 and found == [], name
        for figure in page.evaluate(FIGURES):
            assert figure["scale"] * SMALLEST_FONT >= 9, (name, figure)
            assert abs(figure["shape"] - 1) < 0.02 and not figure["cut"], (name, figure)
    assert problems == []


@pytest.mark.browser
def test_the_first_screen_of_the_front_page_shows_a_picture_and_no_word_that_needs_a_definition(
    visit, address, project
):
    targets = Targets(project)
    for width in (1400, 390):
        page, problems = visit(width, "light")
        page.goto(f"{address}/book/intro.html", wait_until="load")
        picture = page.locator("article figure img").first.bounding_box()
        assert picture["y"] + min(300, picture["height"]) <= 900, width
        text = page.evaluate(
            """() => [...document.querySelectorAll("article :is(h1, h2, p)")]
               .filter((one) => one.getBoundingClientRect().top < 900).map((one) => one.textContent).join(" ")"""
        )
        assert len(text) > 150
        assert [text[start:end] for start, end, _ in targets.find_terms(text)] == [], width
        assert problems == []


@pytest.mark.browser
def test_headings_grow_smaller_with_their_level(visit, address, chapters):
    for width in (1400, 390):
        page, _ = visit(width, "light")
        page.goto(f"{address}/{chapters[0]}", wait_until="load")
        sizes = [
            page.evaluate(f"parseFloat(getComputedStyle(document.querySelector('article h{level}')).fontSize)")
            for level in (1, 2, 3)
        ]
        assert sizes == sorted(set(sizes), reverse=True), (width, sizes)
