"""What a page weighs: pictures, icons, scripts."""

import gzip
import re

from ladders_site.bundle import Bundle
from ladders_site.light import Icons, lighter


def test_a_page_loses_what_it_does_not_use(tmp_path):
    script = tmp_path / "fontawesome.js"
    script.write_text('{"sun":[512,512,[9728],"f185","M1 2"]};{"sun":[500,512,[9728],"f185","M3 4"]}')
    page = (
        '<script defer src="../_static/scripts/fontawesome.js?digest=1"></script>'
        '<script src="../searchindex.js"></script><script defer="defer" src="../_static/mathjax/config.js"></script>'
        '<i class="theme-switch fa-solid fa-sun fa-lg" data-mode="light"></i><i class="fa-solid fa-unknown"></i>'
        '<a href="../_images/a.png">'
        '<img alt="a" width="3" style="width: 800px; height: 200px;" src="../_images/a.png" />'
        '</a><img src="../_images/b.png">'
    )
    light = lighter(page, "chapter.html", {"a.png": (1600, 400)}, Icons(script))
    assert "<script" not in light
    assert 'class="icon theme-switch" data-mode="light"' in light and "M3 4" in light and "M1 2" not in light
    assert '<i class="fa-solid fa-unknown"></i>' in light and '<img src="../_images/b.png">' in light
    assert '<a href="../_images/a.webp">' in light and 'width="1600" height="400" loading="lazy"' in light
    assert 'style="--drawn: 800px"' in light and 'sizes="800px"' in light
    assert "../_images/a-860.webp 860w, ../_images/a.webp 1600w" in light
    kept = lighter(page + '<span class="math">x</span>', "search.html", {}, Icons(script))
    assert "searchindex.js" in kept and "mathjax/config.js" in kept and "a.png" in kept


def test_a_page_has_one_sheet_and_waits_for_no_script(tmp_path):
    for name, text in {
        "a.css": "a { background: url(a.png) }",
        "styles/b.css": "b { background: url('../b.png') }",
        "documentation_options.js": "const OPTIONS = 1;",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    page = (
        '<link rel="preload" as="script" href="../_static/x.js" />'
        '<link href="../_static/styles/b.css?digest=1" rel="stylesheet" />'
        '<link rel="stylesheet" type="text/css" href="../_static/a.css?v=1" />'
        '<script src="../_static/documentation_options.js?v=1"></script>'
        '<script data-a="b" src="../_static/x.js"></script><script defer src="../_static/y.js"></script>'
    )
    bundle = Bundle(tmp_path)
    found = bundle.page(page)
    (sheet,) = re.findall(r'<link rel="stylesheet" href="../_static/(styles/site-\w+\.css)" />', found)
    text = (tmp_path / sheet).read_text()
    assert text.index("b {") < text.index("a {") and "url(../a.png)" in text and "url('../b.png')" in text
    assert "preload" not in found and "<script>const OPTIONS = 1;</script>" in found and found.count("defer") == 2
    assert bundle.page(page) == found and len(list(tmp_path.rglob("site-*.css"))) == 1
    (tmp_path / "styles" / "b.css").write_text('@import "../a.css";\nb { color: red }')
    (sheet,) = re.findall(
        r"styles/site-\w+\.css", Bundle(tmp_path).page('<link rel="stylesheet" href="_static/styles/b.css">')
    )
    text = (tmp_path / sheet).read_text()
    assert "@import" not in text and text.index("a {") < text.index("b {") and "url(../a.png)" in text


def test_no_page_waits_for_a_script(pages):
    for name, page in pages.items():
        waited = [script["src"] for script in page.all("script") if "src" in script and "defer" not in script]
        assert waited == [], name
        assert len([link for link in page.all("link") if link.get("rel") == "stylesheet"]) == 1, name


def test_no_page_brings_icons_as_a_script_or_loads_its_pictures_before_they_are_seen(pages, site):
    for name, page in pages.items():
        text = page.path.read_text(encoding="utf-8")
        assert "fontawesome.js" not in text and not re.search(r'<i class="[^"]*\bfa', text), name
        for image in page.all("img"):
            if "_images/" in image["src"] and image["src"].endswith(".webp"):
                assert image["loading"] == "lazy" and int(image["width"]) > 0 and int(image["height"]) > 0, name
    assert not list(site.rglob("*.map"))


def test_the_site_and_its_pages_stay_small(site, pages):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 30e6
    for name in pages:
        assert len(gzip.compress((site / name).read_bytes())) < 400e3, name


def test_cells_are_shown_without_the_marks_of_the_test_runner(pages):
    for name, page in pages.items():
        text = page.path.read_text(encoding="utf-8")
        if name.startswith("chapters/"):
            assert "NBVAL_" not in text and "# @title" not in text and "hvae-progress" not in text, name
            assert "not attempted yet" not in text and "Show code: " in text, name
            assert not re.search(r"hvae_ref \d+\.\d+\.\d+, torch|\b0 of \d\d\b|NBVAL", text), name


def test_every_page_says_what_it_is_about_and_shows_a_picture_elsewhere(pages, site):
    for name, page in pages.items():
        found = {meta.get("name") or meta.get("property"): meta.get("content", "") for meta in page.all("meta")}
        assert 20 < len(found["description"]) <= 200 and found["og:title"], name
        picture = found["og:image"].rpartition("_static/")[2]
        assert (site / "_static" / picture).is_file(), name
