"""Resuming: a run that was stopped, or killed, ends with the very numbers of one that never was."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hvae_ref.models import TwoLevelVAE
from hvae_ref.objectives import Cyclic, Geco
from hvae_ref.training import TrainConfig, fit, load_checkpoint

CONFIG = TrainConfig(
    epochs=6, batch_size=20, learning_rate=0.01, schedule="cosine", warmup=0.2, weight_decay=0.01, gradient_clip=5.0,
    ema_decay=0.8, patience=6, device="cpu",
)  # fmt: skip


class Stop(Exception):
    pass


def start(x, path, callbacks=(), config=CONFIG, resume=False):
    torch.manual_seed(3)
    model = TwoLevelVAE(4, (3, 2), hidden=(8,), hidden_top=(8,), dropout=0.2)
    binary = (x > 0).float()
    objective = Geco(Cyclic(cycles=2), constraint=2.0, decay=0.9)
    history = fit(
        model, binary, binary, objective=objective, config=config, checkpoint=path, resume=resume, callbacks=callbacks
    )
    return model, history


def without_time(history):
    return [replace(record, seconds=0.0) for record in history.epochs], history.best_epoch, history.stopped_early


def assert_same_run(a, b):
    assert without_time(a.history) == without_time(b.history)
    for name in ("model", "ema", "best", "objective"):
        for key, value in getattr(a, name).items():
            assert torch.equal(value, getattr(b, name)[key]), (name, key)
    for index, values in a.optimizer["state"].items():
        for key, value in values.items():
            assert torch.equal(value, b.optimizer["state"][index][key]), (index, key)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_stopped_run_goes_on_bit_by_bit(x, tmp_path, stop_after):
    def stop(record, model):
        if record.epoch == stop_after + 1:
            raise Stop

    whole, _ = start(x, tmp_path / "whole.safetensors")
    with pytest.raises(Stop):
        start(x, tmp_path / "parts.safetensors", [stop])
    assert len(load_checkpoint(tmp_path / "parts.safetensors").history) == stop_after
    parts, _ = start(x, tmp_path / "parts.safetensors", resume=True)
    assert_same_run(load_checkpoint(tmp_path / "whole.safetensors"), load_checkpoint(tmp_path / "parts.safetensors"))
    assert all(torch.equal(value, parts.state_dict()[name]) for name, value in whole.state_dict().items())


def test_resuming_without_a_checkpoint_begins(x, tmp_path):
    _, history = start(x, tmp_path / "run.safetensors", resume=True)
    assert len(history) == 6


def test_a_finished_run_only_gives_back_its_weights(x, tmp_path):
    first, history = start(x, tmp_path / "run.safetensors")
    content = (tmp_path / "run.safetensors").read_bytes()
    second, again = start(x, tmp_path / "run.safetensors", resume=True)
    assert again == history and (tmp_path / "run.safetensors").read_bytes() == content
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_a_run_can_be_made_longer(x, tmp_path):
    path = tmp_path / "run.safetensors"
    start(x, path)
    _, history = start(x, path, config=replace(CONFIG, epochs=8), resume=True)
    assert [record.epoch for record in history.epochs] == list(range(1, 9))


def test_checkpoints_are_as_rare_as_asked_and_the_end_is_kept(x, tmp_path):
    path, seen = tmp_path / "run.safetensors", []

    def look(record, model):
        seen.append(len(load_checkpoint(path).history) if path.exists() else 0)

    start(x, path, [look], replace(CONFIG, epochs=5, checkpoint_every=2))
    assert seen == [0, 0, 2, 2, 4] and len(load_checkpoint(path).history) == 5


KILLED = """
import os, random, signal, sys, time
import torch
from tests.training.test_resume import start, replace, CONFIG
from hvae_ref.training import load_checkpoint
from hvae_ref.training.loop import make_accelerator

make_accelerator(CONFIG)  # what it loads, it loads here once, and not in each child
folder, random_seed = sys.argv[1], int(sys.argv[2])
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
config = replace(CONFIG, epochs=60, patience=60)
path = folder + "/killed.safetensors"
chance = random.Random(random_seed)
kills = 0
while True:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        start(x, path, [lambda record, model: os.write(writer, bytes([record.epoch]))], config, resume=True)
        os._exit(0)
    os.close(writer)
    before = len(load_checkpoint(path).history) if os.path.exists(path) else 0
    first = os.read(reader, 1)                  # it trains: now wait for a moment that nobody chose
    if kills < 4:
        time.sleep(chance.uniform(0.0, 0.2))
        os.kill(child, signal.SIGKILL)
    told = first
    while more := os.read(reader, 1000):
        told += more
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    kills += 1
    assert not told or told[0] == before + 1, "it did not go on where it was"
    reached = told[-1] if told else before
    kept = len(load_checkpoint(path).history) if os.path.exists(path) else 0
    assert kept >= reached - 1, f"killed in epoch {reached + 1}, {kept} kept"
print(kills)
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_it_never_was(x, tmp_path):
    """SIGKILL at random moments: at most one epoch is lost each time, and the end is the same bit by bit."""
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "7"], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) >= 2
    start(x, tmp_path / "whole.safetensors", config=replace(CONFIG, epochs=60, patience=60))
    assert_same_run(load_checkpoint(tmp_path / "whole.safetensors"), load_checkpoint(tmp_path / "killed.safetensors"))
