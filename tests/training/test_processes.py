"""Several processes: together they take the very steps that one would."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hvae_ref.objectives import FreeBits, Geco, NegativeElbo, ThreePhases, WeightedLoss
from hvae_ref.training import TrainConfig, fit, load_checkpoint

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(
    epochs=4, batch_size=20, learning_rate=0.01, gradient_clip=0.7, ema_decay=0.8, patience=4, device="cpu"
)
OBJECTIVES = {
    # A floor in the midst of the values that KL takes, so that it holds in some batches and not in others.
    "free bits": NegativeElbo(2.0, free_bits=FreeBits(0.6)),
    "geco": Geco(constraint=1.5, rate_of_change=0.05, decay=0.5),
}
# Heads that the bound does not reach, and a part that is reached with a weight of 0.
BOUND = {"reconstruction": 1.0, "global_kl": ThreePhases(0.1, 1.0), "local_kl": 1.0}
CONDITIONAL = {
    "elbo": WeightedLoss(BOUND),
    "elbo_with_targets": WeightedLoss(BOUND | {"peak": 0.0, "static": 0.3}),
}

SCRIPT = """
import sys, torch
from tests.training.conftest import Conditional, ConditionalAutoencoder, LinearAutoencoder
from tests.training.test_processes import CONDITIONAL, CONFIG, OBJECTIVES
from hvae_ref.training import fit

torch.manual_seed(3)
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
for name, objective in OBJECTIVES.items():
    torch.manual_seed(3)
    path = f"{sys.argv[1]}/{name}.safetensors"
    fit(LinearAutoencoder(), x, x[:31], objective=objective, config=CONFIG, checkpoint=path)
for bound, objective in CONDITIONAL.items():
    torch.manual_seed(3)
    path = f"{sys.argv[1]}/{bound}.safetensors"
    data, held_out = Conditional.of(x), Conditional.of(x[:31])
    fit(ConditionalAutoencoder(), data, held_out, objective=objective, config=CONFIG, bound=bound, checkpoint=path)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(linear, conditional, with_targets, x, tmp_path):
    """A bound without sampling: only the order of sums differs, so float32 agrees to 1e-4 after all steps."""
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            cwd=ROOT,
            env=os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    for name, objective in OBJECTIVES.items():
        model = linear()
        history = fit(model, x, x[:31], objective=objective, config=CONFIG)
        found = load_checkpoint(tmp_path / f"{name}.safetensors")
        assert_same(found, history, model, objective, ("loss", "train.kl.z1", "validation.negative_elbo"))
    for bound, objective in CONDITIONAL.items():
        model = conditional()
        data, held_out = with_targets(x), with_targets(x[:31])
        history = fit(model, data, held_out, objective=objective, config=CONFIG, bound=bound)
        found = load_checkpoint(tmp_path / f"{bound}.safetensors")
        auxiliary = [f"{split}.auxiliary.{name}" for split in ("train", "validation") for name in ("peak", "static")]
        curves = ["loss", "train.kl.z_local", "validation.log_px", *(auxiliary if "targets" in bound else ())]
        assert_same(found, history, model, objective, curves)


def assert_same(found, history, model, objective, curves):
    for curve in curves:
        assert found.history.curve(curve) == pytest.approx(history.curve(curve), rel=1e-4), curve
    for key, value in model.state_dict().items():
        torch.testing.assert_close(found.weights[key], value, rtol=1e-4, atol=1e-5)
    for key, value in objective.state_dict().items():
        torch.testing.assert_close(found.objective[key], value, rtol=1e-4, atol=1e-5)
