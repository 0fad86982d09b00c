"""Makes the built site light: pictures that a phone can afford, only the icons that are used, nothing loaded unread.

It works on the finished files, so that it knows what pages use, whichever extension wrote it.
"""

from __future__ import annotations

import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from .accessible import accessible
from .bundle import Bundle

QUALITY = 86
PHONE = 860
"""Width in pixels of the copy of a picture that screens of one pixel a pixel take."""
COLUMN = 860
"""Width in CSS pixels at which a wide screen shows a picture, at most."""

ICON = re.compile(r'<(?:i|span) class="([^"]*\bfa(?:[sbr]|-solid|-brands|-regular)\b[^"]*)"([^>]*)></(?:i|span)>')
STYLE = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}
PICTURE = re.compile(r'<img\b[^>]*?\bsrc="((?:\.\./)*_images/[^"]+\.png)"[^>]*>')
SIZE = re.compile(r'\bstyle="width: (\d+px); height: \d+px;"')
LINKED = re.compile(r'(href="(?:\.\./)*_images/)([^"/]+)\.png"')
UNUSED = (
    re.compile(r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>'),
    re.compile(r'\s*<link[^>]*href="[^"]*(?:graphviz|sphinx-thebe)\.css[^"]*"[^>]*/>'),
    re.compile(r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>'),
)
SEARCH = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
MATHEMATICS = re.compile(r'\s*<script defer="defer" src="[^"]*mathjax/[^"]*"></script>')


def lighten(site: Path) -> None:
    """Rewrite every page of a finished site and make its pictures smaller."""
    sizes = shrink_pictures(site / "_images")
    icons = Icons(site / "_static" / "scripts" / "fontawesome.js")
    bundle = Bundle(site / "_static")
    for path in site.rglob("*.html"):
        if "_static" not in path.relative_to(site).parts:
            text = lighter(path.read_text(encoding="utf-8"), path.name, sizes, icons)
            path.write_text(bundle.page(text), encoding="utf-8")
    fonts = site / "_static" / "vendor"
    for unread in {
        *site.rglob("*.map"),
        *(site / "_static" / "scripts").glob("fontawesome.js*"),
        *fonts.rglob("*.ttf"),
        *bundle.used,
    }:
        unread.unlink()
    for path in (site / "_sources").rglob("*.ipynb"):
        path.write_text(without_outputs(path.read_text(encoding="utf-8")), encoding="utf-8")


def without_outputs(notebook: str) -> str:
    """A notebook to download and run: its cells as they are, and none of the outputs that the page shows already."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def lighter(page: str, name: str, sizes: dict[str, tuple[int, int]], icons: Icons) -> str:
    """One page: icons drawn in place, pictures with their size, and no script that it does not use.

    Args:
        page: its HTML.
        name: its file name.
        sizes: width and height of each picture that has been made smaller, by the name of its PNG.
        icons: the drawings of icons.
    """
    for pattern in UNUSED:
        page = pattern.sub("", page)
    if name != "search.html":
        page = SEARCH.sub("", page)
    if 'class="math' not in page and 'id="previews"' not in page:
        page = MATHEMATICS.sub("", page)
    page = ICON.sub(icons.drawn, page)
    page = LINKED.sub(
        lambda match: f'{match[1]}{match[2]}.webp"' if f"{match[2]}.png" in sizes else match.group(), page
    )
    return accessible(PICTURE.sub(lambda match: _responsive(match, sizes), page))


def _responsive(match: re.Match[str], sizes: dict[str, tuple[int, int]]) -> str:
    tag, source = match.group(), match[1]
    folder, _, file = source.rpartition("/")
    if file not in sizes:
        return tag
    width, height = sizes[file]
    stem = f"{folder}/{file.removesuffix('.png')}"
    sources = f'src="{stem}.webp" width="{width}" height="{height}" loading="lazy" decoding="async"'
    if width > PHONE:
        sources += f' srcset="{stem}-{PHONE}.webp {PHONE}w, {stem}.webp {width}w" sizes="{min(COLUMN, width // 2)}px"'
    # A notebook stores a picture with twice the pixels, and the width at which its text has the size it was drawn at.
    tag = SIZE.sub(r'style="--drawn: \1"', tag)
    return re.sub(r'\b(?:width|height|loading)="[^"]*"\s*', "", tag).replace(f'src="{source}"', sources)


def shrink_pictures(folder: Path) -> dict[str, tuple[int, int]]:
    """Replace each PNG by WebP, once as it is and once for narrow screens; width and height by the PNG's name."""
    paths = sorted(folder.glob("*.png"))
    with ThreadPoolExecutor() as pool:
        found = dict(zip((path.name for path in paths), pool.map(_shrink, paths), strict=True))
    return found


def _shrink(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        picture = opened.convert("RGBA" if _transparent(opened) else "RGB")
    picture.save(path.with_suffix(".webp"), quality=QUALITY, method=5)
    if picture.width > PHONE:
        small = picture.resize((PHONE, round(picture.height * PHONE / picture.width)), Image.Resampling.LANCZOS)
        small.save(path.with_name(f"{path.stem}-{PHONE}.webp"), quality=QUALITY, method=5)
    path.unlink()
    return picture.size


def _transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA") and picture.getchannel("A").getextrema()[0] < 255


class Icons:
    """The drawings of Font Awesome, read from its script.

    Args:
        script: the script.
    """

    def __init__(self, script: Path) -> None:
        self.text = script.read_text(encoding="utf-8") if script.is_file() else ""
        self.known: dict[str, tuple[str, str, str]] = {}

    def drawn(self, match: re.Match[str]) -> str:
        """The icon of an `<i>` or `<span>` as an `<svg>`; what is unknown stays as it is."""
        classes, rest = match[1], match[2]
        names = [word for word in classes.split() if word.startswith("fa-") and word not in STYLE]
        if not names or not (drawing := self._drawing(names[0].removeprefix("fa-"))):
            return match.group()
        width, height, path = drawing
        kept = " ".join(word for word in classes.split() if not re.match(r"fa[sbr]?\b", word))
        rest = rest if "aria-" in rest else f'{rest} aria-hidden="true"'
        return (
            f'<svg class="{html.escape(f"icon {kept}".strip())}"{rest} viewBox="0 0 {width} {height}" '
            f'xmlns="http://www.w3.org/2000/svg" focusable="false"><path fill="currentColor" d="{path}"/></svg>'
        )

    def _drawing(self, name: str) -> tuple[str, str, str] | None:
        if name not in self.known:
            pattern = rf'["{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"'
            # The script holds the brands first, then the regular and the solid drawings.
            found = re.findall(pattern, self.text)
            if not found:
                return None
            self.known[name] = found[-1]
        return self.known[name]
