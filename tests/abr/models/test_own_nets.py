"""Nets from outside: a reader's own encoder, decoder and likelihood enter a model of responses without a subclass."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.abr import HierarchicalResponseCVAE, ResponseCVAE
from hvae_ref.abr.models import ScaledCovariates
from hvae_ref.elbo import log_mean_exp
from hvae_ref.evaluation import evaluate, utilisation
from hvae_ref.nn import ConditionalNormal, StandardNormal
from tests.abr.models.responses import L, conditions, signals, targets

SOME = ("level", "sex")


class Convolutions(nn.Module):
    """From a signal (B, L), and whatever stands beside it, to numbers (B, outputs)."""

    def __init__(self, outputs: int, beside: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), nn.SiLU(), nn.AdaptiveAvgPool1d(3), nn.Flatten())
        self.last = nn.Linear(12 + beside, outputs)

    def forward(self, x: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat((self.body(x[:, None]), *beside), 1))


class Trunk(nn.Module):
    """The mean in units of 0.2 µV, straight from all latents and the condition."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.out = nn.Linear(inputs, L)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat(given, 1))


class Steady(nn.Module):
    """p(x|h, c) = N(0.2 µV h, (0.1 µV)²)."""

    def forward(self, h: torch.Tensor, c: torch.Tensor) -> Independent:
        return Independent(Normal(0.2 * h, 0.1), 1)


def one_latent(**more: object) -> ResponseCVAE:
    torch.manual_seed(0)
    q = ConditionalNormal(Convolutions(2 * 2, beside=2))
    return ResponseCVAE(L, StandardNormal((2,)), q, Trunk(4), Steady(), ScaledCovariates(SOME), **more)


def two_latents(**more: object) -> HierarchicalResponseCVAE:
    torch.manual_seed(0)
    prior, (q_global, q_local) = (
        StandardNormal((2,)),
        (ConditionalNormal(Convolutions(2 * 2, beside=beside)) for beside in (2, 2 + 3)),
    )
    condition = ScaledCovariates(SOME)
    return HierarchicalResponseCVAE(
        L, prior, prior, q_global, q_local, Trunk(6), Steady(), condition, early_length=3, **more
    )


@pytest.mark.parametrize("make", [one_latent, two_latents])
def test_a_model_of_own_nets_does_what_every_model_does(make, tmp_path) -> None:
    model, other, x, c = make(), make(), signals(20, dtype=torch.float32), conditions(20, dtype=torch.float32)
    peaks, present = targets(20, dtype=torch.float32)
    assert model.covariates == SOME and set(model.dims.values()) == {2}
    bound = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    assert tuple(bound.auxiliary) == ("alignment",) and tuple(bound.kl) == model.levels and not bound.sampled
    (-bound.value.mean()).backward()
    assert all((parameter.grad != 0).any() for parameter in model.parameters())
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    before = -bound.value.mean().item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = -model.elbo(x, condition=c).value.mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < before - 1
    torch.save(model.state_dict(), tmp_path / "own.pt")
    other.load_state_dict(torch.load(tmp_path / "own.pt"))
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    a, b = (m.sample(20, condition=c, generator=g) for m, g in zip((model, other), generators, strict=True))
    torch.testing.assert_close(a, b)
    assert a.shape == (20, L)
    with torch.no_grad():
        assert log_mean_exp(model.log_weight(x, 200, condition=c)).mean() > -loss.item() - 0.5
    assert list(evaluate(model, x, iwae_samples=4, condition=c).kl) == list(model.levels)
    assert all(use.effect > 0 for use in utilisation(model, x, condition=c).values())


def test_an_expectation_of_ones_own_is_a_learned_prior() -> None:
    """With m(c) = 1 and s(c) = 2 the decoder is given 1 + 2 z."""

    class Fixed(nn.Module):
        def forward(self, c: torch.Tensor) -> Independent:
            return Independent(Normal(torch.ones(len(c), 2), 2.0), 1)

    plain, moved = one_latent(), one_latent(expected={"z_global": Fixed()})
    c, z = conditions(4, dtype=torch.float32), torch.randn(4, 2)
    torch.testing.assert_close(
        moved.decode({"z_global": z}, condition=c).mean, plain.decode({"z_global": 1 + 2 * z}, condition=c).mean
    )
    x = signals(4, dtype=torch.float32)
    a, b = (model.encode(x, condition=c)["z_global"] for model in (plain, moved))
    torch.testing.assert_close(b.mean, (a.mean - 1) / 2)
    torch.testing.assert_close(b.stddev, a.stddev / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one_latent(expected={"z1": nn.Identity()}), "expected: expected heads for z_global, got z1"),
        (lambda: one_latent(static_reads=("z_global",)), "static_head, static_reads: expected a head and the levels"),
        (lambda: one_latent(static_head=nn.Identity()), "static_head, static_reads: expected a head and the levels"),
        (lambda: two_latents(static_reads=("z2",)), "static_reads: expected a sequence out of z_global, z_local"),
        (lambda: HierarchicalResponseCVAE(L, *[nn.Identity()] * 6, ScaledCovariates(), early_length=L + 1),
         f"early_length: expected 0 to {L} samples, got {L + 1}"),
    ],
)  # fmt: skip
def test_arrows_that_do_not_fit_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
