"""Training on data with a condition and targets: what a bound is given, what the history keeps, what is refused."""

from dataclasses import replace

import pytest
import torch

from hvae_ref.data import source_of
from hvae_ref.elbo import Elbo
from hvae_ref.objectives import Geco, LinearWarmup, MmdPenalty, NegativeElbo, ThreePhases, WeightedLoss
from hvae_ref.training import Batches, ElboStep, TrainConfig, fit, load_checkpoint
from tests.training.linear_models import with_targets_bound

QUICK = TrainConfig(epochs=4, batch_size=20, learning_rate=0.01, device="cpu")
BOUND = {"reconstruction": 1.0, "global_kl": ThreePhases(0.1, 1.0), "local_kl": LinearWarmup()}
WEIGHTS = BOUND | {"peak": 0.5, "static": 0.1}


def with_targets_step(objective=None):
    return ElboStep(WeightedLoss(WEIGHTS) if objective is None else objective, with_targets_bound, auxiliary=True)


@pytest.fixture
def data(with_targets, x):
    return with_targets(x)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_fit_is_the_loop_one_would_write(conditional, data):
    ours, bare = conditional(), conditional()
    history = fit(ours, data, step=with_targets_step(), config=QUICK)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=0.01, weight_decay=0.0)
    batches, step, losses = Batches(source_of("train", data), 20, seed=0), 0, []
    for epoch in range(4):
        losses.append(0.0)
        for batch in batches.epoch(epoch):
            elbo = bare.elbo_with_targets(batch.x, batch.condition, **batch.targets)
            share = step / 12
            loss = -elbo.log_px + (0.1 + 0.9 * min(max((share - 0.3) / 0.4, 0), 1)) * elbo.kl["z_global"]
            loss = loss + min(share / 0.3, 1) * elbo.kl["z_local"]
            loss = (loss + 0.5 * elbo.auxiliary["peak"] + 0.1 * elbo.auxiliary["static"]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1] += loss.item() / 3
            step += 1
    for name, value in bare.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    assert history.curve("loss") == pytest.approx(losses, rel=1e-5)


def test_the_history_keeps_the_auxiliary_terms_and_every_weight(conditional, data, tmp_path):
    path, model = tmp_path / "run.safetensors", conditional()
    objective = WeightedLoss(WEIGHTS)
    seen = []
    history = fit(
        model, data, data, step=with_targets_step(objective), config=QUICK, checkpoint=path,
        callbacks=[lambda record, model: seen.append(record)],
    )  # fmt: skip
    elbo = model.elbo_with_targets(data.x, data.condition, **data.targets)
    for name, value in elbo.auxiliary.items():
        assert history.last.validation.auxiliary[name] == pytest.approx(value.mean().item(), rel=1e-5)
    assert history.last.validation.negative_elbo == pytest.approx(-elbo.value.mean().item(), rel=1e-5)
    assert history.last.weights == pytest.approx({f"weight/{name}": 1.0 for name in BOUND} | {
        "weight/peak": 0.5, "weight/static": 0.1
    })  # fmt: skip
    curve = history.curve("train.auxiliary.peak")
    assert len(curve) == 4 and curve[-1] < curve[0]
    assert seen == history.epochs == load_checkpoint(path).history.epochs


def test_the_loss_of_an_epoch_is_made_of_its_reported_parts(conditional, data):
    """One step an epoch with weights that don't move: the history's own numbers add up to the loss."""
    constant = {"reconstruction": 1.0, "global_kl": 0.4, "local_kl": 0.7, "peak": 0.5, "static": 0.1}
    history = fit(conditional(), data, step=with_targets_step(WeightedLoss(constant)), config=QUICK)
    for record in history.epochs:
        terms = record.train
        parts = [-terms.log_px, *terms.kl.values(), *terms.auxiliary.values()]
        total = sum(weight * part for weight, part in zip(constant.values(), parts, strict=True))
        assert record.loss == pytest.approx(total, rel=1e-5)


def test_a_bound_without_targets_leaves_the_head_alone(conditional, data):
    model = conditional()
    before = weights(model)
    history = fit(model, data, data, config=QUICK)
    after = weights(model)
    assert torch.equal(before["head.weight"], after["head.weight"])
    assert not torch.equal(before["encoder.weight"], after["encoder.weight"])
    assert history.last.train.auxiliary == history.last.validation.auxiliary == {}


@pytest.mark.parametrize(
    "objective", [NegativeElbo(0.5, mmd=MmdPenalty(1.0)), Geco(constraint=1.0)], ids=["mmd", "geco"]
)
def test_other_objectives_train_with_a_condition(conditional, data, objective):
    history = fit(conditional(), data, data, objective=objective, config=QUICK)
    curve = history.curve("validation.log_px")
    assert curve[-1] > curve[0]


