"""The seam: a step of one's own trains through `fit` as the loop that one would write."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from hvae_ref.data import Examples, source_of
from hvae_ref.elbo import Elbo
from hvae_ref.models import VAE
from hvae_ref.objectives import Geco, LinearWarmup, MmdPenalty, NegativeElbo, TrainingState
from hvae_ref.training import (
    Batches,
    ElboStep,
    FunctionStep,
    Step,
    StepResult,
    TrainConfig,
    fit,
    load_checkpoint,
)
from hvae_ref.training.elbo_step import elbo_of_terms, terms_of
from tests.training.linear_models import LinearAutoencoder

QUICK = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, device="cpu")


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-6)


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4))


# A loss of one's own, in ten lines ------------------------------------------------------------------------------------


def reconstruction(model, batch):
    error = (model(batch.x) - batch.x).square().sum(-1)
    return error.mean(), {"error": error, "largest": error.max()}


@pytest.mark.parametrize("n", [60, 50])
def test_a_function_is_a_step(x, n):
    ours, bare = net(), net()
    history = fit(ours, x[:n], x[:7], step=reconstruction, config=QUICK)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=0.01, weight_decay=0.0)
    batches, losses = Batches(source_of("train", x[:n]), 20, seed=0), []
    for epoch in range(3):
        losses.append(0.0)
        for batch in batches.epoch(epoch):
            loss = (bare(batch.x) - batch.x).square().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1] += loss.item() * len(batch) / n
    assert_same(weights(ours), weights(bare))
    assert history.curve("loss") == pytest.approx(losses, rel=1e-5) == history.curve("train.terms.error")
    error = (ours(x[:7]) - x[:7]).square().sum(-1)
    assert history.last.validation.terms == pytest.approx(
        {"error": error.mean().item(), "largest": error.max().item(), "loss": error.mean().item()}, rel=1e-5
    )
    curve = history.curve("validation.loss")
    assert history.best_epoch == curve.index(min(curve)) + 1


def test_a_function_may_return_the_loss_alone(x):
    history = fit(net(), x, step=lambda model, batch: mse_loss(model(batch.x), batch.x), config=QUICK)
    assert history.last.loss < history.epochs[0].loss and history.last.train.terms == {}


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda model, batch: 3.0, "step: expected a function that returns the loss, .* got float"),
        (lambda model, batch: (model(batch.x), 1, 2), "step: expected a function that returns the loss, .* got tuple"),
        (lambda model, batch: model(batch.x).sum(-1), r"loss: expected a scalar with a gradient .* got shape \(20,\)"),
        (lambda model, batch: batch.x.sum(), "loss: expected a scalar with a gradient .* no parameter has a part in"),
        (
            lambda model, batch: (model(batch.x).sum(), {"map": model(batch.x)}),
            r"terms\['map'\]: expected a scalar or one value for each of the 20 examples, got shape \(20, 4\)",
        ),
    ],
)
def test_what_is_no_loss_is_refused(x, function, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        fit(net(), x, step=function, config=QUICK)


def test_labels_reach_a_step_of_ones_own():
    x = torch.randn(60, 4)
    y = (x[:, 0] > 0).long()
    model = nn.Linear(4, 2)
    step = FunctionStep(lambda model, batch: nn.functional.cross_entropy(model(batch.x), batch.condition))
    history = fit(model, TensorDataset(x, y), step=step, config=replace(QUICK, epochs=30))
    assert history.last.loss < 0.5 * history.epochs[0].loss


def test_batches_by_name_reach_a_step():
    maps = {"fine": np.random.default_rng(0).normal(size=(50, 3)), "coarse": torch.ones(50, 2)}
    seen = []

    def step(model, batch):
        seen.append({name: (value.shape, value.dtype) for name, value in batch.items()})
        return model(batch["fine"]).square().mean() + 0 * batch["coarse"].sum()

    fit(nn.Linear(3, 1), maps, maps, step=step, config=replace(QUICK, epochs=1))
    sizes = [20, 20, 10] * 3  # the first three are the look at validation before the first epoch
    assert [batch["fine"] for batch in seen] == [((size, 3), torch.float32) for size in sizes]


def test_batches_without_x_are_refused_by_the_elbo(linear, x):
    with pytest.raises(ValueError, match="^batch: expected examples with x, got tensors named fine"):
        fit(linear(), {"fine": x}, config=QUICK)


# Two optimisers -------------------------------------------------------------------------------------------------------


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.generator = nn.Linear(2, 4)
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


class Adversarial(Step):
    """A toy pair: the critic tells rows of x from generated ones, the generator hides the difference."""

    phases = ("critic", "generator")
    criterion = "distance"

    def __init__(self, noise=None):
        self.noise, self.calls = noise, []

    def parameters(self, model, phase):
        return getattr(model, phase).parameters()

    def optimizer(self, model, phase, config):
        rate = config.learning_rate * (4 if phase == "critic" else 1)
        return torch.optim.Adam(self.parameters(model, phase), lr=rate, betas=(0.5, 0.9))

    def draws(self, n):
        return torch.ones(n, 2) if self.noise is None else self.noise(n)

    def __call__(self, model, batch, state):
        self.calls.append((state.phase, state.step))
        fake = model.generator(self.draws(len(batch)))
        if state.phase == "generator":
            logits = model.critic(fake)
            loss = binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            return StepResult(loss, {"fooled": (logits > 0).float().mean()})
        real, made = model.critic(batch.x), model.critic(fake.detach())
        loss = binary_cross_entropy_with_logits(real, torch.ones_like(real))
        return StepResult(loss + binary_cross_entropy_with_logits(made, torch.zeros_like(made)))

    def evaluate(self, model, batch, state):
        return {"distance": (model.generator(self.draws(len(batch))).mean(0) - batch.x.mean(0)).square().sum()}


def test_two_optimisers_take_turns_as_in_the_loop_one_would_write(x):
    ours, bare, step = Pair(), Pair(), Adversarial()
    config = replace(QUICK, schedule="cosine", gradient_clip=0.3)
    history = fit(ours, x, x, step=step, config=config)
    critic = torch.optim.Adam(bare.critic.parameters(), lr=0.04, betas=(0.5, 0.9))
    generator = torch.optim.Adam(bare.generator.parameters(), lr=0.01, betas=(0.5, 0.9))
    batches, number, losses = Batches(source_of("train", x), 20, seed=0), 0, []
    for epoch in range(3):
        for batch in batches.epoch(epoch):
            factor = 0.5 * (1 + np.cos(np.pi * number / 9))
            for optimizer, rate, part in ((critic, 0.04, bare.critic), (generator, 0.01, bare.generator)):
                optimizer.param_groups[0]["lr"] = rate * factor
                fake = bare.generator(torch.ones(20, 2))
                if optimizer is critic:
                    loss = -nn.functional.logsigmoid(bare.critic(batch.x)).mean()
                    loss = loss - nn.functional.logsigmoid(-bare.critic(fake.detach())).mean()
                else:
                    loss = -nn.functional.logsigmoid(bare.critic(fake)).mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(part.parameters(), 0.3)
                optimizer.step()
                losses.append(loss.item())
            number += 1
    assert_same(weights(ours), weights(bare))
    assert step.calls[:4] == [("critic", 0), ("generator", 0), ("critic", 1), ("generator", 1)]
    last = history.last
    assert last.train.terms["loss/critic"] == pytest.approx(np.mean(losses[-6::2]), rel=1e-4)
    assert last.train.terms["loss/generator"] == pytest.approx(np.mean(losses[-5::2]), rel=1e-4)
    assert last.loss == pytest.approx(last.train.terms["loss/critic"] + last.train.terms["loss/generator"], rel=1e-5)
    assert list(last.validation.terms) == ["distance"] and 0 <= last.train.terms["fooled"] <= 1
    assert history.best_epoch == int(np.argmin(history.curve("validation.distance"))) + 1


def test_two_optimisers_are_kept_and_resumed_bit_by_bit(x, tmp_path):
    class Stop(Exception):
        pass

    def stop(record, model):
        if record.epoch == 3:
            raise Stop

    def run(name, callbacks=(), resume=False):
        model, config = Pair(), replace(QUICK, epochs=5, ema_decay=0.9, patience=5)
        fit(model, x, x, step=Adversarial(lambda n: torch.randn(n, 2)), config=config, checkpoint=tmp_path / name,
            callbacks=callbacks, resume=resume)  # fmt: skip
        return weights(model)

    whole = run("whole.safetensors")
    with pytest.raises(Stop):
        run("parts.safetensors", [stop])
    parts = run("parts.safetensors", resume=True)
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    kept = [load_checkpoint(tmp_path / f"{name}.safetensors").optimizers for name in ("whole", "parts")]
    assert kept[0].keys() == {"critic", "generator"}
    for phase, optimizer in kept[0].items():
        assert optimizer["param_groups"] == kept[1][phase]["param_groups"]
        for index, state in optimizer["state"].items():
            assert all(torch.equal(value, kept[1][phase]["state"][index][key]) for key, value in state.items())


def test_several_phases_must_say_what_they_change(x):
    class Silent(Adversarial):
        parameters = Step.parameters
        optimizer = Step.optimizer

    with pytest.raises(ValueError, match="^parameters: expected Silent to say which parameters .* critic, generator"):
        fit(Pair(), x, step=Silent(), config=QUICK)


def test_validation_of_several_phases_adds_their_losses(x):
    class Usual(Adversarial):
        criterion = "loss"
        evaluate = Step.evaluate

    model = Pair()
    history = fit(model, x, x, step=Usual(), config=QUICK)
    fake = model.generator(torch.ones(60, 2))
    losses = [
        -nn.functional.logsigmoid(sign * model.critic(rows)).mean() for sign, rows in ((1, x), (-1, fake), (1, fake))
    ]
    assert history.last.validation.terms["loss"] == pytest.approx(sum(losses).item(), rel=1e-5)


# What a step may learn, report and judge by ---------------------------------------------------------------------------


class Learning(Step):
    """Counts its steps in a tensor, as a step with running statistics would."""

    criterion = "error"

    def __init__(self):
        self._count = torch.zeros(())
        self.seen = []

    def __call__(self, model, batch, state):
        error = (model(batch.x) - batch.x).square().sum(-1)
        return StepResult(error.mean(), {"error": error})

    def update(self, terms, state):
        assert not terms["error"].requires_grad and not torch.is_grad_enabled()
        self._count = self._count + 1

    def report(self, terms, state):
        return {"count": self._count.item(), "fraction": state.fraction}

    def reset(self):
        self._count = torch.zeros(())

    def state_dict(self):
        return {"count": self._count}

    def load_state_dict(self, state):
        self._count = state["count"]

    def settings(self):
        return "learning"


def test_what_a_step_learns_is_reported_kept_and_begun_anew(x, tmp_path):
    step, path = Learning(), tmp_path / "run.safetensors"
    config = replace(QUICK, epochs=2)
    history = fit(net(), x, step=step, config=config, checkpoint=path)
    assert [record.weights for record in history.epochs] == [{"count": 3, "fraction": 0.5}, {"count": 6, "fraction": 1}]
    other = Learning()
    with pytest.warns(UserWarning, match="epochs was 2 and is 3: fraction goes on at 0.667"):
        history = fit(net(), x, step=other, config=replace(config, epochs=3), checkpoint=path, resume=True)
    assert history.last.weights["count"] == 9
    assert fit(net(), x, step=other, config=config).last.weights["count"] == 6, "it went on from another run"


@pytest.mark.parametrize("criterion", ["eror", "negative_elbo"])
def test_a_criterion_that_is_no_term_is_told_before_the_first_epoch(x, criterion):
    step = Learning()
    step.criterion = criterion
    with pytest.raises(ValueError, match=f"^criterion: expected one of the terms .*error, loss, got '{criterion}'"):
        fit(net(), x, x, step=step, config=QUICK)
    assert step._count == 0


# The ELBO as a step ---------------------------------------------------------------------------------------------------


def test_the_terms_of_an_elbo_and_back():
    elbo = Elbo(torch.zeros(2), {"z2": torch.ones(2), "z1": torch.zeros(2)}, {"peak": torch.ones(2)})
    terms = terms_of(elbo)
    assert list(terms) == ["log_px", "kl.z2", "kl.z1", "auxiliary.peak"]
    back = elbo_of_terms(terms)
    assert list(back.kl) == ["z2", "z1"] and torch.equal(back.auxiliary["peak"], torch.ones(2))
    assert torch.equal(back.log_px, elbo.log_px)


def test_one_geco_in_two_runs_begins_anew(linear, x, tmp_path):
    geco = Geco(constraint=1.0, rate_of_change=0.05)
    first = fit(linear(), x, objective=geco, config=QUICK)
    assert float(geco.state_dict()["multiplier"]) != 1.0
    second = fit(linear(), x, objective=geco, config=QUICK)
    assert first.curve("weights.multiplier") == second.curve("weights.multiplier")


def test_the_samples_of_an_mmd_penalty_come_through_the_step(conditional, with_targets, x):
    step, model = ElboStep(NegativeElbo(0.0, mmd=MmdPenalty(1000.0))), conditional()
    batch = with_targets(x + 3)
    before = step(model, Examples(batch.x, batch.condition), TrainingState()).loss.item()
    history = fit(model, batch, step=step, config=replace(QUICK, epochs=40))
    assert history.last.loss < 0.5 * before


def test_a_last_batch_of_one_example_is_trained_with_an_mmd_penalty(linear, x):
    torch.manual_seed(0)
    model = VAE.dense(4, (2,), hidden=(8,))
    history = fit(model, (x[:41] > 0).float(), objective=NegativeElbo(mmd=MmdPenalty()), config=QUICK)
    assert history.last.steps == 3 and np.isfinite(history.last.loss)


def test_auxiliary_terms_need_a_bound():
    with pytest.raises(ValueError, match="^auxiliary: expected False because model.elbo reads no targets"):
        ElboStep(auxiliary=True)


# Data of every kind through fit ---------------------------------------------------------------------------------------


class Stream(IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)


def test_a_loader_over_a_stream_is_trained_on(linear, x):
    loader = DataLoader(Stream(x), batch_size=20)
    ours, bare = linear(), linear()
    history = fit(ours, loader, loader, config=QUICK)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(3):
        for batch in x.split(20):
            optimizer.zero_grad()
            (-bare.elbo(batch).value.mean()).backward()
            optimizer.step()
    assert_same(weights(ours), weights(bare))
    assert [record.steps for record in history.epochs] == [3, 3, 3]
    assert history.last.validation.negative_elbo == pytest.approx(-ours.elbo(x).value.mean().item(), rel=1e-5)


def test_an_endless_stream_is_cut_into_epochs(linear, x):
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield from x

    loader = DataLoader(Endless(), batch_size=20)
    history = fit(linear(), loader, config=replace(QUICK, steps_per_epoch=5, schedule="cosine"))
    assert [record.steps for record in history.epochs] == [5, 5, 5]
    rates = [0.005 * (1 + np.cos(np.pi * step / 15)) for step in (4, 9, 14)]
    assert history.curve("learning_rate") == pytest.approx(rates)


def test_a_schedule_over_a_run_of_unknown_length_is_refused_and_one_in_steps_is_not(linear, x):
    loader = DataLoader(Stream(x), batch_size=20)
    for settings in (
        {"objective": NegativeElbo(LinearWarmup(fraction=0.5)), "config": QUICK},
        {"config": replace(QUICK, warmup=0.1)},
        {"config": replace(QUICK, schedule="cosine")},
    ):
        with pytest.raises(ValueError, match="^fraction: expected a run of known length.*steps_per_epoch"):
            fit(linear(), loader, **settings)
    history = fit(linear(), loader, objective=NegativeElbo(LinearWarmup(steps=6)), config=QUICK)
    assert history.curve("weights.beta/z1") == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("kind", [np.uint8, np.float64, np.float32, np.int64, bool])
def test_arrays_of_every_type_train_alike(x, kind):
    binary = (x > 0).numpy()
    runs = []
    for data in (torch.from_numpy(binary).float(), binary.astype(kind)):
        torch.manual_seed(3)
        model = VAE.dense(4, (2,), hidden=(8,))
        runs.append(fit(model, data, data, config=QUICK).curve("validation.negative_elbo"))
    assert runs[0] == runs[1]


def test_values_outside_of_the_support_are_the_models_to_refuse(x):
    with pytest.raises(ValueError, match="^x: expected"):
        fit(
            VAE.dense(4, (2,), hidden=(8,)),
            (np.random.default_rng(0).random((50, 4)) * 255).astype(np.uint8),
            config=QUICK,
        )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_model_in_another_type_gets_its_data_in_that_type(x, dtype):
    history = fit(LinearAutoencoder().to(dtype), x.numpy(), x, config=QUICK)
    assert history.last.loss < history.epochs[0].loss


def test_fewer_examples_than_a_batch_are_one_batch(linear, x):
    history = fit(linear(), x[:50], config=TrainConfig(epochs=2, device="cpu"))
    assert [record.steps for record in history.epochs] == [1, 1]
    whole = fit(linear(), x[:50], config=TrainConfig(epochs=2, batch_size=50, device="cpu"))
    assert whole.curve("loss") == history.curve("loss")


def test_the_last_smaller_batch_is_trained_on(linear, x):
    batches = []

    def step(model, batch):
        batches.append(len(batch))
        return -model.elbo(batch.x).value.mean()

    fit(linear(), x[:50], step=step, config=replace(QUICK, epochs=2))
    assert batches == [20, 20, 10] * 2


def test_labels_of_pairs_are_left_out_where_the_model_takes_no_condition(linear, x):
    pairs = TensorDataset(x, torch.zeros(60, dtype=torch.long))
    assert fit(linear(), pairs, pairs, config=QUICK).curve("loss") == fit(linear(), x, x, config=QUICK).curve("loss")


def test_pairs_give_a_conditional_model_its_condition(conditional, with_targets, x):
    data = with_targets(x)
    loader = DataLoader(TensorDataset(data.x, data.condition), batch_size=20)
    model, other = conditional(), conditional()
    history = fit(model, TensorDataset(data.x, data.condition), loader, config=QUICK)
    expected = fit(other, replace(data, targets={}), replace(data, targets={}), config=QUICK)
    assert history.curve("loss") == expected.curve("loss")
    assert history.curve("validation.log_px") == pytest.approx(expected.curve("validation.log_px"), rel=1e-6)
