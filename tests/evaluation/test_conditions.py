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
from tests.abr.models.responses import L, build, conditions, signals

KINDS = ("hierarchical", "cvae")


def test_batches_keep_rows_and_conditions_together() -> None:
    x, c = torch.arange(7.0)[:, None], 10 * torch.arange(7.0)[:, None]
    for rows, beside in batches(x, c, 3):
        assert torch.equal(beside["condition"], 10 * rows)
    for rows, beside in batches(x, torch.arange(7), 3):  # labels
        assert torch.equal(beside["condition"].float(), rows[:, 0])
    assert [len(rows) for rows, _ in batches(x, c[:1], 3)] == [3, 3, 1]
    assert [beside for _, beside in batches(x, None, 3)] == [{}, {}, {}]
    assert given(None, 3) == {} and given(c[:1], 4)["condition"].shape == (4, 1)
    for wrong in (c[:2], torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"condition: expected 7 rows or 1, got shape"):
            list(batches(x, wrong, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_a_conditional_model(kind: str) -> None:
    model, x, c = build(kind), signals(60), conditions(60)
    result = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c)
    assert list(result.kl) == list(model.levels) == list(result.active_units)
    assert result.negative_elbo == pytest.approx(result.distortion + sum(result.kl.values()), rel=1e-6)
    assert result.iwae_nll < result.negative_elbo + 4 * result.negative_elbo_se
    assert result.bits_per_dim is None
    again = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c)
    shuffled = evaluate(model, x, iwae_samples=64, batch_size=25, condition=c.flip(0))
    assert again == result and shuffled.negative_elbo != result.negative_elbo
    assert result.active_units == active_units(model, x, condition=c)
    assert result.mutual_information == mutual_information(model, x, condition=c)
    with pytest.raises(ValueError, match="condition: expected one, for this model is conditional"):
        evaluate(model, x, iwae_samples=4)
    with pytest.raises(ValueError, match="condition: expected 60 rows or 1"):
        evaluate(model, x, iwae_samples=4, condition=c[:7])


@pytest.mark.parametrize("kind", KINDS)
def test_the_importance_bound_is_the_mean_of_the_weights_under_each_rows_condition(kind: str) -> None:
    model, x, c = build(kind), signals(4), conditions(4)
    torch.manual_seed(0)
    bound = importance_bound(model, x, n=10, chunk=10, condition=c)
    torch.manual_seed(0)
    with torch.no_grad():
        torch.testing.assert_close(bound, log_mean_exp(model.log_weight(x, 10, condition=c)))
    assert importance_bound(model, x, n=7, chunk=3, condition=c[:1]).shape == (4,)


@pytest.mark.parametrize("kind", KINDS)
def test_variances_of_posterior_means_do_not_depend_on_the_batches(kind: str) -> None:
    model, x, c = build(kind), signals(30), conditions(30)
    one, many = (posterior_mean_variance(model, x, batch_size=size, condition=c) for size in (30, 7))
    for level, q in model.encode(x, condition=c).items():
        torch.testing.assert_close(one[level], q.mean.var(0).detach())
        torch.testing.assert_close(one[level], many[level])


@pytest.mark.parametrize("others", ["prior", "posterior"])
def test_walks_and_reconstructions_under_a_condition(others: str) -> None:
    model, x, c = build("hierarchical"), signals(4), conditions(1)[0]
    walk = interpolate(model, x[0], x[1], "z_global", steps=5, others=others, condition=c)
    assert walk.shape == (5, L)
    other = interpolate(model, x[0], x[1], "z_global", steps=5, others=others, condition=conditions(1, seed=9)[0])
    assert not torch.equal(walk, other)
    errors = reconstruction_errors(model, x, batch_size=3, condition=conditions(4))
    assert list(errors) == [(), ("z_global",), ("z_global", "z_local")]
