"""Breakdowns: told as what they are, never the best epoch; and errors that are none stay themselves."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal

from hvae_ref.elbo import Elbo
from hvae_ref.training import NonFiniteLoss, Step, StepResult, TrainConfig, fit, load_checkpoint

QUICK = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, device="cpu")


class Scripted(Step):
    """Validates to a given number in each epoch."""

    def __init__(self, values):
        self._values, self._epoch = values, -2  # one look is before the first epoch

    def __call__(self, model, batch, state):
        return StepResult((model(batch.x) - batch.x).square().mean())

    def evaluate(self, model, batch, state):
        self._epoch += 1
        return {"loss": torch.tensor(self._values[max(self._epoch, 0)])}


def run(x, values, **settings):
    torch.manual_seed(3)
    model, seen = nn.Linear(4, 4), []
    config = TrainConfig(epochs=len(values), batch_size=60, learning_rate=0.01, device="cpu", **settings)
    history = fit(
        model, x, x, step=Scripted(values), config=config,
        callbacks=[lambda record, model: seen.append(model.weight.detach().clone())],
    )  # fmt: skip
    return model, history, seen


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_validation_that_is_no_number_is_never_the_best(x, bad):
    model, history, seen = run(x, [bad, 23.0, 22.1, 21.2, 21.9], patience=3)
    assert not history.stopped_early and history.best_epoch == 4
    assert torch.equal(model.weight, seen[3])


def test_one_in_the_midst_neither_wins_nor_ends_the_run(x):
    _, history, _ = run(x, [23.0, NAN, NAN, 22.0, 21.0], patience=3)
    assert history.best_epoch == 5 and not history.stopped_early


def test_patience_runs_out_where_no_epoch_is_good(x):
    model, history, seen = run(x, [NAN] * 6, patience=2)
    assert history.best_epoch is None and history.stopped_early and len(history) == 2
    assert torch.equal(model.weight, seen[-1])


class Sharp(nn.Module):
    """A net whose outputs leave the range of numbers after some steps, while its weights stay finite."""

    def __init__(self, distribution, after=7):
        super().__init__()
        self.net = nn.Linear(4, 4)
        self.distribution, self.after, self.calls = distribution, after, 0

    def elbo(self, x):
        self.calls += 1
        raw = self.net(x)
        return Elbo(
            self.distribution(raw * 1e30 if self.calls > self.after else raw, x).sum(-1), {"z1": raw.square().sum(-1)}
        )


def overflow(raw, x):
    return Normal(0.0, raw.exp()).log_prob(x)


def underflow(raw, x):
    return Normal(0.0, (-raw.abs()).exp()).log_prob(x)


def not_a_number(raw, x):
    return Bernoulli(logits=raw * raw - raw * raw * 1e10).log_prob((x > 0).float())


def runtime_error(raw, x):
    p = raw.softmax(-1) * (raw * 1e10).abs()
    return torch.multinomial(p / p.sum(-1, keepdim=True), 1).float() + raw


@pytest.mark.parametrize("distribution", [overflow, underflow, not_a_number, runtime_error])
def test_a_distribution_that_refuses_what_a_net_puts_out_is_a_breakdown(x, tmp_path, distribution):
    path = tmp_path / "run.safetensors"
    with pytest.raises(NonFiniteLoss, match="epoch 3.*not finite.*learning_rate"):
        fit(Sharp(distribution), x, config=QUICK, checkpoint=path)
    assert len(load_checkpoint(path).history) == 2


def test_a_breakdown_in_validation_is_one_too(x):
    class Validated(Sharp):
        def elbo(self, x):
            self.calls = 0 if self.training or self.calls == 0 else 10
            elbo = super().elbo(x)
            self.calls = 1
            return elbo

    with pytest.raises(NonFiniteLoss, match="epoch 1"):
        fit(Validated(overflow), x, x, config=QUICK)


def test_a_wrong_scale_that_is_finite_is_the_models_error(x):
    def negative(raw, x):
        return Normal(0.0, raw).log_prob(x)

    with pytest.raises(ValueError, match="Expected parameter scale"):
        fit(Sharp(negative, after=99), x, config=QUICK)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, ZeroDivisionError])
def test_errors_that_have_nothing_to_do_with_numbers_stay_what_they_are(x, error):
    def step(model, batch):
        raise error("mine")

    with pytest.raises(error, match="^mine$"):
        fit(nn.Linear(4, 4), x, step=step, config=QUICK)


def test_data_that_are_no_numbers_are_the_datas_fault(x):
    def step(model, batch):
        values = batch.x
        if not values.isfinite().all():
            raise ValueError("x: expected finite numbers, found NaN")
        return model(values).square().mean()

    broken = x.clone()
    broken[3, 1] = NAN
    with pytest.raises(ValueError, match="^x: expected finite numbers"):
        fit(nn.Linear(4, 4), broken, step=step, config=QUICK)
    with pytest.raises(NonFiniteLoss, match="look whether the data hold NaN"):
        fit(nn.Linear(4, 4), broken, step=lambda model, batch: model(batch.x).square().mean(), config=QUICK)


def test_a_real_model_with_a_huge_learning_rate_breaks_down_as_such():
    from hvae_ref.models import TopDownVAE

    torch.manual_seed(0)
    x = (torch.rand(200, 16) > 0.5).float()
    with pytest.raises(NonFiniteLoss):
        fit(TopDownVAE.dense(16, (4, 4)), x, config=replace(QUICK, epochs=40, learning_rate=50.0))
