"""The command line: what it writes, what it says, and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hvae_ref.__main__ import main
from hvae_ref.cli import recipes
from hvae_ref.training import Checkpoint, load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]
FAST = ["--set", "training.epochs=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run of the smoke recipe."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    assert main(["train", "smoke", "--out", str(folder), *FAST]) == 0
    return folder


def refused(capsys, *arguments):
    """The one line that a wrong command leaves on stderr."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        status = exit.code
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and err.count("\n") == 1 and "Traceback" not in err
    return err


def test_train_leaves_a_checkpoint_and_a_history(run, capsys):
    assert sorted(file.name for file in run.iterdir() if "evaluation" not in file.name) == [
        "checkpoint.safetensors",
        "history.json",
    ]
    history = json.loads((run / "history.json").read_text())
    assert len(history["epochs"]) == 2
    assert load_checkpoint(run / "checkpoint.safetensors").recipe["name"] == "smoke"


def test_train_says_how_it_ended(tmp_path, capsys):
    assert main(["train", "smoke", "--out", str(tmp_path / "run"), *FAST, "--seed", "5"]) == 0
    said = capsys.readouterr().out
    found = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    best = found.history.epochs[found.history.best_epoch - 1].validation
    assert f"validation −ELBO {best.negative_elbo:.2f} nats" in said and f"KL(z2) {best.kl['z2']:.2f}" in said
    assert found.config["seed"] == 5


def test_a_run_is_not_overwritten_unasked(run, capsys):
    before = {file: file.read_bytes() for file in run.iterdir()}
    told = refused(capsys, "train", "smoke", "--out", run, *FAST)
    assert "holds a run already; add --resume or --overwrite" in told
    assert {file: file.read_bytes() for file in run.iterdir()} == before


def test_overwrite_and_resume(tmp_path, capsys):
    folder = tmp_path / "run"
    checkpoint = folder / "checkpoint.safetensors"
    train = ["train", "smoke", "--out", str(folder)]
    assert main([*train, "--set", "training.epochs=1"]) == 0
    with pytest.warns(UserWarning, match="epochs was 1 and is 3: beta/z2"):
        assert main([*train, "--set", "training.epochs=3", "--resume"]) == 0
    resumed = load_checkpoint(checkpoint)
    assert len(resumed.history) == 3
    assert main([*train, "--set", "training.epochs=1", "--overwrite"]) == 0
    assert len(load_checkpoint(checkpoint).history) == 1


