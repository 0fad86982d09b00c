"""Kinds of covariances, criteria and given starts, as scikit-learn has them; and what is no data for a fit."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture as SklearnMixture
from torch.utils.data import DataLoader, TensorDataset

from hvae_ref.features import GaussianMixture, fit_mixture

PEER = {"full": "full", "diagonal": "diag", "tied": "tied"}


@pytest.fixture(scope="module")
def x():
    torch.manual_seed(3)
    centres = torch.tensor([[-4.0, 0, 1], [4.0, 1, 0], [0.0, 5, -2]]).double()
    mixing = torch.tensor([[1.0, 0.4, 0], [0, 0.7, 0.2], [0, 0, 1.3]]).double()
    return centres[torch.arange(1500) % 3] + torch.randn(1500, 3).double() @ mixing


@pytest.mark.parametrize("covariance", PEER)
def test_each_kind_agrees_with_scikit_learn(x, covariance):
    fit = fit_mixture(x, 3, covariance=covariance, tolerance=1e-9, max_steps=500, min_scale=1e-3)
    peer = SklearnMixture(3, covariance_type=PEER[covariance], tol=1e-9, max_iter=500, reg_covar=1e-6, random_state=0)
    peer.fit(x.numpy())
    assert fit.log_likelihood == pytest.approx(peer.score(x.numpy()), abs=1e-5)
    assert fit.aic == pytest.approx(peer.aic(x.numpy()), abs=0.05)
    assert fit.bic == pytest.approx(peer.bic(x.numpy()), abs=0.05)
    np.testing.assert_allclose(fit.mixture.log_prob(x[:50]).numpy(), peer.score_samples(x[:50].numpy()), atol=5e-3)
    scatter = fit.mixture.scale_tril @ fit.mixture.scale_tril.mT
    if covariance == "diagonal":
        assert torch.equal(scatter, torch.diag_embed(scatter.diagonal(dim1=-2, dim2=-1)))
    if covariance == "tied":
        torch.testing.assert_close(scatter, scatter[:1].expand_as(scatter))


def test_the_criteria_choose_the_number_of_components(x):
    fits = {k: fit_mixture(x, k, starts=2) for k in (1, 2, 3, 4)}
    assert min(fits, key=lambda k: fits[k].bic) == 3
    assert fits[3].rows == len(x) and fits[3].parameters == 2 + 9 + 18


def test_em_begins_where_it_is_told_to(x):
    places = torch.tensor([[-4.0, 0, 1], [4.0, 1, 0], [0.0, 5, -2]])
    fit = fit_mixture(x, 3, init=places)
    assert (fit.mixture.loc - places).norm(dim=1).max() < 0.3  # and in the order given
    turned = fit_mixture(x, 3, init=places.flip(0))
    torch.testing.assert_close(turned.mixture.loc.flip(0), fit.mixture.loc, atol=1e-3, rtol=0)
    again = fit_mixture(x, 3, init=fit.mixture)
    assert again.steps <= 1 and again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-4)
    # Two locations in one cluster stay a poorer fit than k-means finds: the start is used as it is.
    poor = fit_mixture(x, 2, init=torch.tensor([[-4.0, 0, 1], [-4.1, 0, 1]]), max_steps=1)
    assert poor.log_likelihood < fit_mixture(x, 2).log_likelihood - 0.01
    lone = fit_mixture(x, 2, init=torch.tensor([[0.0, 2, 0], [90.0, 90, 90]]), max_steps=3)
    assert lone.mixture.loc.isfinite().all() and lone.mixture.scale_tril.isfinite().all()


ROWS = torch.randn(20, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"x": DataLoader(TensorDataset(ROWS))},
            "x: expected tensors .n, D. as chunks, got list; .*batch.0. for batch in",
        ),
        ({"x": ROWS.numpy()}, r"x: expected a tensor \(N, D\) or chunks of it, got shape \(20, 2\) float32"),
        ({"x": ROWS.tolist()}, "x: expected tensors .n, D. as chunks, got list"),
        ({"x": {"level1": ROWS}}, "x: expected a tensor .N, D. or chunks of it, got dict"),
        ({"x": 3}, "x: expected a tensor .N, D. or chunks of it, got int"),
        ({"covariance": "diag"}, "covariance: expected one of full, diagonal, tied, got 'diag'"),
        ({"init": torch.zeros(3, 2)}, r"init: expected locations \(2, 2\), got \(3, 2\)"),
        ({"init": [[0.0, 0.0], [1.0, 1.0]]}, "init: expected locations or a mixture, got list"),
        ({"init": torch.full((2, 2), torch.nan)}, "init: expected finite locations"),
        ({"components": 2.0}, "components: expected a whole number of at least 1, got 2.0"),
    ],
)
def test_what_cannot_be_fitted_is_named(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        fit_mixture(**({"x": ROWS, "components": 2} | arguments))


def test_loaders_of_plain_rows_are_read():
    fit = fit_mixture(DataLoader(ROWS, batch_size=6), 1)
    torch.testing.assert_close(fit.mixture.mean, ROWS.mean(0), atol=1e-5, rtol=1e-5)
    assert isinstance(fit.mixture, GaussianMixture)
