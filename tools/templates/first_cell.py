# The same in every chapter: finds hvae_ref, or installs it beside the torch and numpy that are already here.
import os
import subprocess
import sys
from importlib import invalidate_caches, metadata, util

import torch

if util.find_spec("hvae_ref") is None:
    repository = "https://github.com/ladders-of-latents/ladders-of-latents"
    source = os.environ.get("HVAE_REF_SOURCE", f"hvae-ref @ git+{repository}")
    keep = {"torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "ipython"}
    held = [f"{d.name}=={d.version}" for d in metadata.distributions() if (d.name or "").lower() in keep]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", source, *held], check=True)
    invalidate_caches()

import hvae_ref

device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"hvae_ref {hvae_ref.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}, on {device}")