def test_a_failing_resume_changes_nothing(run, tmp_path, capsys):
    train = ("train", "smoke", "--out", run, *FAST)
    before = (run / "checkpoint.safetensors").read_bytes()
    assert "its [model] is" in refused(capsys, *train, "--resume", "--set", "model.latent_dims=[3, 2]")
    assert "learning_rate was" in refused(capsys, *train, "--resume", "--set", "training.learning_rate=1.0")
    assert "step.objective.beta was LinearWarmup and is 2.0" in refused(
        capsys, *train, "--resume", "--set", "objective.beta=2.0"
    )
    assert (run / "checkpoint.safetensors").read_bytes() == before
    assert "no run to resume" in refused(capsys, "train", "smoke", "--out", tmp_path / "typo", "--resume")
    assert not (tmp_path / "typo").exists()
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "checkpoint.safetensors").write_bytes(before[:-9])
    assert "may be truncated" in refused(capsys, "train", "smoke", "--out", cut, *FAST, "--resume")
    assert (cut / "checkpoint.safetensors").read_bytes() == before[:-9]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "smok", "--out", "x"), "did you mean 'smoke'?"),
        (("train", "smoke", "--out", "x", "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        (("train", "smoke", "--out", "x", "--resume", "--overwrite"), "not allowed with"),
        (("train", "mine.json", "--out", "x"), "mine.json: no such file"),
        (("trian",), "invalid choice: 'trian'"),
        (("train", "smoke", "--out", ""), "--out: expected a folder, got ''"),
        (("train", "smoke", "--out", " "), "--out: expected a folder, got ' '"),
        (("train", "smoke", "--out", "x", "--seed", str(2**70)), "seed: expected a whole number from 0 to 2⁶³ − 1"),
        ((), "required"),
        (("evaluate", "nothing.safetensors"), "no such checkpoint"),
        (("info", "digits-topdown"), "did you mean 'digits-top-down'?"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    assert told in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_for_a_run(tmp_path, capsys):
    (tmp_path / "notes").write_text("mine")
    assert "expected a folder" in refused(capsys, "train", "smoke", "--out", tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "mine"


def test_evaluate_writes_what_it_says(run, capsys):
    assert main(["evaluate", str(run), "--iwae", "8", "--split", "validation"]) == 0
    said = capsys.readouterr().out
    result = json.loads((run / "evaluation-validation.json").read_text())
    assert (result["iwae_samples"], result["n_examples"], result["split"]) == (8, 350, "validation")
    assert list(result["kl"]) == list(result["active_units"]) == ["z2", "z1"]
    assert f"{result['negative_elbo']:.2f}" in said and f"{result['iwae_nll']:.2f}" in said
    assert result["versions"]["torch"] and result["machine"] and result["recipe"]["name"] == "smoke"


def test_evaluate_measures_the_trained_weights(run, tmp_path):
    target = tmp_path / "result.json"
    assert main(["evaluate", str(run / "checkpoint.safetensors"), "--iwae", "8", "--out", str(target)]) == 0
    built = recipes.build(recipes.load("smoke"))
    load_checkpoint(run / "checkpoint.safetensors", built.model)
    expected = built.evaluate(iwae_samples=8).negative_elbo
    assert json.loads(target.read_text())["negative_elbo"] == pytest.approx(expected)


@pytest.mark.parametrize("out", ["checkpoint.safetensors", "history.json", "nowhere/a.json", "result", ""])
def test_the_numbers_never_replace_a_run(run, capsys, out):
    before = {file: file.read_bytes() for file in run.iterdir()}
    told = refused(capsys, "evaluate", run, "--iwae", 8, "--out", run / out if out else "")
    assert "--out: expected a file" in told
    assert {file: file.read_bytes() for file in run.iterdir()} == before


def test_a_folder_is_no_recipe(tmp_path, capsys):
    (tmp_path / "d.toml").mkdir()
    assert "d.toml: expected a file, got a folder" in refused(capsys, "train", tmp_path / "d.toml", "--out", "x")


def test_a_checkpoint_without_a_recipe_cannot_be_evaluated(tmp_path, capsys):
    from hvae_ref.training import save_checkpoint

    save_checkpoint(tmp_path / "bare.safetensors", recipes.build(recipes.load("smoke")).model)
    assert "holds no recipe" in refused(capsys, "evaluate", tmp_path / "bare.safetensors")


def test_samples_as_arrays(run, tmp_path):
    for name, temperature in (("a", "1.0"), ("b", "1.0"), ("cold", "0.0")):
        arguments = ["--n", "10", "--temperature", temperature, "--fix", "z2", "--seed", "4"]
        assert main(["sample", str(run), "--out", str(tmp_path / f"{name}.npz"), *arguments]) == 0
    a, b, cold = (np.load(tmp_path / f"{name}.npz") for name in ("a", "b", "cold"))
    assert a["x"].shape == (10, 8, 8) and set(np.unique(a["x"])) <= {0.0, 1.0}
    assert (a["z2"] == a["z2"][0]).all() and not (a["z1"] == a["z1"][0]).all()
    np.testing.assert_allclose(a["x"], b["x"])
    assert (cold["z2"] == 0).all() and np.allclose(cold["z1"], cold["z1"][0])


def test_samples_as_a_picture(run, tmp_path):
    assert main(["sample", str(run), "--out", str(tmp_path / "grid.png"), "--n", "5"]) == 0
    assert image.imread(tmp_path / "grid.png").shape[:2] == (2 * 9 - 1, 3 * 9 - 1)
    assert [file.name for file in tmp_path.iterdir()] == ["grid.png"]


def test_a_run_without_a_folder_goes_to_its_recipes_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipes.load("smoke", ["training.epochs=1"]).save("mine.json")
    for _ in range(2):
        status = main(["train", "mine.json"])
    assert status == 2 and "--out runs/mine: holds a run already" in capsys.readouterr().err
    assert sorted(file.name for file in (tmp_path / "runs" / "mine").iterdir()) == [
        "checkpoint.safetensors",
        "history.json",
    ]
    assert main(["evaluate", "runs/mine", "--iwae", "2"]) == 0


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The folder of a convolutional model of digits with their labels, as it is before training."""
    folder = tmp_path_factory.mktemp("runs")
    overrides = [
        "model.name=TopDownVAE", "model.builder=convolutional", "model.latent_dims=none", "model.hidden=4",
        "model.hidden_top=none", "model.latent_shapes=[[2, 4, 4], [3]]", "model.condition={name='Labels', classes=10}",
        "data.layout=image", "data.condition=label",
    ]  # fmt: skip
    built = recipes.build(recipes.load("smoke", overrides))
    found = Checkpoint(model=built.model.state_dict(), recipe=built.recipe.to_dict())
    save_checkpoint(folder / "checkpoint.safetensors", found)
    return folder


def test_labels_are_conditions_of_samples(labelled, tmp_path, capsys):
    drawn = {}
    for name, arguments in (("a", ["--condition", "label=3"]), ("b", ["--condition", "label = 3"]),
                            ("c", ["--condition", "label=7"]), ("turn", [])):  # fmt: skip
        target = tmp_path / f"{name}.npz"
        assert main(["sample", str(labelled), "--out", str(target), "--n", "12", "--fix", "z2", *arguments]) == 0
        drawn[name] = np.load(target)
    assert "12 images under the labels 0 … 9 in turn written" in (said := capsys.readouterr().out)
    assert "12 images under label 3 written" in said
    assert drawn["turn"]["condition"].tolist() == [*range(10), 0, 1] and set(drawn["a"]["condition"]) == {3}
    np.testing.assert_allclose(drawn["a"]["z1"], drawn["b"]["z1"])
    assert drawn["a"]["x"].shape == (12, 8, 8) and drawn["a"]["z1"].shape == (12, 2, 4, 4)
    assert not np.allclose(drawn["a"]["z1"], drawn["c"]["z1"]), "the prior of z1 knows the label"
    assert main(["sample", str(labelled), "--out", str(tmp_path / "x.png"), "--n", "4"]) == 0
    assert image.imread(tmp_path / "x.png").shape[:2] == (17, 17)
    assert main(["evaluate", str(labelled), "--iwae", "2"]) == 0


@pytest.mark.parametrize("condition", ["label=10", "label=-1", "label=x", "label", "level=3", "label=1,label=2"])
def test_labels_that_cannot_be(labelled, tmp_path, capsys, condition):
    told = refused(capsys, "sample", labelled, "--out", tmp_path / "x.png", f"--condition={condition}")
    assert f"--condition: expected label=0 … label=9, got '{condition}'" in told


@pytest.mark.slow
def test_the_convolutional_recipe_trains(tmp_path):
    command = ["train", "mnist5k-conv", "--out", str(tmp_path / "run"), "--set", "training.epochs=1"]
    assert main(command) == 0


def test_runs_of_images_do_not_import_what_responses_need(run, tmp_path):
    code = f"""
import sys
from hvae_ref.__main__ import main
assert main(["sample", {str(run)!r}, "--out", {str(tmp_path / "x.npz")!r}, "--n", "2"]) == 0
assert not [name for name in sys.modules if name.startswith(("hvae_ref.abr", "hvae_ref.features"))]
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "x.jpg"), "ending in .png or .npz"),
        (("--out", "nowhere/x.png"), "--out: expected a file in a folder that exists, got 'nowhere/x.png'"),
        (("--out", "x.png", "--n", "0"), "--n: expected at least 1"),
        (("--out", "x.png", "--fix", "z9"), "--fix: expected one of z2, z1, got 'z9'"),
        (("--out", "x.png", "--temperature", "-1"), "temperature: expected a finite number ≥ 0"),
        (("--out", "x.png", "--temperature", "inf"), "temperature: expected a finite number ≥ 0"),
        (("--out", "x.png", "--temperature", "1e38"), "--temperature: expected one at which"),
    ],
)
def test_samples_that_cannot_be_drawn(run, capsys, arguments, told):
    assert told in refused(capsys, "sample", run, *arguments)


