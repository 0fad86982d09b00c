"""The package as users get it: built into a wheel and unpacked where PYTHONPATH finds it before the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.repository import ROOT


def build(folder: Path) -> Path:
    """Build the wheel into `folder` and answer its path. Needs the `dev` environment, no network.

    Raises:
        RuntimeError: if it cannot be built, with what the builder says.
    """
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        raise RuntimeError(f"the wheel could not be built:\n{built.stdout}{built.stderr}")
    (wheel,) = folder.glob("hvae_ref-*.whl")
    return wheel


def install(wheel: Path, site: Path) -> dict[str, str]:
    """Install `wheel` into the folder `site`; answer the process environment that imports it from there.

    Raises:
        RuntimeError: if another copy of hvae_ref would be imported all the same.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = [sys.executable, "-c", "import hvae_ref; print(hvae_ref.__file__)"]
    found = subprocess.run(where, cwd=site.parent, env=environment, check=True, capture_output=True, text=True)
    if not Path(found.stdout.strip()).is_relative_to(site):
        raise RuntimeError(f"hvae_ref must come from {site}, got {found.stdout.strip()}")
    return environment
