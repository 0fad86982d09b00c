"""Launchers and other users of accelerate: the processes that were started are those that train together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hvae_ref.training import TrainConfig, fit
from hvae_ref.training.processes import is_main_process, launched
from tests.training.linear_models import LinearAutoencoder

ROOT = Path(__file__).parents[2]
LAUNCHERS = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "ACCELERATE_USE_CPU")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
CONFIG = TrainConfig(epochs=2, batch_size=20, device="cpu")

BOTH = """
import os, sys
import accelerate, torch
accelerate.PartialState()  # of a machine that has a GPU, it believes: it sees a single process
from hvae_ref.training import TrainConfig, fit
from tests.training.linear_models import LinearAutoencoder

torch.manual_seed(3)
x = torch.randn(61, 4, generator=torch.Generator().manual_seed(1))
rows, model = [], LinearAutoencoder()

def step(model, batch):
    rows.append(len(batch))
    return -model.elbo(batch.x).value.mean()

path = sys.argv[1] + "/run.safetensors"
for device in ("cpu", None):
    rows.clear()
    config = TrainConfig(epochs=1, batch_size=20, device=device)
    fit(model, x, step=step, config=config, checkpoint=path, overwrite=True)
    with open(sys.argv[1] + "/rows." + os.environ["RANK"], "a") as file:  # the two share one standard output
        print(rows, file=file)
"""


def torchrun(script, *arguments, processes=2):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return subprocess.run(
        [*command, script, *arguments], cwd=ROOT, env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_both_processes_of_torchrun_train_together_whatever_accelerate_was_told(tmp_path):
    """Batches of 20 and a last one of a single example: its second share is empty, and counts for nothing."""
    (tmp_path / "script.py").write_text(BOTH)
    process = torchrun(str(tmp_path / "script.py"), str(tmp_path))
    assert process.returncode == 0, process.stderr
    for rank in "01":
        assert (tmp_path / f"rows.{rank}").read_text().splitlines() == ["[10, 10, 10, 1]"] * 2


def test_a_launcher_that_started_one_process_of_several_is_noticed(monkeypatch, x):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert launched() == 1  # one process was asked for
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(
        ValueError, match="^processes: expected several .* got a single one .*torchrun --nproc_per_node N"
    ):
        fit(LinearAutoencoder(), x, config=CONFIG)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"])
def test_every_launchers_word_is_heard(monkeypatch, name):
    for other in LAUNCHERS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "3")
    assert launched() == 3


def test_the_main_process_is_the_first(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_main_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()


# In a forked process, because what accelerate believes is one belief for the whole process.
ALONE = """
import os
import torch
from hvae_ref.training import TrainConfig, fit
from tests.training.linear_models import LinearAutoencoder

if os.fork() == 0:
    os.environ["WORLD_SIZE"] = "2"  # two are announced, and there is no address to meet at
    try:
        fit(LinearAutoencoder(), torch.randn(60, 4), config=TrainConfig(epochs=1, device="cpu"))
    except ValueError as error:
        print(error, flush=True)
    finally:
        os._exit(0)
os.wait()
"""


OWN = """
import torch
from accelerate import Accelerator
from hvae_ref.training import TrainConfig, fit
from tests.training.linear_models import LinearAutoencoder

own = Accelerator(mixed_precision="bf16", cpu=True, gradient_accumulation_steps=3)
model, optimizer = own.prepare(torch.nn.Linear(4, 4), torch.optim.SGD(torch.nn.Linear(4, 4).parameters(), lr=0.1))
state = dict(own.state.__dict__)
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))

def curve(**settings):
    torch.manual_seed(3)
    return fit(LinearAutoencoder(), x, config=TrainConfig(epochs=2, batch_size=20, **settings)).curve("loss")

exact, rough = curve(device="cpu"), curve(device="cpu", precision="bfloat16")
assert curve() == exact != rough
assert own.state.__dict__ == state and own.mixed_precision == "bf16" and own.gradient_accumulation_steps == 3
assert model(x).dtype == torch.float32
own.backward(model(x).sum())
print(exact[-1])
"""


@pytest.fixture(scope="module")
def said():
    """What a process of its own printed: first it runs `ALONE`, then `OWN`."""
    process = subprocess.run(
        [sys.executable, "-c", ALONE + OWN], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.slow
def test_processes_that_cannot_find_each_other_are_told_of(said):
    assert said[0].startswith("processes: expected 2 that find each other")
    assert "torchrun --nproc_per_node 2 -m hvae_ref train" in said[0]


@pytest.mark.slow
def test_an_accelerator_of_the_users_own_is_neither_changed_nor_in_the_way(said, x):
    torch.manual_seed(3)
    expected = fit(LinearAutoencoder(), x, config=CONFIG).curve("loss")[-1]
    assert float(said[-1]) == pytest.approx(expected, rel=1e-6)


def test_one_process_needs_no_accelerate(monkeypatch, x):
    """Importing does not either: tests/project/test_extras.py."""
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert len(fit(LinearAutoencoder(), x, config=CONFIG)) == 2