def test_info(run, capsys):
    assert main(["info"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed and recipes.load(name).description in listed for name in recipes.names())
    assert main(["info", "smoke"]) == 0
    shown = capsys.readouterr().out
    model = recipes.build(recipes.load("smoke")).model
    assert f"parameters: {sum(p.numel() for p in model.parameters()):,}" in shown and "levels: z2 (2), z1 (4)" in shown
    assert main(["info", str(run)]) == 0
    assert "epoch 2 of 2: validation −ELBO" in capsys.readouterr().out


@pytest.fixture(scope="module")
def responses(tmp_path_factory):
    """The folder of a run of one epoch on brainstem responses, from a recipe in JSON, with scalars."""
    folder = tmp_path_factory.mktemp("runs") / "abr"
    recipe = folder.with_suffix(".json")
    recipes.load("abr-hierarchical", ["training.epochs=1", "model.hidden=[16]"]).save(recipe)
    assert main(["train", str(recipe), "--out", str(folder), "--tensorboard"]) == 0
    return folder


def test_train_on_responses_leaves_scalars(responses):
    assert sorted(file.name for file in responses.iterdir() if "evaluation" not in file.name) == [
        "checkpoint.safetensors",
        "history.json",
        "tensorboard",
    ]
    found = EventAccumulator(str(responses / "tensorboard")).Reload()
    names = found.Tags()["scalars"]
    assert {"Hierarchical_Loss/peak_train", "Hierarchical_Loss/local_kl_validation"} <= set(names)
    terms = json.loads((responses / "history.json").read_text())["epochs"][0]["train"]
    assert set(terms["terms"]) >= {f"auxiliary.{name}" for name in ("static", "peak", "presence", "alignment")}
    (event,) = found.Scalars("Hierarchical_Loss/peak_train")
    assert event.value == pytest.approx(terms["terms"]["auxiliary.peak"], rel=1e-5)
    assert {"Latent_Analysis/global_variance", "Latent_Analysis/local_variance"} <= set(names)


def test_evaluate_and_info_of_a_conditional_model(responses, capsys):
    assert main(["evaluate", str(responses), "--iwae", "4", "--split", "validation"]) == 0
    result = json.loads((responses / "evaluation-validation.json").read_text())
    assert list(result["kl"]) == ["z_global", "z_local"] and result["bits_per_dim"] is None
    built = recipes.build(recipes.load("abr-hierarchical", ["training.epochs=1", "model.hidden=[16]"]))
    load_checkpoint(responses / "checkpoint.safetensors", built.model)
    expected = built.evaluate(iwae_samples=4, split="validation")
    assert result["negative_elbo"] == pytest.approx(expected.negative_elbo)
    assert result["iwae_nll"] == pytest.approx(expected.iwae_nll)
    capsys.readouterr()
    assert main(["info", str(responses)]) == 0
    assert "levels: z_global (8), z_local (8)" in capsys.readouterr().out
    assert main(["info", str(responses.with_suffix(".json"))]) == 0
    assert "use_film = True" in capsys.readouterr().out


def test_responses_as_arrays(responses, tmp_path, capsys):
    for name in ("a", "b"):
        arguments = ["--n", "6", "--fix", "z_global", "--condition", "level=70, sex=1", "--seed", "4"]
        assert main(["sample", str(responses), "--out", str(tmp_path / f"{name}.npz"), *arguments]) == 0
    assert "6 responses under level 70 dB nHL" in capsys.readouterr().out
    a, b = (np.load(tmp_path / f"{name}.npz") for name in "ab")
    assert a["x"].shape == a["mean"].shape == (6, 200)
    np.testing.assert_allclose(a["x"], b["x"])
    assert (a["z_global"] == a["z_global"][0]).all() and not (a["z_local"] == a["z_local"][0]).all()
    assert a["time_ms"][-1] == pytest.approx(9.95)
    condition = dict(zip(a["statics"].tolist(), a["condition"].tolist(), strict=True))
    assert (condition["level"], condition["sex"]) == (70.0, 1.0)
    median = recipes.build(recipes.load("abr-hierarchical")).data("validation").condition.median(0).values
    assert condition["age"] == pytest.approx(median[2].item())


def test_the_condition_reaches_the_samples(responses, tmp_path):
    for sweeps in (500, 8000):
        arguments = ["--n", "2", "--condition", f"sweeps={sweeps}"]
        assert main(["sample", str(responses), "--out", str(tmp_path / f"{sweeps}.npz"), *arguments]) == 0
    few, many = (np.load(tmp_path / f"{sweeps}.npz") for sweeps in (500, 8000))
    assert np.allclose(few["z_global"], many["z_global"]) and not np.allclose(few["mean"], many["mean"])


def test_responses_as_a_picture(responses, tmp_path):
    assert main(["sample", str(responses), "--out", str(tmp_path / "x.png"), "--n", "5"]) == 0
    picture = image.imread(tmp_path / "x.png")
    assert picture.shape[:2] == (432, 1080) and picture[..., :3].std() > 0.05
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("lvel=70", "--condition: unknown 'lvel'; did you mean 'level'?"),
        ("level", "--condition: expected name=value,… such as level=70,sex=1, got 'level'"),
        ("level=70,", "--condition: expected name=value"),
        ("level=loud", "--condition: expected a number for level, got 'loud'"),
        ("level=1e60", "--condition: expected a number for level, got '1e60'"),
        ("level=70,level=80", "--condition: level is given twice"),
        ("level=300", "level (dB nHL): expected 10 to 90, got 300"),
        ("level=nan", "level (dB nHL)"),
        ("sex=0.5", "sex"),
    ],
)
def test_conditions_that_cannot_be(responses, tmp_path, capsys, condition, told):
    target = tmp_path / "x.png"
    assert told in refused(capsys, "sample", responses, "--out", target, "--condition", condition)
    assert not target.exists()


