"""Build the site into `_build/html`, with warnings as errors, and skip the work where nothing has changed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tools import environments
from tools.environments import ROOT

BUILD = ROOT / "_build"
STAMP = BUILD / ".inputs"
SOURCES = (
    "_config.yml",
    "_toc.yml",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
)
FOLDERS = ("book", "chapters", "hvae_ref", "tests", "benchmarks")


def inputs() -> str:
    """A hash of every file that the site is made from."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    yield from (ROOT / name for name in SOURCES if (ROOT / name).is_file())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".tmp":
                yield path


def build() -> int:
    """Build the site if anything it is made from has changed; answer the exit status of the builder.

    It is built whole: several pages are made from other files, and a warning shows only while its page is being read.
    """
    now = inputs()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == now and (BUILD / "html" / "index.html").is_file():
        print("The site is up to date.")
        return 0
    STAMP.unlink(missing_ok=True)
    interpreter = environments.ensure("book")
    # The builder keeps pages that no longer exist.
    shutil.rmtree(BUILD / "html", ignore_errors=True)
    print("Building the site …", flush=True)
    started = time.perf_counter()
    command = [
        interpreter.with_name(f"jupyter-book{interpreter.suffix}"),
        "build",
        ".",
        "--all",
        "--warningiserror",
        "--keep-going",
        "--quiet",
    ]
    # Warnings and errors go to stderr; stdout would be the builder's banner.
    status = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
    if status != 0:
        print("The site was not built: see the warnings above, each is an error here.", file=sys.stderr)
        return status
    STAMP.write_text(now, encoding="utf-8")
    print(f"Built in {time.perf_counter() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    status = build()
    if status == 0:
        print(f"Open {(BUILD / 'html' / 'index.html').as_uri()}\nor run `make serve` and open http://127.0.0.1:8000")
    sys.exit(status)
