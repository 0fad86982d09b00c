"""Checkpoints: they give back what went in, refuse what does not fit, and are never half written."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from hvae_ref.models import VAE
from hvae_ref.nn import Bernoulli, Normal
from hvae_ref.objectives import Geco
from hvae_ref.training import (
    Checkpoint,
    CheckpointError,
    ElboStep,
    History,
    TrainConfig,
    fit,
    load_checkpoint,
    save_checkpoint,
)
from hvae_ref.training import checkpoint as module
from hvae_ref.training.checkpoint import load_weights
from tests.training.linear_models import doubled

CONFIG = TrainConfig(epochs=2, batch_size=20, ema_decay=0.9, patience=2, device="cpu")


@pytest.fixture
def path(tmp_path, linear, x):
    """The checkpoint of a run of two epochs that uses everything a checkpoint can hold."""
    path = tmp_path / "run.safetensors"
    fit(linear(), x, x, objective=Geco(constraint=1.0), config=CONFIG, checkpoint=path, recipe={"name": "é", "n": [1]})
    return path


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_checkpoint_gives_back_what_went_in(path, tmp_path):
    first = load_checkpoint(path)
    save_checkpoint(tmp_path / "copy.safetensors", first)
    second = load_checkpoint(tmp_path / "copy.safetensors")
    for name in ("model", "ema", "best", "step"):
        assert getattr(first, name) and equal(getattr(first, name), getattr(second, name)), name
    optimizers = [each.optimizers["train"] for each in (first, second)]
    assert optimizers[0]["param_groups"] == optimizers[1]["param_groups"]
    states = [optimizer["state"] for optimizer in optimizers]
    assert states[0].keys() == states[1].keys() == {0, 1, 2, 3}
    assert all(equal(states[0][index], states[1][index]) for index in states[0])
    assert first.history == second.history and len(first.history) == 2
    assert first.recipe == second.recipe == {"name": "é", "n": [1]}
    assert first.config == second.config and TrainConfig(**first.config) == CONFIG


def test_the_names_of_the_weights_are_the_models(path, linear):
    assert load_checkpoint(path).model.keys() == linear().state_dict().keys()


def test_a_model_alone_can_be_saved(tmp_path, linear):
    model, path = linear(), tmp_path / "model.safetensors"
    save_checkpoint(path, model)
    other = linear()
    nn.init.zeros_(other.encoder.weight)
    load_checkpoint(path, other)
    assert equal(model.state_dict(), other.state_dict())
    assert len(load_checkpoint(path).history) == 0


def test_weights_that_share_memory_survive(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_checkpoint(tmp_path / "tied.safetensors", model)
    assert equal(load_checkpoint(tmp_path / "tied.safetensors").model, model.state_dict())


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 1000, -1, -1000])
def test_a_truncated_file_is_refused(path, linear, kept):
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    model = linear()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="truncated.*restore it from a copy"):
        load_checkpoint(path, model)
    assert equal(before, model.state_dict())


def test_foreign_files_are_refused(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(CheckpointError, match="not written by hvae_ref"):
        load_checkpoint(foreign)
    save_file({"weight": torch.zeros(2)}, foreign, {"format": "hvae_ref.checkpoint", "version": "99"})
    with pytest.raises(CheckpointError, match="version 99.*reads version 2"):
        load_checkpoint(foreign)
    foreign.write_text("not a checkpoint at all, but long enough to have a header")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(foreign)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda linear: linear(latent_dim=3), r"encoder.weight has shape \(2, 4\), the model's is \(3, 4\)"),
        (lambda linear: nn.Sequential(linear()), "missing 0.encoder.weight.*unexpected decoder.bias"),
    ],
)
def test_weights_of_another_model_are_listed(path, linear, build, told):
    model = build(linear)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"belongs to another model.*{told}.*build the model with"):
        load_checkpoint(path, model)
    assert equal(before, model.state_dict())


def test_an_existing_checkpoint_is_not_overwritten_unasked(path, linear, x):
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match="exists already; resume it, overwrite it, or choose"):
        fit(linear(), x, x, config=CONFIG, checkpoint=path)
    assert path.read_bytes() == content
    fit(linear(), x, x, config=TrainConfig(epochs=1, batch_size=20, device="cpu"), checkpoint=path, overwrite=True)
    assert len(load_checkpoint(path).history) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"config": TrainConfig(epochs=5, batch_size=20, device="cpu")}, "ema_decay was 0.9 and is None"),
        ({"step": ElboStep()}, "step.objective was Geco and is NegativeElbo"),
        ({"step": ElboStep(Geco(constraint=2.0))}, "step.objective.constraint was 1.0 and is 2.0"),
        (
            {"step": ElboStep(Geco(constraint=1.0), doubled)},
            "step.bound.function was .*elbo_of_model' and is .*doubled'",
        ),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(path, linear, x, settings, told):
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"cannot resume with other settings.*{told}"):
        fit(
            linear(),
            x,
            x,
            **{"step": ElboStep(Geco(constraint=1.0)), "config": CONFIG} | settings,
            checkpoint=path,
            resume=True,
        )
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["truncated", "foreign", "another model"])
def test_nothing_is_overwritten_when_resuming_fails(path, linear, x, damage):
    model = linear(latent_dim=3) if damage == "another model" else linear()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-50])
    if damage == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    content, files = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(CheckpointError):
        fit(model, x, x, objective=Geco(constraint=1.0), config=CONFIG, checkpoint=path, resume=True)
    assert path.read_bytes() == content and sorted(path.parent.iterdir()) == files


@pytest.mark.parametrize("step", ["save_file", "os.fsync", "os.replace"])
def test_an_interrupted_write_leaves_the_old_file(path, linear, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    content = path.read_bytes()
    monkeypatch.setattr(*((module, step) if step == "save_file" else (os, step.removeprefix("os."))), fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, Checkpoint(model=linear().state_dict(), history=History()))
    assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_told_and_keeps_the_old_file(path, linear, monkeypatch):
    def full(*_):
        raise module.SafetensorError("No space left on device (os error 28)")

    before = path.read_bytes()
    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(CheckpointError, match="could not be written, what was there is kept .*No space left"):
        save_checkpoint(path, linear())
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_behind_is_removed_and_what_another_writes_is_not(path, linear):
    old, new = (path.with_name(f".{path.name}.{name}.tmp") for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half a checkpoint")
    os.utime(old, (time.time() - 2 * 3600,) * 2)
    save_checkpoint(path, linear())
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, new.name])


@pytest.mark.parametrize(
    ("trained", "other", "told"),
    [
        (Normal(scale=1.0, center=2.0, unit=3.0), Normal(scale=1.0), r"likelihood.observe.center was 2.0 and is 0.0"),
        (Normal(center=2.0, unit=3.0), Normal(center=2.0), r"likelihood.p_x_given_z1.unit was 3.0 and is 1.0"),
        (Normal(scale=0.5), Normal(scale=0.6), "scale was 0.5 and is 0.6"),
        (Normal(scale=1.0), Bernoulli(), "was Normal and is Bernoulli"),
    ],
)
@pytest.mark.parametrize("way", ["load", "load a model's", "resume"])
def test_a_likelihood_with_other_numbers_is_another_model(tmp_path, trained, other, told, way):
    path, x = tmp_path / "run.safetensors", torch.ones(6, 4)
    model = VAE.dense(4, (2,), (3,), likelihood=trained)
    config = TrainConfig(epochs=1, batch_size=6, device="cpu")
    if way == "load a model's":
        save_checkpoint(path, model)
    else:
        fit(model, x, config=config, checkpoint=path)
    load_checkpoint(path, VAE.dense(4, (2,), (3,), likelihood=trained))
    changed = VAE.dense(4, (2,), (3,), likelihood=other)
    before = {name: value.clone() for name, value in changed.state_dict().items()}
    with pytest.raises(CheckpointError, match=told):
        if way == "resume":
            fit(changed, x, config=config, checkpoint=path, resume=True)
        else:
            load_checkpoint(path, changed)
    assert equal(before, changed.state_dict())


def test_a_file_without_likelihoods_loads(tmp_path):
    model = VAE.dense(4, (2,), (3,), likelihood=Normal(scale=1.0))
    save_checkpoint(tmp_path / "old.safetensors", Checkpoint(model=model.state_dict()))
    other = VAE.dense(4, (2,), (3,), likelihood=Normal(scale=2.0))
    assert not equal(model.state_dict(), other.state_dict())
    load_checkpoint(tmp_path / "old.safetensors", other)
    assert equal(model.state_dict(), other.state_dict())


def test_a_single_changed_bit_is_noticed(path):
    content = bytearray(path.read_bytes())
    content[-7] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="its numbers are not the ones that were written"):
        load_checkpoint(path)


def test_a_file_without_a_checksum_is_read(path):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert len(metadata.pop("crc32")) == 8
    save_file(tensors, path, metadata)
    assert equal(load_checkpoint(path).model, {n[6:]: v for n, v in tensors.items() if n.startswith("model.")})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int64, torch.float64])
def test_tensors_of_any_type_and_size_are_written_and_read(tmp_path, dtype):
    model = nn.Module()
    for name, shape in {"scalar": (), "none": (0,), "some": (3, 2)}.items():
        model.register_buffer(name, torch.ones(shape).to(dtype))
    save_checkpoint(tmp_path / "it.safetensors", model)
    assert equal(load_checkpoint(tmp_path / "it.safetensors").model, model.state_dict())


@pytest.mark.parametrize("group", ["model", "ema", "best"])
def test_weights_that_are_no_numbers_are_refused(path, group):
    found = load_checkpoint(path)
    getattr(found, group)["encoder.weight"][0, 1] = torch.nan
    save_checkpoint(path, found)
    with pytest.raises(CheckpointError, match=f"got NaN in {group}.encoder.weight"):
        load_checkpoint(path)


def test_the_folder_must_exist(tmp_path, linear):
    with pytest.raises(CheckpointError, match="expected an existing folder"):
        save_checkpoint(tmp_path / "nowhere" / "run.safetensors", linear())


WRITES = """
import os, sys, torch
from torch import nn
from hvae_ref.training import save_checkpoint

