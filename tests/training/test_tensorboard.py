"""TensorBoard scalars: read back with TensorBoard's own reader, whatever happened to the run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hvae_ref.models import VAE
from hvae_ref.objectives import ThreePhases, WeightedLoss
from hvae_ref.training import ElboStep, TensorBoardScalars, TrainConfig, fit
from hvae_ref.training.history import EpochRecord, Terms
from tests.training.linear_models import with_targets_bound

ROOT = Path(__file__).parents[2]
WEIGHTS = {"reconstruction": 1.0, "global_kl": ThreePhases(0.1, 1.0), "local_kl": 1.0, "peak": 0.5, "static": 0.1}
CONFIG = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, device="cpu")


def scalars(folder):
    """name -> {epoch: value} of all files in a folder, as TensorBoard shows them."""
    found = EventAccumulator(str(folder)).Reload()
    return {name: {event.step: event.value for event in found.Scalars(name)} for name in found.Tags()["scalars"]}


def run(model, data, callback, **settings):
    step = ElboStep(WeightedLoss(WEIGHTS), with_targets_bound, auxiliary=True)
    return fit(model, data, data, callbacks=[callback], **{"step": step, "config": CONFIG} | settings)


def test_every_part_is_written_under_its_name_for_every_epoch(conditional, with_targets, x, tmp_path):
    data, model = with_targets(x), conditional()
    with TensorBoardScalars(tmp_path / "new" / "folder", data) as callback:
        history = run(model, data, callback)
    found = scalars(tmp_path / "new" / "folder")
    losses = ("reconstruction", "global_kl", "local_kl", "peak", "static", "total_kl")
    assert set(found) == {
        *(f"Hierarchical_Loss/{name}_{split}" for name in losses for split in ("train", "validation")),
        "Latent_Analysis/global_variance",
        "Latent_Analysis/local_variance",
    }
    for record in history.epochs:
        for split, terms in (("train", record.train), ("validation", record.validation)):
            expected = {
                "reconstruction": -terms.log_px,
                "global_kl": terms.kl["z_global"],
                "local_kl": terms.kl["z_local"],
                "total_kl": terms.kl["z_global"] + terms.kl["z_local"],
            } | terms.auxiliary
            for name, value in expected.items():
                assert found[f"Hierarchical_Loss/{name}_{split}"][record.epoch] == pytest.approx(value, rel=1e-5)
    assert all(list(values) == [1, 2, 3] for values in found.values())
    with torch.no_grad():
        z_global, z_local = model.latents(data.x, data.condition)
    for level, mean in (("global", z_global), ("local", z_local)):
        assert found[f"Latent_Analysis/{level}_variance"][3] == pytest.approx(mean.var(0).mean().item(), rel=1e-4)


def test_a_model_with_numbered_levels_and_drawn_batches(x, tmp_path):
    """The data's transform reaches the variances: grey levels as they are would be refused by the model."""

    class Drawn:
        def __init__(self, x):
            self.x = x

        def batch_transform(self, x, generator):
            return (x > torch.rand(x.shape, generator=generator)).float()

    data = Drawn(x.sigmoid())
    with TensorBoardScalars(tmp_path, data) as callback:
        fit(VAE.dense(4, (2,), hidden=(8,)), data, callbacks=[callback], config=CONFIG)
    assert set(scalars(tmp_path)) == {
        "Hierarchical_Loss/reconstruction_train",
        "Hierarchical_Loss/z1_kl_train",
        "Hierarchical_Loss/total_kl_train",
        "Latent_Analysis/z1_variance",
    }


def test_writing_changes_no_number_of_the_run(conditional, with_targets, x, tmp_path):
    data, models = with_targets(x), (conditional(), conditional())
    with TensorBoardScalars(tmp_path, data) as callback:
        run(models[0], data, callback)
    run(models[1], data, lambda record, model: None)
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name


def test_each_epoch_is_on_disk_before_the_next(conditional, with_targets, x, tmp_path):
    seen = []
    data, callback = with_targets(x), TensorBoardScalars(tmp_path)

    def look(record, model):
        callback(record, model)
        seen.append(list(scalars(tmp_path)["Hierarchical_Loss/peak_validation"]))

    run(conditional(), data, look)
    callback.close()
    assert seen == [[1], [1, 2], [1, 2, 3]]


KILLED = """
import os, signal, sys
import torch
from hvae_ref.training import TensorBoardScalars, TrainConfig, fit
from hvae_ref.training.history import EpochRecord, Terms
from tests.training.linear_models import ConditionalAutoencoder, Conditional

data = Conditional.of(torch.randn(60, 4))
def kill(record, model):
    if record.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)
config = TrainConfig(epochs=9, batch_size=20, device="cpu")
fit(ConditionalAutoencoder(), data, data, config=config, callbacks=[TensorBoardScalars(sys.argv[1], data), kill])
"""


@pytest.mark.filterwarnings("ignore:epochs was 1 and is 4")
def test_a_killed_run_leaves_files_that_can_be_read_and_gone_on_with(conditional, with_targets, x, tmp_path):
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=200)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert list(scalars(tmp_path)["Hierarchical_Loss/total_kl_train"]) == [1, 2, 3]
    # Gone on with from the checkpoint of epoch 1: what the killed run wrote after it is not shown twice.
    data, path = with_targets(x), tmp_path / "run.safetensors"
    run(conditional(), data, lambda record, model: None, config=TrainConfig(epochs=1, batch_size=20, device="cpu"),
        checkpoint=path)  # fmt: skip
    with TensorBoardScalars(tmp_path) as callback:
        history = run(
            conditional(), data, callback, config=TrainConfig(epochs=4, batch_size=20, device="cpu"),
            checkpoint=path, resume=True,
        )  # fmt: skip
    found = scalars(tmp_path)["Hierarchical_Loss/total_kl_train"]
    assert list(found) == [1, 2, 3, 4]
    for record in history.epochs[1:]:
        assert found[record.epoch] == pytest.approx(sum(record.train.kl.values()), rel=1e-5)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ValueError, match="^folder: expected a folder, .*notes is a file"):
        TensorBoardScalars(tmp_path / "notes")
    with pytest.raises(ValueError, match="^folder: expected a folder, .*notes is a file"):
        TensorBoardScalars(tmp_path / "notes" / "below")
    assert (tmp_path / "notes").read_text() == "mine"


def test_without_tensorboard_the_error_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"hvae-ref\[tensorboard\]\""):
        TensorBoardScalars(tmp_path)
    assert os.listdir(tmp_path) == []


def test_two_runs_within_a_second_are_read_in_their_order(tmp_path):
    earlier = tmp_path / f"events.out.tfevents.{int(time.time()):010d}.zzz.1.0"
    earlier.touch()
    record = EpochRecord(1, 1.0, Terms.of_elbo(-1.0, {"z1": 1.0}), None, {}, 1e-3, 0.1)
    with TensorBoardScalars(tmp_path) as later:
        later(record, torch.nn.Linear(1, 1))
    assert sorted(file.name for file in tmp_path.iterdir())[0] == earlier.name
