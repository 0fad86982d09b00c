"""Measurements on models with a condition: each row meets its own, whatever the batches."""

import pytest
import torch

from hvae_ref.elbo import log_mean_exp
from hvae_ref.evaluation import (
    active_units,
    evaluate,
    importance_bound,
    interpolate,
    mutual_information,
    posterior_mean_variance,
    reconstruction_errors,
)
from hvae_ref.evaluation.conditions import batches, given
from hvae_ref.models import VAE, TwoLevelVAE
from hvae_ref.nn import Covariates, Labels

KINDS = ("labels", "covariates")
D = 6


def build(kind: str):
    torch.manual_seed(1)
    condition = Labels(3) if kind == "labels" else Covariates(2)
    model = TwoLevelVAE.dense(D, (3, 2), (8,), (8,), condition=condition)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model


def images(n: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((n, D), 0.5), generator=torch.Generator().manual_seed(0))


def conditions(kind: str, n: int, seed: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, 3, (n,), generator=generator) if kind == "labels" else torch.randn(n, 2, generator=generator)
    )


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_batches_keep_rows_and_conditions_together(shape: tuple) -> None:
    x = torch.arange(7.0)[:, None]
    c = (10 * torch.arange(7.0)).view(7, *[1] * len(shape)).expand(7, *shape)
    for rows, beside in batches(x, c, 3):
        assert torch.equal(beside["condition"].reshape(len(rows), -1)[:, 0], 10 * rows[:, 0])
        assert beside["condition"].shape[1:] == shape
    assert [len(rows) for rows, _ in batches(x, c[:1], 3)] == [3, 3, 1]
    assert [beside for _, beside in batches(x, None, 3)] == [{}, {}, {}]
    assert given(None, 3) == {} and given(c[:1], 4)["condition"].shape == (4, *shape)
    for wrong in (c[:2], torch.zeros(())):
        with pytest.raises(ValueError, match=r"condition: expected 7 rows or 1, got shape"):
            list(batches(x, wrong, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_a_conditional_model(kind: str) -> None:
    model, x, c = build(kind), images(60), conditions(kind, 60)
    result = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c)
    assert list(result.kl) == list(model.levels) == list(result.active_units)
    assert result.negative_elbo == pytest.approx(result.distortion + sum(result.kl.values()), rel=1e-6)
    assert result.iwae_nll < result.negative_elbo + 4 * result.negative_elbo_se
    again = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c)
    shuffled = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c.flip(0))
    assert again.negative_elbo == pytest.approx(result.negative_elbo)
    assert shuffled.negative_elbo != pytest.approx(result.negative_elbo)
    assert result.active_units == active_units(model, x, condition=c)
    assert result.mutual_information == pytest.approx(mutual_information(model, x, condition=c))
    with pytest.raises(ValueError, match="condition: expected one.* got None"):
        evaluate(model, x, iwae_samples=4)
    with pytest.raises(ValueError, match="condition: expected 60 rows or 1"):
        evaluate(model, x, iwae_samples=4, condition=c[:7])
    with pytest.raises(ValueError, match="condition: expected None"):
        evaluate(VAE.dense(D, (2,), (8,)), x, iwae_samples=4, condition=c)


@pytest.mark.parametrize("kind", KINDS)
def test_the_importance_bound_is_the_mean_of_the_weights_under_each_rows_condition(kind: str) -> None:
    model, x, c = build(kind), images(4), conditions(kind, 4)
    torch.manual_seed(0)
    bound = importance_bound(model, x, n=10, chunk=10, condition=c)
    torch.manual_seed(0)
    with torch.no_grad():
        torch.testing.assert_close(bound, log_mean_exp(model.log_weight(x, 10, condition=c)))
    assert importance_bound(model, x, n=7, chunk=3, condition=c[:1]).shape == (4,)


@pytest.mark.parametrize("kind", KINDS)
def test_variances_of_posterior_means_do_not_depend_on_the_batches(kind: str) -> None:
    model, x, c = build(kind), images(30), conditions(kind, 30)
    one, many = (posterior_mean_variance(model, x, batch_size=size, condition=c) for size in (30, 7))
    mean = model.encode(x, condition=c)["z1"].mean.detach()
    torch.testing.assert_close(one["z1"], mean.var(0))
    torch.testing.assert_close(many["z1"], mean.var(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("others", ["prior", "posterior"])
def test_walks_and_reconstructions_under_a_condition(others: str, kind: str) -> None:
    model, x, c = build(kind), images(4), conditions(kind, 4)
    walk = interpolate(model, x[0], x[1], "z1", steps=5, others=others, condition=c[0])
    assert walk.shape == (5, D)
    different = (c[0] + 1) % 3 if kind == "labels" else c[0] + 1
    other = interpolate(model, x[0], x[1], "z1", steps=5, others=others, condition=different)
    assert not torch.allclose(walk, other)
    ends = interpolate(model, x[0], x[1], "z1", steps=5, others=others, condition=c[0], condition_b=different)
    torch.testing.assert_close(ends[0], walk[0])
    assert not torch.allclose(ends[-1], walk[-1])
    with pytest.raises(ValueError, match="condition: expected that of x_a beside condition_b, got None"):
        interpolate(model, x[0], x[1], "z1", condition_b=c[0])
    errors = reconstruction_errors(model, x, batch_size=3, condition=c)
    assert list(errors) == [(), ("z2",), ("z2", "z1")]
