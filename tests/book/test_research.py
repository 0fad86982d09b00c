"""The programs of the page "Use it in your research" run as they stand there, and do what the page says."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref.flows import FlowDistribution
from hvae_ref.nn.eval_mode import eval_mode
from hvae_ref.training import load_checkpoint
from tools.repository import ROOT

PAGE = (ROOT / "book" / "research.md").read_text(encoding="utf-8")
SHARED, *BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROGRAMS = {re.match(r"# program: (\w+)\n", block)[1]: block for block in BLOCKS}
QUIET = "from functools import partial\nTrainConfig = partial(TrainConfig, progress=False)\n"


def run(name: str, folder: Path, monkeypatch) -> dict:
    """Run a program in a folder; its names."""
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    names: dict = {}
    exec(compile(SHARED + QUIET + PROGRAMS[name], f"research.md:{name}", "exec"), names)
    return names


def start(folder: Path, name: str, *launcher: str, source: str | None = None) -> subprocess.Popen:
    """Run a program (or another source) as a file of its own, in a process of its own."""
    (folder / "train.py").write_text(SHARED + QUIET + (source or PROGRAMS[name]))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *launcher, "train.py"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_no_program_is_longer_than_fifteen_lines():
    assert len(PROGRAMS) == 13
    for name, block in PROGRAMS.items():
        lines = [line for line in block.splitlines()[1:] if line.strip()]
        assert len(lines) <= 15, f"{name}: {len(lines)} lines"
        assert max(map(len, lines)) <= 120, name


def test_numpy_images(tmp_path, monkeypatch):
    names = run("numpy_images", tmp_path, monkeypatch)
    assert names["model"].sample(2).shape == (2, 3, 20, 12)
    assert names["history"].last.validation.negative_elbo < 720 * np.log(256) * 1.5


def test_own_nets_and_their_checkpoint_in_a_fresh_model(tmp_path, monkeypatch):
    first = run("own_nets", tmp_path, monkeypatch)["model"]
    assert {level: tuple(shape) for level, shape in first.shapes.items()} == {"z2": (6,), "z1": (2, 8, 8)}
    names = {}
    program = PROGRAMS["own_nets"].split("fit(")[0]
    torch.manual_seed(1)
    exec(compile(SHARED + program, "again", "exec"), names)
    second = names["model"]
    x = torch.bernoulli(torch.full((4, 1, 16, 16), 0.3))
    with eval_mode(first, 0):
        expected = first.elbo(x).value
    load_checkpoint(tmp_path / "own.safetensors", second)
    with eval_mode(second, 0):
        torch.testing.assert_close(second.elbo(x).value, expected)


def test_own_posterior_says_that_its_kl_is_sampled(tmp_path, monkeypatch):
    model = run("own_posterior", tmp_path, monkeypatch)["model"]
    bound = model.elbo(torch.zeros(3, 64))
    assert bound.sampled == {"z1"}
    bound.value.mean().backward()
    assert all(p.grad is not None for p in model.posterior["z1"].parameters())


def test_own_flow_bends_and_is_undone(tmp_path, monkeypatch):
    model = run("own_flow", tmp_path, monkeypatch)["model"].double()
    q = model.encode(torch.zeros(5, 64).double())["z1"]
    assert isinstance(q, FlowDistribution)
    z, log_q = q.rsample_and_log_prob()
    torch.testing.assert_close(q.log_prob(z), log_q)
    assert "z1" in model.elbo(torch.zeros(5, 64).double()).sampled


@pytest.mark.slow
def test_own_schedule_killed_and_resumed_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch):
    (whole := tmp_path / "whole").mkdir(), (parts := tmp_path / "parts").mkdir()
    kill = "lambda record, model: record.epoch == 4 and os.kill(os.getpid(), signal.SIGKILL)"
    stopped = PROGRAMS["own_schedule"].replace("resume=True)", f"resume=True, callbacks=[{kill}])")
    process = start(parts, "own_schedule", source=f"import os, signal\n{stopped}")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, output.decode()
    assert len(load_checkpoint(parts / "run.safetensors").history) == 3
    again = start(parts, "own_schedule")
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output.decode()
    expected = run("own_schedule", whole, monkeypatch)["history"].curve("loss")
    resumed = load_checkpoint(parts / "run.safetensors").history.curve("loss")
    np.testing.assert_allclose(resumed, expected, rtol=1e-4)


def test_real_valued_data_keep_their_unit(tmp_path, monkeypatch):
    names = run("real_valued", tmp_path, monkeypatch)
    drawn = names["model"].sample(500)
    assert abs(drawn.mean() - names["x"].mean()) < 2 * names["x"].std()
    assert 0.2 < drawn.std() / names["x"].std() < 5


def test_a_loader_is_read_batch_by_batch(tmp_path, monkeypatch):
    history = run("loader", tmp_path, monkeypatch)["history"]
    assert len(history) == 2 and history.last.loss < history.epochs[0].loss


def test_own_loss_is_what_falls(tmp_path, monkeypatch):
    curve = run("own_loss", tmp_path, monkeypatch)["history"].curve("train.terms.iwae8")
    assert len(curve) == 3 and curve[-1] < curve[0]


def test_labels_decide_what_is_drawn(tmp_path, monkeypatch):
    names = run("labels", tmp_path, monkeypatch)
    assert names["threes"].shape == (16, 64)
    model, generator = names["model"], torch.Generator
    one, other = (model.sample(4, condition=torch.tensor([c]), generator=generator().manual_seed(0)) for c in (0, 1))
    assert not torch.equal(one, other)


def test_samples_in_a_file_can_be_drawn_again(tmp_path, monkeypatch):
    model = run("sampling", tmp_path, monkeypatch)["model"]
    kept = np.load(tmp_path / "samples.npz")
    assert set(kept.files) == {"x", "z1", "z2"} and kept["x"].shape == (100, 64)
    again = model.sample_latents(100, generator=torch.Generator().manual_seed(7))
    np.testing.assert_allclose(again["z1"].numpy(), kept["z1"], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_compiled(tmp_path):
    """In a process of its own: the suite's shape checks cannot be compiled."""
    program = PROGRAMS["compiled"]
    more = """
whole = torch._dynamo.explain(lambda rows: model.elbo(rows).value)(x)
compiled = torch.stack([bound(x[:50]).detach() for _ in range(200)])
plain = torch.stack([model.elbo(x[:50]).value.detach() for _ in range(200)])
error = ((compiled.var(0) + plain.var(0)) / 200).sqrt()
print("breaks", whole.graph_break_count, "apart", float(((compiled.mean(0) - plain.mean(0)).abs() / error).max()))
"""
    process = start(tmp_path, "compiled", source=program + more)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output.decode()
    breaks, apart = re.search(rb"breaks (\d+) apart ([\d.]+)", output).groups()
    assert int(breaks) == 0 and float(apart) < 5


@pytest.mark.slow
def test_two_processes_end_with_one_model(tmp_path):
    process = start(tmp_path, "two_processes", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    assert len(load_checkpoint(tmp_path / "shared.safetensors").history) == 2


def test_a_pretrained_model_by_name_and_by_file(tmp_path, monkeypatch):
    from hvae_ref.cli import recipes
    from hvae_ref.data import load

    model = run("pretrained", tmp_path, monkeypatch)["model"]
    assert not model.training
    with eval_mode(model, 0):
        bound = -model.elbo(load("digits", "test").x).value.mean().item()
    assert bound < 86
    run_ = recipes.build(recipes.load("smoke", ["training.epochs=1", "training.progress=false"]))
    run_.fit(checkpoint=tmp_path / "smoke.safetensors")
    again = recipes.pretrained(tmp_path / "smoke.safetensors")
    for name, value in run_.model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(ValueError, match="digits-top-down"):
        recipes.pretrained("digits-topdown")
