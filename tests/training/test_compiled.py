"""Models that `torch.compile` wrapped; in a process of its own, because the checks of shapes cannot be compiled."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

START = """
import sys
from dataclasses import replace

import torch
from torch import nn

from hvae_ref.training import TrainConfig, fit, load_checkpoint
from tests.training.linear_models import LinearAutoencoder

config = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, ema_decay=0.9, patience=3, device="cpu")
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
path = sys.argv[1] + "/run.safetensors"
graphs = []

def backend(graph, inputs):
    graphs.append(graph)
    return graph.forward

def compiled(model):
    return torch.compile(model, backend=backend)

def same(model, other):
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-4, atol=1e-6)

def twins():
    torch.manual_seed(3)
    model, plain = LinearAutoencoder(), LinearAutoencoder()
    plain.load_state_dict(model.state_dict())
    return model, plain
"""

WHOLE = """
model, plain = twins()
history = fit(compiled(model), x, x, config=config, checkpoint=path)
assert graphs, "it ran uncompiled"
expected = fit(plain, x, x, config=config)
same(plain, model)
fresh = LinearAutoencoder()
load_checkpoint(path, fresh)
same(plain, fresh)
wrapped = compiled(LinearAutoencoder())
load_checkpoint(path, wrapped)
same(plain, wrapped._orig_mod)
for epochs, again in ((4, compiled(LinearAutoencoder())), (5, LinearAutoencoder())):
    assert len(fit(again, x, x, config=replace(config, epochs=epochs), checkpoint=path, resume=True)) == epochs
"""

PART = """
graphs.clear()
model, plain = twins()
model.encoder = compiled(model.encoder)
fit(model, x, x, config=config, checkpoint=path, overwrite=True)
assert graphs
fit(plain, x, x, config=config)
fresh = LinearAutoencoder()
load_checkpoint(path, fresh)
same(plain, fresh)
load_checkpoint(path, model)
"""

STEP = """
graphs.clear()
net = compiled(nn.Linear(4, 4))
fit(net, x, step=lambda model, batch: (model(batch.x) - batch.x).square().mean(), config=replace(config, patience=None))
assert graphs
"""


@pytest.mark.slow
def test_a_compiled_model_trains_compiled_and_its_checkpoint_fits_one_that_is_not(tmp_path):
    """The whole model, a part of it, and a net under a step of one's own."""
    command = [sys.executable, "-c", START + WHOLE + PART + STEP, str(tmp_path)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
