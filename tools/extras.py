"""Which packages each extra brings, and whether it is enough: a fresh environment for each, made with pip.

    python -m tools.extras                      the core, then each extra: packages, megabytes, does its code run
    python -m tools.extras core viz             some of them
    python -m tools.extras core --torch 2.13.0  beside that torch, whose own packages are not counted

The environments stand in a temporary folder, and pip needs its index. This takes minutes, so it is no part of
`make test`; `tests/project/test_extras.py` plays absent extras in a second.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools.environments import executable
from tools.repository import ROOT

MOST_PACKAGES, MOST_MEGABYTES = 45, 120
"""What the core may add to torch."""
MODULES = {"scikit-learn": "sklearn", "scikit-image": "skimage", "ipython": "IPython", "hvae-ref": "hvae_ref"}
"""Modules that go by another name than their package."""

TRY = {
    "core": """
        import numpy as np
        from hvae_ref.cli import recipes
        from hvae_ref.models import VAE
        from hvae_ref.nn import LogisticMixture
        from hvae_ref.training import TrainConfig, fit
        recipe = recipes.load("digits-vae")
        model = VAE.dense(64, recipe.model["latent_dims"], recipe.model["hidden"], LogisticMixture(17, 3))
        config = TrainConfig(**{**recipe.training, "epochs": 2, "patience": None, "device": "cpu", "progress": False})
        history = fit(model, np.load(DIGITS).astype("float32"), config=config)
        assert model.sample(5).shape == (5, 64) and history.last.train.negative_elbo > 0
        """,
    "viz": "from hvae_ref import viz; import numpy as np; viz.image_grid(np.zeros((4, 64)), (8, 8), 17)",
    "data": "from hvae_ref.data import load; assert len(load('digits').x) == 1000 and len(load('mnist5k').x) == 4000",
    "abr": """
        from hvae_ref.abr import plots
        from hvae_ref.data import load
        from hvae_ref.evaluation import paired_test
        assert len(load("abr", "test").x) == 500 and paired_test([1.0, 2.0, 3.0], [2.0, 4.0, 7.0]).cases == 3
        """,
    "features": """
        import torch
        from hvae_ref.features import FeaturePyramid, SpatialGraphDensity, plots
        from hvae_ref.features.data.textures import picture
        assert FeaturePyramid("efficientnet_lite0")(torch.zeros(1, 3, 64, 64)) and picture("brick").ndim == 3
        SpatialGraphDensity({"a": 2, "b": 2}, 2)
        """,
    "tensorboard": "from hvae_ref.training import TensorBoardScalars; TensorBoardScalars('runs')",
    "course": """
        import scipy
        from hvae_ref import viz
        from hvae_ref.data import load
        from hvae_ref.exercises import quiz
        assert len(load("digits").x) == 1000 and "<div" in quiz(1)._repr_html_()
        """,
}
"""What each extra is for, in a few lines that run with it."""


def extras() -> dict[str, list[str]]:
    """The requirements of each extra, as pyproject.toml writes them; the core's under "core"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"core": project["dependencies"]} | project["optional-dependencies"]


def packages_of(extra: str | None) -> set[str]:
    """Names of the packages that an extra asks for itself and through other extras; of the core where it is None."""
    found = set()
    for requirement in extras()[extra or "core"]:
        name, inner = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", requirement).groups()
        if name == "hvae-ref":
            found |= set().union(*(packages_of(other) for other in inner.split(",")))
        else:
            found.add(name)
    return found


def modules_of(extra: str | None) -> set[str]:
    """The modules by which these packages are imported."""
    return {MODULES.get(name.lower(), name.replace("-", "_")) for name in packages_of(extra)}


def installed(interpreter: Path) -> dict[str, str]:
    """Name and version of what an environment holds."""
    command = [str(interpreter), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {entry["name"].lower(): entry["version"] for entry in listed}


def megabytes(folder: Path) -> float:
    """What the files in a folder take up."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def measure(name: str, wheel: Path, torch: str, base: str, scratch: Path) -> str | None:
    """Make an environment for one extra, print what it adds to torch, run its lines; what went wrong, or None."""
    folder = scratch / name
    subprocess.run([base, "-m", "venv", str(folder)], check=True)
    interpreter = executable(folder, "python")
    pip = [str(interpreter), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, f"torch=={torch}"], check=True)
    before, size = installed(interpreter), megabytes(folder)
    source = str(wheel) if name == "core" else f"{wheel}[{name}]"
    # As the first cell of a chapter does: or a newer torchvision would bring a newer torch.
    if subprocess.run([*pip, source, f"torch=={torch}"]).returncode != 0:
        return "pip could not install it"
    after = installed(interpreter)
    added, grown = len(after) - len(before), megabytes(folder) - size
    print(f"{name}: {added} packages and {grown:.0f} MB beside torch {after['torch']}", flush=True)
    digits = scratch / "digits.npy"
    code = f"DIGITS = {str(digits)!r}\n" + "\n".join(line.strip() for line in TRY[name].splitlines())
    run = subprocess.run([str(interpreter), "-c", code], cwd=folder, env=_environment(), capture_output=True, text=True)
    if run.returncode != 0:
        return run.stderr[-2000:]
    if name == "core" and not (added < MOST_PACKAGES and grown < MOST_MEGABYTES):
        return f"expected fewer than {MOST_PACKAGES} packages and {MOST_MEGABYTES} MB"
    changed = [f"{package}: {version} became {after.get(package)}" for package, version in before.items()]
    changed = [line for line in changed if not line.endswith(f"{line.split()[1]} became {line.split()[1]}")]
    return f"replaced what was there: {'; '.join(changed)}" if changed else None


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}


def main() -> int:
    """Measure what the command line names; the exit status is 0 where all of it runs."""
    parser = argparse.ArgumentParser(prog="python -m tools.extras", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TRY)}; all of them when none is named")
    parser.add_argument("--torch", default="2.13.0", help="the torch that is there before (2.13.0)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in TRY]:
        parser.error(f"no extra {unknown[0]}; there are {', '.join(TRY)}")
    failures = {}
    with tempfile.TemporaryDirectory(prefix="hvae_ref-extras-") as scratch:
        build = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", scratch, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = Path(scratch).glob("hvae_ref-*.whl")
        _write_digits(Path(scratch, "digits.npy"))
        for name in arguments.names or TRY:
            if failure := measure(name, wheel, arguments.torch, arguments.python, Path(scratch)):
                failures[name] = failure
                print(f"{name}: FAILED\n{failure}", flush=True)
    return int(bool(failures))


def _write_digits(path: Path) -> None:
    """The digits as an array of a user's own; scikit-learn is here, not in the environments."""
    import numpy as np
    from sklearn.datasets import load_digits

    np.save(path, load_digits().data)


if __name__ == "__main__":
    sys.exit(main())
