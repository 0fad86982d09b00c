"""Resuming: a run that was stopped, or killed, ends with the very numbers of one that never was."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from hvae_ref.data import source_of
from hvae_ref.models import VAE, TwoLevelVAE
from hvae_ref.nn import Normal
from hvae_ref.objectives import Cyclic, Geco, LinearWarmup, NegativeElbo, Objective
from hvae_ref.training import Checkpoint, CheckpointError, TrainConfig, fit, load_checkpoint, save_checkpoint
from hvae_ref.training.loop import Place
from hvae_ref.training.same_run import warn_of_rate

ROOT = Path(__file__).parents[2]

CONFIG = TrainConfig(
    epochs=6, batch_size=20, learning_rate=0.01, schedule="cosine", warmup=0.2, weight_decay=0.01, gradient_clip=5.0,
    ema_decay=0.8, patience=6, device="cpu",
)  # fmt: skip


class Stop(Exception):
    pass


def start(x, path, callbacks=(), config=CONFIG, resume=False):
    torch.manual_seed(3)
    model = TwoLevelVAE.dense(4, (3, 2), hidden=(8,), hidden_top=(8,), dropout=0.2)
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
    for name in ("model", "ema", "best", "step"):
        for key, value in (getattr(a, name) or {}).items():
            assert torch.equal(value, getattr(b, name)[key]), (name, key)
    for index, values in a.optimizers["train"]["state"].items():
        for key, value in values.items():
            assert torch.equal(value, b.optimizers["train"]["state"][index][key]), (index, key)


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
    with pytest.warns(UserWarning, match="epochs was 6 and is 8: the learning rate goes on at 0.00222 .* has 0;"):
        _, history = start(x, path, config=replace(CONFIG, epochs=8), resume=True)
    assert [record.epoch for record in history.epochs] == list(range(1, 9))


def test_checkpoints_are_as_rare_as_asked_and_the_end_is_kept(x, tmp_path):
    path, seen = tmp_path / "run.safetensors", []

    def look(record, model):
        seen.append(len(load_checkpoint(path).history) if path.exists() else 0)

    start(x, path, [look], replace(CONFIG, epochs=5, checkpoint_every=2))
    assert seen == [0, 0, 2, 2, 4] and len(load_checkpoint(path).history) == 5


class Weight:
    """A schedule of the user's own, an object without a repr but its address."""

    def __init__(self, height):
        self.height = height

    def __call__(self, state):
        return self.height * state.fraction


class OwnObjective(Objective):
    """An objective of the user's own."""

    def __init__(self, schedule):
        self.schedule = schedule
        self._seen = torch.zeros(())

    def __call__(self, elbo, state=None, latents=None):
        return self.schedule(state) * elbo.total_kl.mean() - elbo.log_px.mean()

    def report(self, levels, state):
        return {"weight": self.schedule(state)}

    def reset(self):
        self._seen = torch.zeros(())

    def update(self, elbo, state):
        self._seen = self._seen + len(elbo.log_px)

    def state_dict(self):
        return {"seen": self._seen}

    def load_state_dict(self, state):
        self._seen = state["seen"]


def rising(state):
    return state.fraction


OBJECTIVES = {
    "function": lambda: NegativeElbo(rising),
    "lambda": lambda: NegativeElbo(lambda state: 0.5 + state.fraction),
    "object": lambda: NegativeElbo({"z2": Weight(2.0), "z1": rising}),
    "own objective": lambda: OwnObjective(Weight(0.5)),
}


def start_own(name, path, epochs=6, callbacks=(), objective=None):
    """A run with an objective of the user's own, gone on with where it was."""
    torch.manual_seed(3)
    model = TwoLevelVAE.dense(4, (3, 2), hidden=(8,), hidden_top=(8,))
    x = (torch.randn(60, 4, generator=torch.Generator().manual_seed(1)) > 0).float()
    objective = OBJECTIVES[name]() if objective is None else objective
    config = TrainConfig(epochs=epochs, batch_size=25, learning_rate=0.01, device="cpu")
    return fit(model, x, objective=objective, config=config, checkpoint=path, resume=True, callbacks=callbacks)


