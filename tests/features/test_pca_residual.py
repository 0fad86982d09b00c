"""The rest of the directions completes a density of the leading ones to a normalised density of all."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from hvae_ref.features import GaussianMixture, Reduction
from hvae_ref.features.pyramid.pca_residual import leading_components, residual_log_prob


def test_leading_and_rest_make_the_density_of_all_directions():
    # Correlated Gaussian features: with whitened principal components both factors are standard normal.
    torch.manual_seed(1)
    mixing = torch.randn(4, 4, dtype=torch.float64)
    f = torch.randn(50, 4, 8, 8, dtype=torch.float64).movedim(1, -1) @ mixing.T
    features = {"a": f.movedim(-1, 1) + 3}
    reduction = Reduction(4, whiten=True).fit(features)
    u = reduction.transform(features)
    rows = f.flatten(0, -2) + 3
    expected = MultivariateNormal(rows.mean(0), rows.T.cov(correction=0)).log_prob(rows).view(50, 8, 8)
    origin, eye = torch.zeros(1, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)[None]
    first = GaussianMixture(torch.zeros(1, dtype=torch.float64), origin, eye)
    log_p = first.log_prob(leading_components(u, {"a": 2})["a"].movedim(1, -1)) + residual_log_prob(u, {"a": 2})["a"]
    assert torch.allclose(log_p + reduction.log_abs_det["a"], expected, atol=1e-6)


def test_the_product_integrates_to_one_over_leading_and_rest():
    grid = torch.linspace(-12, 12, 481, dtype=torch.float64)
    points = torch.cartesian_prod(grid, grid)
    u = {"a": points.T[None, :, :, None]}
    two = torch.tensor([[-2.0], [1.0]], dtype=torch.float64)
    mixture = GaussianMixture(torch.tensor([0.3, 0.7]).double().log(), two, torch.full((2, 1, 1), 0.6).double())
    first = mixture.log_prob(leading_components(u, {"a": 1})["a"].movedim(1, -1))
    total = (first + residual_log_prob(u, {"a": 1})["a"]).exp().sum() * (grid[1] - grid[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-9)


def test_only_the_levels_asked_for_and_no_rest_is_worth_nothing():
    u = {"a": torch.randn(2, 3, 4, 4), "b": torch.randn(2, 5, 2, 2)}
    assert leading_components(u, {"b": 2}).keys() == residual_log_prob(u, {"b": 2}).keys() == {"b"}
    assert torch.equal(leading_components(u, {"b": 2})["b"], u["b"][:, :2])
    assert torch.equal(residual_log_prob(u, {"a": 3})["a"], torch.zeros(2, 4, 4))


@pytest.mark.parametrize("call", [leading_components, residual_log_prob])
def test_wrong_values_are_named(call):
    u = {"a": torch.randn(2, 3, 4, 4)}
    with pytest.raises(ValueError, match=r"dims: expected some of the levels \['a'\], got 'b'"):
        call(u, {"b": 1})
    for dim in (0, 4):
        with pytest.raises(ValueError, match=f"dims: expected 1 to 3 on a, got {dim}"):
            call(u, {"a": dim})
