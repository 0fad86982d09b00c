# @title Set up: installs what is missing, replaces nothing that is here; the same in every chapter but for `needs`
needs = "course"

import os
import subprocess
import sys
import warnings
from importlib import invalidate_caches, metadata, util

warnings.filterwarnings("ignore", message="IProgress not found")  # libraries that would like ipywidgets

import torch

signs = {"course": "jupyterquiz", "abr": "scipy", "features": "torch_geometric", "tensorboard": "tensorboard"}
if None in map(util.find_spec, ["hvae_ref", *(signs[extra] for extra in needs.split(","))]):
    source = os.environ.get("HVAE_REF_SOURCE", "git+https://github.com/ladders-of-latents/ladders-of-latents")
    keep = {"torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "pillow", "ipython"}
    here = {}  # one version of each: the first on the path, unless another one is imported
    for found in metadata.distributions():
        name = (found.name or "").lower()
        if name in keep and (name not in here or found.version == getattr(sys.modules.get(name), "__version__", "")):
            here[name] = found.version
    held = [f"{name}=={version}" for name, version in here.items()]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"hvae-ref[{needs}] @ {source}", *held], check=True)
    invalidate_caches()

import hvae_ref

device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"hvae_ref {hvae_ref.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}, on {device}")