IN_A_PROCESS = """
import os, signal, sys
import torch._dynamo  # what the first optimiser of a process loads: once, before the forks
from tests.training.test_resume import OBJECTIVES, start_own

def kill(record, model):
    if record.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)

folder, killed = sys.argv[1], sys.argv[2] == "killed"
for name in OBJECTIVES:
    child = os.fork() if killed else 0
    if child == 0:
        start_own(name, f"{folder}/{name}.safetensors", callbacks=[kill] if killed else [])
    else:
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
"""


@pytest.mark.slow
def test_schedules_and_objectives_of_ones_own_resume_in_another_process_after_a_kill(tmp_path):
    for how in ("killed", "resumed"):
        process = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS, str(tmp_path), how],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.returncode == 0, process.stderr
        kept = {name: len(load_checkpoint(tmp_path / f"{name}.safetensors").history) for name in OBJECTIVES}
        assert set(kept.values()) == {2 if how == "killed" else 6}
    for name in OBJECTIVES:
        start_own(name, tmp_path / f"whole {name}.safetensors")
        assert_same_run(*(load_checkpoint(tmp_path / f"{kind}{name}.safetensors") for kind in ("whole ", "")))


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("function", NegativeElbo(Weight(1.0))),
        ("lambda", NegativeElbo(lambda state: 0.25 + state.fraction)),
        ("object", NegativeElbo({"z2": Weight(3.0), "z1": rising})),
        ("own objective", OwnObjective(Weight(0.25))),
    ],
)
def test_another_schedule_or_objective_of_ones_own_is_noticed(tmp_path, name, objective):
    path = tmp_path / "run.safetensors"
    start_own(name, path, epochs=1)
    with pytest.raises(CheckpointError, match="cannot resume with other settings: step.objective"):
        start_own(name, path, objective=objective)
    with pytest.warns(UserWarning, match="epochs was 1 and is 2: .* where the schedule of 1 epochs has"):
        assert len(start_own(name, path, epochs=2)) == 2


def test_the_same_objective_may_be_used_to_resume(tmp_path):
    """In one process: what it has learned meanwhile is no other setting."""
    objective = OwnObjective(Weight(0.5))
    start_own("", tmp_path / "run.safetensors", epochs=2, objective=objective)
    assert objective.state_dict()["seen"] == 120
    with pytest.warns(UserWarning, match="epochs was 2 and is 3: .* goes on at 0.333 where .* has 0.5"):
        start_own("", tmp_path / "run.safetensors", epochs=3, objective=objective)
    assert objective.state_dict()["seen"] == 180


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x[:30], r"train.x.shape was \[60, 4\] and is \[30, 4\]"),
        (lambda x: 1 - x, "train.x.hash was"),
        (lambda x: x.double(), "train.x.dtype was 'torch.float32' and is 'torch.float64'"),
        (lambda x: DataLoader(TensorDataset(x), batch_size=20), "train.loader was None and is 'DataLoader'"),
        (
            lambda x: SimpleNamespace(x=x, batch_transform=lambda x, noise: 1 - x),
            "train.transform was None and is .*lambda",
        ),
    ],
)
def test_a_run_does_not_go_on_with_other_data(x, tmp_path, change, told):
    path = tmp_path / "run.safetensors"
    start(x, path, config=replace(CONFIG, epochs=1))
    content = path.read_bytes()
    binary = (x > 0).float()
    torch.manual_seed(3)
    model = TwoLevelVAE.dense(4, (3, 2), hidden=(8,), hidden_top=(8,), dropout=0.2)
    objective = Geco(Cyclic(cycles=2), constraint=2.0, decay=0.9)
    with pytest.raises(CheckpointError, match=f"cannot resume with other training data: .*{told}"):
        fit(model, change(binary), binary, objective=objective, config=CONFIG, checkpoint=path, resume=True)
    assert path.read_bytes() == content
    config = replace(CONFIG, epochs=1)
    assert (
        len(fit(model, binary.numpy(), binary, objective=objective, config=config, checkpoint=path, resume=True)) == 1
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (True, lambda x: 1 - x, "validation.x.hash was"),
        (True, lambda x: x[:5], r"validation.x.shape was \[60, 4\] and is \[5, 4\]"),
        (True, None, "validation.x was {shape, dtype, hash} and is None"),
        (False, lambda x: x, "validation.x was None and is {shape, dtype, hash}"),
    ],
)
def test_a_run_does_not_go_on_with_other_validation_data(x, tmp_path, before, after, told):
    path, x, config = tmp_path / "run.safetensors", (x > 0).float(), TrainConfig(epochs=1, batch_size=60, device="cpu")
    fit(VAE.dense(4, (2,), (3,)), x, x if before else None, config=config, checkpoint=path)
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"cannot resume with other validation data: .*{told}"):
        held_out = None if after is None else after(x)
        fit(VAE.dense(4, (2,), (3,)), x, held_out, config=replace(config, epochs=2), checkpoint=path, resume=True)
    assert path.read_bytes() == content


