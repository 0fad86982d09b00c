"""The built site, and the code that builds its computed parts."""

import functools
import gzip
import http.server
import os
import shutil
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What the tests want to know of one HTML page: its elements with their attributes, its ids, its visible prose."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.elements: list[tuple[str, dict[str, str], bool]] = []
        self.ids: set[str] = set()
        self.prose: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        classes = attributes.get("class", "").split()
        silent, article = self._open[-1][1:] if self._open else (False, False)
        silent = (
            silent
            or tag in {"script", "style", "pre", "code", "title", "textarea"}
            or bool({"math", "sig"} & set(classes))
        )
        article = article or "bd-article" in classes
        self.elements.append((tag, attributes, article))
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag not in VOID:
            self._open.append((tag, silent, article))

    def handle_endtag(self, tag):
        if any(tag == name for name, _, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if self._open and self._open[-1][2] and not self._open[-1][1]:
            self.prose.append(data)

    def all(self, *tags):
        """Attributes of all elements of these kinds."""
        return [attributes for tag, attributes, _ in self.elements if tag in tags]


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def project():
    """The repository as the pages see it."""
    from ladders_site.project import Project

    return Project(ROOT)


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    folder = Path(os.environ.get("HVAE_REF_SITE", ROOT / "_build" / "html")).resolve()
    if not (folder / "index.html").is_file():
        pytest.fail(
            f"There is no site in {folder}. Build it with `make book`, or name another folder in HVAE_REF_SITE."
        )
    return folder


@pytest.fixture(scope="session")
def pages(site):
    """Every page of the site by its path, such as `book/intro.html`."""
    paths = [path for folder in ("book", "chapters") for path in sorted((site / folder).rglob("*.html"))]
    return {path.relative_to(site).as_posix(): Page(path) for path in paths}


class Compressing(http.server.SimpleHTTPRequestHandler):
    """A server of files that packs texts, as servers of pages do, and keeps no log."""

    protocol_version = "HTTP/1.1"
    PACKED = (".html", ".css", ".js", ".svg", ".json", ".txt", ".inv")

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in self.PACKED or not path.is_file():
            super().do_GET()
            return
        body = packed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Patient(http.server.ThreadingHTTPServer):
    """A server that does not mind a page that is left before it has loaded."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@functools.cache
def packed(path):
    """A file as it travels."""
    return gzip.compress(path.read_bytes(), 6)


@pytest.fixture(scope="module")
def address(site):
    """Address of the site, served from this machine."""
    server = Patient(("127.0.0.1", 0), functools.partial(Compressing, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium here; Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chapters(pages):
    """Paths of the chapters' pages."""
    return [name for name in pages if name.startswith("chapters/")]


@pytest.fixture
def visit(browser, address):
    """Open pages of the site in one window; what they asked the network for and logged as errors is collected."""
    contexts, problems = [], []

    def open_window(width, theme, scale=1):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, device_scale_factor=scale
        )
        contexts.append(context)

        def local_only(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                problems.append(f"asked for {route.request.url}")
                route.abort()

        context.route("**/*", local_only)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.on("response", lambda answer: answer.status >= 400 and problems.append(f"{answer.status}: {answer.url}"))
        return page, problems

    yield open_window
    for context in contexts:
        context.close()
