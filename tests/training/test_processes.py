"""Several processes: together they take the very steps that one would."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hvae_ref.objectives import FreeBits, Geco, NegativeElbo, ThreePhases, WeightedLoss
from hvae_ref.training import ElboStep, TrainConfig, fit, load_checkpoint
from tests.training.linear_models import with_targets_bound
from tests.training.test_steps import Adversarial, Pair

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
    "elbo": ElboStep(WeightedLoss(BOUND)),
    "elbo_with_targets": ElboStep(
        WeightedLoss(BOUND | {"peak": 0.0, "static": 0.3}), with_targets_bound, auxiliary=True
    ),
}

SCRIPT = """
import sys, torch
from tests.training.linear_models import Conditional, ConditionalAutoencoder, LinearAutoencoder
from tests.training.test_processes import CONDITIONAL, CONFIG, OBJECTIVES
from hvae_ref.training import fit

torch.manual_seed(3)
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
for name, objective in OBJECTIVES.items():
    torch.manual_seed(3)
    path = f"{sys.argv[1]}/{name}.safetensors"
    fit(LinearAutoencoder(), x, x[:31], objective=objective, config=CONFIG, checkpoint=path)
for bound, step in CONDITIONAL.items():
    torch.manual_seed(3)
    path = f"{sys.argv[1]}/{bound}.safetensors"
    data, held_out = Conditional.of(x), Conditional.of(x[:31])
    fit(ConditionalAutoencoder(), data, held_out, step=step, config=CONFIG, checkpoint=path)
"""


STEPS = """
from torch.utils.data import DataLoader, TensorDataset
from tests.training.test_processes import EXACT
from tests.training.test_steps import Adversarial, Pair

x = torch.randn(61, 4, generator=torch.Generator().manual_seed(1))
folder = sys.argv[1]
for name, objective in EXACT.items():
    torch.manual_seed(3)
    fit(LinearAutoencoder(), x, x[:31], objective=objective, config=CONFIG, checkpoint=f"{folder}/{name}.safetensors")
torch.manual_seed(3)
loader = DataLoader(TensorDataset(x), batch_size=20, shuffle=True)
fit(LinearAutoencoder(), loader, DataLoader(TensorDataset(x), batch_size=7), config=CONFIG,
    checkpoint=f"{folder}/loader.safetensors")
fit(Pair(), x, x, step=Adversarial(), config=CONFIG, checkpoint=f"{folder}/pair.safetensors")
"""
EXACT = {
    "uneven": NegativeElbo(2.0),
    "uneven free bits": NegativeElbo(2.0, free_bits=FreeBits(0.6)),
    "uneven geco": Geco(constraint=1.5, rate_of_change=0.05, decay=0.5),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_two(script, folder):
    """A script in two processes that form a group, without a launcher."""
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            cwd=ROOT,
            env=os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    return [process.returncode for process in processes] == [0, 0], errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The checkpoints of all runs by two processes."""
    folder = tmp_path_factory.mktemp("two")
    for _ in range(3):
        done, errors = run_two(SCRIPT + STEPS, folder)
        # A free port may be taken by another program before the first process has it.
        if done or not any("EADDRINUSE" in error for error in errors):
            break
    assert done, errors
    return folder


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_whatever_the_step_and_the_data(linear, folder):
    """A last batch of one example, of which one process has nothing; a shuffled loader; two optimisers."""
    x = torch.randn(61, 4, generator=torch.Generator().manual_seed(1))
    curves = ("loss", "train.kl.z1", "validation.negative_elbo")
    for name, objective in EXACT.items():
        model = linear()
        history = fit(model, x, x[:31], objective=objective, config=CONFIG)
        assert_same(load_checkpoint(folder / f"{name}.safetensors"), history, model, objective, curves)
    model, step = linear(), ElboStep()
    loader = DataLoader(TensorDataset(x), batch_size=20, shuffle=True)
    history = fit(model, loader, DataLoader(TensorDataset(x), batch_size=7), step=step, config=CONFIG)
    assert_same(load_checkpoint(folder / "loader.safetensors"), history, model, step, curves)
    pair, step = Pair(), Adversarial()
    history = fit(pair, x, x, step=step, config=CONFIG)
    found = load_checkpoint(folder / "pair.safetensors")
    assert_same(found, history, pair, step, ("loss", "train.terms.loss/critic", "train.terms.fooled"))


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(linear, conditional, with_targets, x, folder):
    """A bound without sampling: only the order of sums differs, so float32 agrees to 1e-4 after all steps."""
    for name, objective in OBJECTIVES.items():
        model = linear()
        history = fit(model, x, x[:31], objective=objective, config=CONFIG)
        found = load_checkpoint(folder / f"{name}.safetensors")
        assert_same(found, history, model, objective, ("loss", "train.kl.z1", "validation.negative_elbo"))
    for bound, step in CONDITIONAL.items():
        model, objective = conditional(), step.objective
        data, held_out = with_targets(x), with_targets(x[:31])
        history = fit(model, data, held_out, step=step, config=CONFIG)
        found = load_checkpoint(folder / f"{bound}.safetensors")
        auxiliary = [f"{split}.auxiliary.{name}" for split in ("train", "validation") for name in ("peak", "static")]
        curves = ["loss", "train.kl.z_local", "validation.log_px", *(auxiliary if "targets" in bound else ())]
        assert_same(found, history, model, objective, curves)


def assert_same(found, history, model, objective, curves):
    for curve in curves:
        assert found.history.curve(curve) == pytest.approx(history.curve(curve), rel=1e-4), curve
    for key, value in model.state_dict().items():
        torch.testing.assert_close(found.weights[key], value, rtol=1e-4, atol=1e-5)
    for key, value in objective.state_dict().items():
        torch.testing.assert_close(found.step[key], value, rtol=1e-4, atol=1e-5)