def test_images_take_no_condition(run, tmp_path, capsys):
    told = refused(capsys, "sample", run, "--out", tmp_path / "x.png", "--condition", "level=70")
    assert "--condition: TwoLevelVAE takes none" in told


def test_a_missing_tensorboard_is_told_before_anything_is_trained(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    told = refused(capsys, "train", "smoke", "--out", tmp_path / "run", *FAST, "--tensorboard")
    assert 'pip install "hvae-ref[tensorboard]"' in told
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_the_command_runs_as_a_module():
    command = [sys.executable, "-m", "hvae_ref", "train", "smok", "--out", "/nowhere/at/all"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr == "hvae_ref: unknown recipe 'smok'; did you mean 'smoke'?\n"


@pytest.mark.slow
def test_torchrun_on_two_cpus_reaches_the_loss_of_one(tmp_path):
    """The same global batches and first weights; what differs is the noise of posterior samples and binarisation.

    That steps are the same to the last digits where there is no noise, tests/training/test_processes.py has.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc_per_node", "2", "-m", "hvae_ref"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    }
    process = subprocess.run(
        [*command, "train", "smoke", "--out", str(tmp_path / "two")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    two = load_checkpoint(tmp_path / "two" / "checkpoint.safetensors").history

    one = recipes.build(recipes.load("smoke")).fit()
    for curve in ("loss", "train.negative_elbo", "validation.negative_elbo"):
        assert two.curve(curve)[-1] == pytest.approx(one.curve(curve)[-1], rel=0.03), curve
        assert two.curve(curve)[-1] < two.curve(curve)[0]
    # The processes drew their own noise: one process alone would repeat its numbers to the last digit.
    assert two.curve("loss") != one.curve("loss")


@pytest.mark.slow
def test_accelerate_launch_on_cpus_is_refused_because_it_starts_a_single_process(tmp_path):
    launcher = [str(Path(sys.executable).with_name("accelerate")), "launch", "--quiet", "--cpu", "--num_processes", "2"]
    process = subprocess.run(
        [*launcher, "-m", "hvae_ref", "train", "smoke", "--out", str(tmp_path / "two"), *FAST],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode != 0 and "torchrun --nproc_per_node N -m hvae_ref train" in process.stderr
    assert not (tmp_path / "two" / "checkpoint.safetensors").exists()


def test_a_folder_in_the_place_of_a_picture(responses, tmp_path, capsys):
    target = tmp_path / "x.png"
    target.mkdir()
    refused(capsys, "sample", responses, "--out", target, "--n", "2")
    assert list(tmp_path.iterdir()) == [target]