def test_validation_without_targets_has_no_auxiliary_terms(conditional, data):
    model = conditional()
    objective = WeightedLoss(WEIGHTS)
    held_out = replace(data, targets={})
    history = fit(model, data, held_out, step=with_targets_step(objective), config=QUICK)
    assert history.last.train.auxiliary and history.last.validation.auxiliary == {}


def test_validation_is_elbo_whatever_the_bound_says(conditional, data):
    """A bound whose terms are not those of `elbo` changes what is minimised and not what is measured."""
    model = conditional()

    def bound(model, batch):
        elbo = model.elbo(batch.x, condition=batch.condition)
        return Elbo(3 * elbo.log_px, elbo.kl, {"peak": batch.targets["peaks"][:, 0, 0]})

    step = ElboStep(WeightedLoss(BOUND | {"peak": 0.0}), bound, auxiliary=True)
    history = fit(model, data, data, step=step, config=QUICK)
    assert history.last.validation.log_px == pytest.approx(
        model.elbo(data.x, data.condition).log_px.mean().item(), rel=1e-5
    )
    assert history.last.validation.auxiliary["peak"] == pytest.approx(data.x[:, 0].mean().item(), rel=1e-4)


def test_a_resumed_run_ends_bit_by_bit_like_one_that_never_stopped(conditional, data, tmp_path):
    class Stop(Exception):
        pass

    def stop(record, model):
        if record.epoch == 3:
            raise Stop

    def start(name, callbacks=(), resume=False):
        model = conditional()
        history = fit(
            model, data, data, step=with_targets_step(), config=replace(QUICK, epochs=6),
            checkpoint=tmp_path / name, callbacks=callbacks, resume=resume,
        )  # fmt: skip
        return weights(model), [replace(record, seconds=0.0) for record in history.epochs]

    whole = start("whole.safetensors")
    with pytest.raises(Stop):
        start("parts.safetensors", [stop])
    assert len(load_checkpoint(tmp_path / "parts.safetensors").history) == 2
    parts = start("parts.safetensors", resume=True)
    assert whole[1] == parts[1]
    assert all(torch.equal(value, parts[0][name]) for name, value in whole[0].items())


def test_bfloat16_keeps_conditions_and_targets_as_they_are(conditional, data, device):
    ends = []
    for precision in ("float32", "bfloat16"):
        model = conditional()
        config = TrainConfig(epochs=20, batch_size=20, learning_rate=0.01, precision=precision, device=device.type)
        history = fit(model, data, data, step=with_targets_step(), config=config)
        ends.append((history.last.validation.negative_elbo, history.last.validation.auxiliary["peak"]))
        assert data.condition.dtype == torch.float32 and data.targets["present"].dtype == torch.bool
    # bfloat16 has 8 significant bits, so the two differ, by relative errors of a few 2⁻⁸.
    assert ends[0] != ends[1]
    assert ends[0] == pytest.approx(ends[1], abs=0.1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"condition": None}, "condition: expected numbers .*, got None"),
        ({"condition": torch.zeros(59, 2)}, r"train.condition: expected a row for each of the 60 examples"),
        ({"targets": torch.zeros(60)}, r"train.targets: expected arrays by name, .* got shape \(60,\)"),
    ],
)
def test_data_that_lack_what_the_bound_reads_are_refused(conditional, data, change, told):
    model = conditional()
    before = weights(model)
    with pytest.raises(ValueError, match=f"^{told}"):
        fit(model, replace(data, **change), config=QUICK)
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_validation_needs_its_condition_too(conditional, data):
    seen = []
    with pytest.raises(ValueError, match="^condition: expected numbers"):
        fit(conditional(), data, data.x, config=QUICK, callbacks=[lambda record, model: seen.append(record)])
    assert seen == []


def test_a_model_that_takes_no_condition_is_not_given_one(linear, data):
    with pytest.raises(ValueError, match=r"^condition: expected examples without one because LinearAut.* takes none"):
        fit(linear(), data, config=QUICK)
    assert len(fit(linear(), data.x, config=QUICK)) == 4


def test_a_weight_for_a_part_that_the_bound_does_not_have_is_refused(conditional, data):
    with pytest.raises(
        ValueError, match="^weights: expected names among reconstruction, global_kl, local_kl, got 'pea"
    ):
        fit(conditional(), data, objective=WeightedLoss(WEIGHTS), config=QUICK)
