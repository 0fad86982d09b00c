"""fit: the same as a loop written by hand, and everything around it."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from hvae_ref.data import source_of
from hvae_ref.elbo import Elbo
from hvae_ref.models import TwoLevelVAE
from hvae_ref.objectives import FreeBits, Geco, LinearWarmup, MmdPenalty, NegativeElbo
from hvae_ref.training import Batches, ElboStep, NonFiniteLoss, TrainConfig, fit, load_checkpoint
from tests.training.linear_models import doubled

QUICK = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, device="cpu")


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], **tolerance)


def mean_terms(model, x):
    elbo = model.elbo(x)
    return elbo.log_px.mean().item(), elbo.kl["z1"].mean().item()


def test_fit_is_the_loop_one_would_write(linear, x):
    """Same batches, same schedule: weights and losses agree with twelve lines of plain torch."""
    config = TrainConfig(
        epochs=4, batch_size=20, learning_rate=0.01, schedule="cosine", weight_decay=0.1, gradient_clip=0.5,
        device="cpu", seed=5,
    )  # fmt: skip
    ours, bare = linear(), linear()
    history = fit(ours, x, objective=NegativeElbo(LinearWarmup(fraction=1.0)), config=config)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=0.01, weight_decay=0.1)
    batches, step, losses = Batches(source_of("train", x), 20, seed=5), 0, []
    for epoch in range(4):
        losses.append(0.0)
        for batch in batches.epoch(epoch):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / 12)).item())
            elbo = bare.elbo(batch.x)
            loss = -elbo.log_px.mean() + step / 12 * elbo.kl["z1"].mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(bare.parameters(), 0.5)
            optimizer.step()
            losses[-1] += loss.item() / 3
            step += 1
    assert_same(weights(ours), weights(bare), rtol=1e-4, atol=1e-6)
    assert history.curve("loss") == pytest.approx(losses, rel=1e-5)
    assert history.curve("learning_rate") == pytest.approx(
        [0.005 * (1 + torch.cos(torch.tensor(torch.pi * s / 12)).item()) for s in (2, 5, 8, 11)]
    )


def test_validation_is_the_bound_on_all_examples(linear, x):
    model, held_out = linear(), x[:7] + 1
    history = fit(model, x, held_out, config=TrainConfig(epochs=2, batch_size=3, device="cpu"))
    log_px, kl = mean_terms(model, held_out)
    terms = history.last.validation
    assert (terms.log_px, terms.kl["z1"]) == pytest.approx((log_px, kl), rel=1e-5)
    assert terms.negative_elbo == pytest.approx(kl - log_px, rel=1e-5)


def test_the_history_reports_the_bound_whatever_is_minimised(linear, x):
    history = fit(linear(), x, objective=NegativeElbo(5.0), config=QUICK)
    record = history.epochs[0]
    assert record.loss == pytest.approx(5 * record.train.kl["z1"] - record.train.log_px, rel=1e-5)
    assert record.train.negative_elbo == pytest.approx(record.train.kl["z1"] - record.train.log_px)
    assert record.weights == {"beta/z1": 5.0}


def test_another_bound_is_trained_and_the_elbo_is_validated(linear, x):
    model = linear()
    history = fit(model, x, x, config=QUICK, step=ElboStep(bound=doubled))
    assert history.last.validation.log_px == pytest.approx(mean_terms(model, x)[0], rel=1e-5)
    assert history.epochs[0].train.log_px < 1.5 * history.epochs[0].validation.log_px


def vae(**settings):
    torch.manual_seed(3)
    return TwoLevelVAE.dense(4, (3, 2), hidden=(8,), hidden_top=(8,), **settings)


@pytest.fixture
def binary(x):
    return (x > 0).float()


def test_the_seed_decides_every_number(binary):
    runs = []
    for caller, seed in ((1, 0), (2, 0), (1, 1)):
        model = vae(dropout=0.2)
        torch.manual_seed(caller)
        config = TrainConfig(epochs=2, batch_size=20, seed=seed, device="cpu")
        history = fit(model, binary, binary, config=config)
        runs.append((weights(model), history.curve("validation.negative_elbo")))
    assert_same(runs[0][0], runs[1][0], rtol=0, atol=0)
    assert runs[0][1] == runs[1][1] != runs[2][1]


def test_the_callers_random_state_is_left_alone(binary):
    model = vae()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(model, binary, binary, config=QUICK)
    assert torch.equal(torch.rand(3), expected)


def test_patience_stops_and_the_best_weights_come_back(linear, x):
    """Trained on x, validated on something else: after a few epochs validation gets worse and stays so."""
    model = linear()
    config = TrainConfig(epochs=200, batch_size=20, learning_rate=0.03, patience=3, device="cpu")
    history = fit(model, x + 3, x - 3, config=config)
    curve = history.curve("validation.negative_elbo")
    assert history.stopped_early and len(curve) == history.best_epoch + 3 < 200
    assert min(curve) == curve[history.best_epoch - 1] < curve[-1]
    log_px, kl = mean_terms(model, x - 3)
    assert kl - log_px == pytest.approx(min(curve), rel=1e-5)


def test_without_patience_the_last_weights_stay(linear, x):
    config = TrainConfig(epochs=200, batch_size=20, learning_rate=0.03, patience=3, device="cpu")
    stopped = fit(linear(), x + 3, x - 3, config=config)
    model = linear()
    history = fit(model, x + 3, x - 3, config=replace(config, epochs=len(stopped), patience=None))
    assert history.curve("validation.negative_elbo") == stopped.curve("validation.negative_elbo")
    assert history.best_epoch == stopped.best_epoch < len(history)
    log_px, kl = mean_terms(model, x - 3)
    assert kl - log_px == pytest.approx(history.last.validation.negative_elbo, rel=1e-5)


def test_the_average_of_the_weights_is_validated_and_kept(linear, x, tmp_path):
    """Against the average made by hand from one checkpoint a step (an epoch is one step here)."""
    path, steps = tmp_path / "run.safetensors", []
    config = TrainConfig(epochs=5, batch_size=60, learning_rate=0.1, ema_decay=0.6, device="cpu")

    def keep(record, model):
        seen.append(weights(model))

    seen = []
    model = linear()
    expected = weights(model)
    history = fit(model, x, x, config=config, checkpoint=path, callbacks=[keep])
    for epochs in range(1, 6):
        plain = linear()
        fit(plain, x, config=TrainConfig(epochs=epochs, batch_size=60, learning_rate=0.1, device="cpu"))
        steps.append(weights(plain))
    for step, shown in zip(steps, seen, strict=True):
        expected = {name: 0.6 * expected[name] + 0.4 * step[name] for name in expected}
        assert_same(shown, expected, rtol=1e-4, atol=1e-5)
    assert_same(weights(model), expected, rtol=1e-4, atol=1e-5)
    log_px, kl = mean_terms(model, x)
    assert history.last.validation.negative_elbo == pytest.approx(kl - log_px, rel=1e-5)
    found = load_checkpoint(path)
    assert_same(found.model, steps[-1], rtol=1e-4, atol=1e-5)
    assert_same(found.weights, weights(model))


def test_gradients_are_clipped_to_the_norm(linear, x):
    for clip in (0.01, None):
        model = linear()
        fit(model, x + 5, config=TrainConfig(epochs=1, batch_size=60, gradient_clip=clip, device="cpu"))
        norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
        assert norm == pytest.approx(0.01, rel=1e-3) if clip else norm > 1


@dataclass
class Shifting:
    """A data set whose batches are drawn anew: what dynamic binarisation looks like to training."""

    x: torch.Tensor

    def batch_transform(self, x, generator):
        return (x > torch.rand(x.shape, generator=generator)).float()


def test_a_data_sets_transform_reaches_training_and_validation(x):
    model = vae()
    history = fit(model, Shifting(x.sigmoid()), Shifting(x.sigmoid()), config=QUICK)  # refuses what is not binary
    again = fit(vae(), Shifting(x.sigmoid()), Shifting(x.sigmoid()), config=QUICK)
    assert history.curve("validation.log_px") == again.curve("validation.log_px")


@pytest.mark.parametrize(
    "objective",
    [
        NegativeElbo({"z2": LinearWarmup(), "z1": 1.0}, free_bits=FreeBits(0.5), mmd=MmdPenalty(1.0)),
        Geco(constraint=2.0, free_bits=FreeBits({"z2": 0.1, "z1": 0.2}, over="example")),
    ],
)
def test_every_objective_trains_a_real_model(binary, objective, device):
    model = vae()
    before = weights(model)
    history = fit(model, binary, binary, objective=objective, config=TrainConfig(epochs=2, batch_size=20))
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert all(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert set(history.last.weights) >= {"beta/z2", "beta/z1"}


def test_bfloat16_trains_to_nearly_the_same_bound(binary, device):
    ends = []
    for precision in ("float32", "bfloat16"):
        config = TrainConfig(epochs=30, batch_size=20, learning_rate=0.01, precision=precision, device=device.type)
        ends.append(fit(vae(), binary, binary, config=config).last.validation.negative_elbo)
    # bfloat16 has 8 significant bits: relative errors of 2⁻⁸ a layer leave a bound of about 3 nats within 0.1.
    assert ends[0] != ends[1]
    assert ends[0] == pytest.approx(ends[1], abs=0.1)


def test_the_model_comes_back_ready_to_use(binary):
    model = vae(dropout=0.5)
    names = list(model.state_dict())
    fit(model, binary, config=QUICK)
    assert not model.training and list(model.state_dict()) == names
    assert next(model.parameters()).device.type == "cpu"


def test_callbacks_see_each_epoch(linear, x):
    seen = []
    history = fit(linear(), x, config=QUICK, callbacks=[lambda record, model: seen.append(record)])
    assert seen == history.epochs and [record.epoch for record in seen] == [1, 2, 3]


class Breaking(nn.Module):
    """Trains well for a few steps, then its loss is no number any more."""

    levels = ("z1",)

    def __init__(self, after, refuse):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.after, self.refuse, self.calls = after, refuse, 0

    def elbo(self, x):
        self.calls += 1
        if self.calls > self.after:
            if self.refuse and not torch.isfinite(self.weight).all():
                raise ValueError("Expected parameter loc to satisfy the constraint Real()")
            x = x * float("nan")
        return Elbo(-(x * self.weight).square().sum(-1), {"z1": self.weight.square().sum().expand(len(x))})


@pytest.mark.parametrize("refuse", [False, True])
def test_a_breakdown_is_told_and_the_last_good_checkpoint_is_kept(x, tmp_path, refuse):
    path = tmp_path / "run.safetensors"
    with pytest.raises(NonFiniteLoss, match="epoch 3.*not finite"):
        fit(Breaking(after=7, refuse=refuse), x, config=QUICK, checkpoint=path)
    found = load_checkpoint(path)
    assert len(found.history) == 2
    assert torch.isfinite(found.weights["weight"]).all()


def test_other_errors_of_a_model_stay_what_they_are(x):
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        fit(vae(), x, config=QUICK)


@pytest.mark.parametrize(
    ("settings", "config", "named"),
    [
        ({"step": "elbo"}, {}, "step"),
        ({"step": ElboStep}, {}, "step"),
        ({"step": NegativeElbo()}, {}, "step"),
        ({"step": ElboStep(), "objective": NegativeElbo()}, {}, "objective"),
        ({}, {"patience": 2}, "validation"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_arguments_that_do_not_fit_are_refused_by_name(linear, x, settings, config, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        fit(linear(), x, config=TrainConfig(**config), **settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_told(linear, x):
    with pytest.raises(ValueError, match="^device: expected .* no CUDA device"):
        fit(linear(), x, config=TrainConfig(device="cuda"))
