"""Run the chapters under nbval: copies, each alone in a folder under the one given, against the installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import chapters, wheel

# nbval reads the chapters with a configuration of its own, or the package's "warnings are errors" would reach into it.
SETTINGS = "[pytest]\naddopts = -p no:cacheprovider -ra\n"


def main(scratch: Path) -> int:
    """Answer pytest's exit status."""
    environment = wheel.install(wheel.build(scratch / "dist"), scratch / "site")
    runs = scratch / "runs"
    for path in chapters.paths():
        folder = runs / path.stem
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
    if not runs.is_dir():
        print("there is no chapter under chapters/")
        return 1
    (runs / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    environment |= {
        "OMP_NUM_THREADS": "1",
        "HVAE_REF_PROGRESS": str(scratch / "progress.json"),
        "HVAE_REF_LIVE": "site",
    }
    workers = min(len(chapters.paths()), os.cpu_count() or 1)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"]
    command += ["-n", str(workers), "--dist", "loadscope", "--durations=5", "."]
    return subprocess.run(command, cwd=runs, env=environment).returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.run_chapters FOLDER   (an empty folder, for the copies)")
    sys.exit(main(Path(sys.argv[1]).resolve()))