children = []
for number in range(3):
    if (child := os.fork()) == 0:
        model = nn.Sequential(*[nn.Linear(200, 200) for _ in range(20)])
        nn.init.constant_(model[0].bias, float(number))
        for _ in range(25):
            save_checkpoint(sys.argv[1], model)
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
"""


@pytest.mark.slow
def test_several_processes_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "run.safetensors"
    command = [sys.executable, "-c", WRITES, str(path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    bias = load_checkpoint(path).model["0.bias"]
    assert bias[0] in (0, 1, 2) and (bias == bias[0]).all()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_the_names_that_wrappers_give_make_no_difference(tmp_path, linear, prefix):
    model, path = linear(), tmp_path / "run.safetensors"
    wrapped = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    save_checkpoint(path, Checkpoint(model=wrapped))
    other = linear()
    nn.init.zeros_(other.encoder.weight)
    load_checkpoint(path, other)
    assert equal(model.state_dict(), other.state_dict())


def test_a_part_called_module_is_a_part(tmp_path):
    def build():
        model = nn.Module()
        model.module, model.weight = nn.Linear(2, 2), nn.Parameter(torch.zeros(2))
        return model

    model, other = build(), build()
    save_checkpoint(tmp_path / "run.safetensors", model)
    load_checkpoint(tmp_path / "run.safetensors", other)
    assert equal(model.state_dict(), other.state_dict())
    with pytest.raises(CheckpointError, match="missing module.weight"):
        load_weights(other, {"weight": torch.zeros(2), "module.bias": torch.zeros(2)}, "here")


def test_every_optimizer_comes_back(tmp_path, linear, x):
    """States that are no tensors, or of another depth than Adam's."""
    kinds = {
        "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, amsgrad=True),
        "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.1),
        "rprop": lambda parameters: torch.optim.Rprop(parameters, lr=0.1),
    }
    for name, make in kinds.items():

        class Own(ElboStep):
            def optimizer(self, model, phase, config, make=make):
                return make(model.parameters())

        ends = []
        for parts in ((4,), (2, 4)):
            path = tmp_path / f"{name}-{len(parts)}.safetensors"
            for epochs in parts:
                model, config = linear(), TrainConfig(epochs=epochs, batch_size=20, device="cpu")
                fit(model, x, step=Own(), config=config, checkpoint=path, resume=True)
            ends.append(model.state_dict())
        assert equal(*ends), name


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header[:-30],
        lambda header: "[]",
        lambda header: json.dumps({name: value for name, value in json.loads(header).items() if name != "optimizers"}),
        lambda header: json.dumps(json.loads(header) | {"unknown": 1}),
        lambda header: json.dumps(json.loads(header) | {"history": {"epochs": [{"loss": 1}]}}),
    ],
)
def test_a_damaged_description_is_an_error_that_names_the_file(tmp_path, change):
    path = tmp_path / "damaged.safetensors"
    save_checkpoint(path, nn.Linear(2, 1))
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata | {"header": change(metadata["header"])})
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors: the description in it is damaged"):
        load_checkpoint(path, nn.Linear(2, 1))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ((nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()), "ReLU"),
        ((nn.Conv2d(1, 2, 3, padding=1), nn.ELU(0.5)), "alpha"),
        ((nn.Conv2d(1, 2, 3, padding=2, dilation=2), nn.ELU()), "dilation"),
        ((nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ELU()), "circular"),
    ],
)
def test_other_layers_with_the_same_weights_are_another_model(tmp_path, now, told):
    path, model = tmp_path / "model.safetensors", nn.Sequential(*now)
    save_checkpoint(path, nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ELU()))
    before = model[0].weight.clone()
    with pytest.raises(CheckpointError, match=f"belongs to another model .*layer.*{told}"):
        load_checkpoint(path, model)
    assert torch.equal(model[0].weight, before)


def test_what_drops_values_may_change_between_training_and_use(tmp_path):
    path = tmp_path / "model.safetensors"
    trained = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.ReLU())
    save_checkpoint(path, trained)
    in_use = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1), nn.ReLU(inplace=True)).eval()
    without = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.ReLU())
    for model in (in_use, without):
        assert not torch.equal(model[0].weight, trained[0].weight)
        load_checkpoint(path, model)
        assert torch.equal(model[0].weight, trained[0].weight)