def test_a_checkpoint_that_does_not_tell_its_validation_data_is_gone_on_with(x, tmp_path):
    """As those of older versions do not."""
    path, x, config = tmp_path / "run.safetensors", (x > 0).float(), TrainConfig(epochs=1, batch_size=60, device="cpu")
    fit(VAE.dense(4, (2,), (3,)), x, x, config=config, checkpoint=path)
    old = load_checkpoint(path)
    old.validation = old.likelihoods = None
    save_checkpoint(path, old)
    config = replace(config, epochs=2)
    assert len(fit(VAE.dense(4, (2,), (3,)), x, 1 - x, config=config, checkpoint=path, resume=True)) == 2


class Items(Dataset):
    """Items by number: rows, or rows with noise that is drawn anew."""

    def __init__(self, x, noise=0.0):
        self.x, self.noise = x, noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row] + self.noise * torch.rand(4)


KINDS = {
    "loader of tensors": lambda x: DataLoader(TensorDataset(x), batch_size=20, shuffle=True),
    "loader of items": lambda x: DataLoader(Items(x), batch_size=20),
    "items": Items,
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_items_of_the_same_number_are_noticed(x, kind):
    def print_of(x):
        return source_of("train", KINDS[kind](x)).fingerprint()

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert print_of(x) == print_of(x.clone()) != print_of(x + 1) and print_of(x)["items"] is not None
    assert torch.equal(before, torch.get_rng_state())


def test_items_that_are_drawn_anew_are_not_compared(x, tmp_path):
    path, config = tmp_path / "run.safetensors", TrainConfig(epochs=1, batch_size=60, device="cpu")
    for epochs in (1, 2):
        model = VAE.dense(4, (2,), (3,), likelihood=Normal())
        history = fit(model, Items(x, noise=0.1), config=replace(config, epochs=epochs), checkpoint=path, resume=True)
    assert len(history) == 2 and load_checkpoint(path).data["items"] is None


@pytest.mark.parametrize(
    ("settings", "warns"),
    [({"schedule": "cosine"}, True), ({"warmup": 0.9}, True), ({"warmup": 0.1}, False), ({}, False)],
)
def test_a_learning_rate_that_jumps_is_told(settings, warns, recwarn):
    config = TrainConfig(epochs=20, learning_rate=1.0, **settings)
    warn_of_rate(Checkpoint({}, config={"epochs": 10}), config, Place(epoch=8, step=80, total=200))
    warn_of_rate(Checkpoint({}, config={"epochs": 20}), config, Place(epoch=8, step=80, total=200))
    assert len(recwarn) == warns
    if settings.get("schedule") == "cosine":
        # ½ (1 + cos 0.4 π) and ½ (1 + cos 0.8 π)
        assert "goes on at 0.655 where the schedule of 10 epochs has 0.0955" in str(recwarn[0].message)


@pytest.mark.parametrize(
    ("beta", "told"),
    [
        (LinearWarmup(fraction=1.0), r"beta/z2 \(and 1 more\) goes on at 0.5 where the schedule of 2 epochs has 1;"),
        ({"z2": 1.0, "z1": LinearWarmup(fraction=1.0)}, "beta/z1 goes on at 0.5 where"),
        (LinearWarmup(fraction=0.25), None),  # over in both
        (LinearWarmup(steps=100), None),  # counts steps
    ],
)
def test_a_weight_that_jumps_in_a_longer_run_is_told(x, tmp_path, recwarn, beta, told):
    def run(epochs):
        torch.manual_seed(3)
        model, data = TwoLevelVAE.dense(4, (2, 2), hidden=(3,), hidden_top=(3,)), (x > 0).float()
        config = TrainConfig(epochs=epochs, batch_size=20, device="cpu")
        fit(model, data, objective=NegativeElbo(beta), config=config, checkpoint=tmp_path / "it", resume=True)

    run(2)
    assert not recwarn
    run(4)
    assert len(recwarn) == (told is not None)
    if told:
        assert re.search(told, str(recwarn[0].message))


@pytest.mark.parametrize("n", [50, 60])
def test_a_loader_is_gone_on_with_bit_by_bit(x, tmp_path, n):
    def run(name, epochs):
        loader = DataLoader(TensorDataset((x[:n] > 0).float()), batch_size=20, shuffle=True)
        torch.manual_seed(3)
        model = TwoLevelVAE.dense(4, (3, 2), hidden=(8,), hidden_top=(8,))
        config = replace(CONFIG, epochs=epochs, patience=None, schedule="constant", warmup=0.0)
        torch.manual_seed(epochs)
        fit(model, loader, config=config, checkpoint=tmp_path / name, resume=True)
        return load_checkpoint(tmp_path / name)

    run("parts.safetensors", 2)
    assert_same_run(run("whole.safetensors", 4), run("parts.safetensors", 4))


KILLED = """
import os, random, signal, sys, time
import torch
import torch._dynamo  # what the first optimiser of a process loads: once, before the forks

class KilledLater:
    # Kills its process once it has worked for some time after its second epoch, wherever it then is. The timer counts
    # the process's own work, in epochs: neither other processes nor a fast machine matter.
    def __init__(self, epochs, writer):
        self.epochs, self.writer, self.began = epochs, writer, []

    def __call__(self, record, model):
        os.write(self.writer, bytes([record.epoch]))
        self.began.append(time.process_time())
        if len(self.began) == 2:
            signal.setitimer(signal.ITIMER_PROF, self.epochs * (self.began[1] - self.began[0]) + 1e-4)

from tests.training.test_resume import start, replace, CONFIG
from hvae_ref.training import load_checkpoint

folder, random_seed = sys.argv[1], int(sys.argv[2])
x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
config = replace(CONFIG, epochs=60, patience=60)
path = folder + "/killed.safetensors"
chance = random.Random(random_seed)
kills = 0
while True:
    before = len(load_checkpoint(path).history) if os.path.exists(path) else 0
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # Without a handler SIGPROF ends a process as SIGKILL does: at once.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        life = chance.uniform(0, 6) if kills < 4 else 1e6
        start(x, path, [KilledLater(life, writer)], config, resume=True)
        os._exit(0)
    chance.uniform(0, 6)  # the child's own number
    os.close(writer)
    told = b""
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
    """Ended at random moments: at most one epoch is lost each time, and the end is the same bit by bit."""
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "7"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) == 4
    start(x, tmp_path / "whole.safetensors", config=replace(CONFIG, epochs=60, patience=60))
    assert_same_run(load_checkpoint(tmp_path / "whole.safetensors"), load_checkpoint(tmp_path / "killed.safetensors"))
