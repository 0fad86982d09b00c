"""EM agrees with scikit-learn, finds what samples came from, and keeps its digits where others lose them."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.mixture import GaussianMixture as SklearnMixture

from hvae_ref.features.density.em import fit_mixture
from hvae_ref.features.density.kmeans import Reservoir, kmeans, plus_plus
from hvae_ref.features.density.mixture import GaussianMixture


def truth(dim=2):
    corners = torch.tensor([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]]).double()
    loc = torch.cat([corners, torch.zeros(3, dim - 2).double()], -1)
    scale_tril = 0.4 * torch.randn(3, dim, dim).double().tril(-1) + torch.diag_embed(0.5 + torch.rand(3, dim).double())
    return GaussianMixture(torch.tensor([0.5, 0.3, 0.2]).double().log(), loc, scale_tril)


def matched(found, wanted):
    """The order of the found components that brings their locations closest to the wanted ones."""
    return linear_sum_assignment(np.linalg.norm(wanted[:, None] - found[None], axis=-1))[1]


@pytest.mark.parametrize("dim", [2, 5])
def test_it_agrees_with_scikit_learn(dim):
    x = truth(dim).sample((3000,))
    ours = fit_mixture(x, 3, tolerance=1e-9, max_steps=1000)
    peer = SklearnMixture(3, tol=1e-9, max_iter=1000, random_state=0, reg_covar=1e-6).fit(x.numpy())
    assert abs(ours.log_likelihood - peer.score(x.numpy())) < 1e-6
    fresh = truth(dim).sample((500,))
    torch.testing.assert_close(
        ours.mixture.log_prob(fresh), torch.from_numpy(peer.score_samples(fresh.numpy())), atol=1e-3, rtol=0
    )
    order = matched(ours.mixture.loc.numpy(), peer.means_)
    covariance = ours.mixture.scale_tril @ ours.mixture.scale_tril.mT
    np.testing.assert_allclose(ours.mixture.probs[order], peer.weights_, atol=1e-4)
    np.testing.assert_allclose(ours.mixture.loc[order], peer.means_, atol=1e-3)
    np.testing.assert_allclose(covariance[order], peer.covariances_, atol=1e-3)


def test_samples_refitted_give_the_parameters_back():
    wanted, n = truth(), 40_000
    found = fit_mixture(wanted.sample((n,)), 3).mixture
    order = matched(found.loc.numpy(), wanted.loc.numpy())
    counts = n * wanted.probs
    error = (wanted.scale_tril.square().sum(-1) / counts[:, None]).sqrt()
    # The components overlap a little, so errors are a little above those of labelled samples.
    assert ((found.loc[order] - wanted.loc).abs() < 6 * error).all()
    assert ((found.probs[order] - wanted.probs).abs() < 6 * (wanted.probs / n).sqrt()).all()
    torch.testing.assert_close(found.scale_tril[order], wanted.scale_tril, atol=0.06, rtol=0)


def test_one_component_is_the_mean_and_the_covariance():
    x = torch.randn(500, 4).double() @ torch.randn(4, 4).double() + 7
    fit = fit_mixture(x, 1, min_scale=1e-6)
    torch.testing.assert_close(fit.mixture.mean, x.mean(0))
    torch.testing.assert_close(fit.mixture.covariance, torch.cov(x.T, correction=0))
    assert fit.converged


@pytest.mark.parametrize("shift", [1e3, 1e7])
def test_a_large_mean_costs_no_digits(shift):
    x = truth().sample((2000,))
    near, far = (fit_mixture(rows, 3, tolerance=1e-11, max_steps=1000) for rows in (x, x + shift))
    assert abs(near.log_likelihood - far.log_likelihood) < 1e-5
    there, here = (found.loc[found.loc[:, 0].argsort()] for found in (far.mixture, near.mixture))
    torch.testing.assert_close(there - shift, here, atol=1e-4, rtol=0)


def test_each_step_raises_the_likelihood():
    x = truth().sample((1000,))
    reached = [fit_mixture(x, 4, max_steps=steps, starts=1, tolerance=0).log_likelihood for steps in (1, 2, 5, 20, 100)]
    assert reached == sorted(reached) and reached[-1] > reached[0]


def test_a_stream_of_chunks_is_the_same_as_a_tensor():
    x = truth().sample((5000,)).float()
    chunks = [x[:1], x[1:1200], x[1200:]]
    whole, streamed = fit_mixture(x, 3), fit_mixture(chunks, 3)
    assert abs(whole.log_likelihood - streamed.log_likelihood) < 1e-9
    torch.testing.assert_close(streamed.mixture.loc, whole.mixture.loc)
    assert streamed.mixture.loc.dtype == torch.float32


def test_only_one_chunk_of_a_stream_is_alive_at_a_time():
    class Chunks:
        """Makes a chunk when it is asked for one, and counts those somebody still holds."""

        def __init__(self):
            self.alive, self.most = 0, 0

        def __iter__(self):
            generator = torch.Generator().manual_seed(0)
            for _ in range(30):
                chunk = Counted(torch.randn(2000, 2, generator=generator), self)
                yield chunk.x

    class Counted:
        def __init__(self, x, chunks):
            import weakref

            self.x, chunks.alive = x, chunks.alive + 1
            chunks.most = max(chunks.most, chunks.alive)
            weakref.finalize(x, self.gone, chunks)

        @staticmethod
        def gone(chunks):
            chunks.alive -= 1

    chunks = Chunks()
    fit = fit_mixture(chunks, 1, min_scale=1e-3)
    assert (fit.mixture.variance - 1).abs().max() < 0.03
    assert chunks.most <= 3


@pytest.mark.parametrize("components", [1, 3])
def test_constant_features_get_the_floor(components):
    constant = torch.tensor([2.0, -1.0, 5.0])
    fit = fit_mixture(constant.expand(100, 3), components, min_scale=0.01)
    at = 3 * (-0.5 * math.log(2 * math.pi) - math.log(0.01))
    assert abs(fit.log_likelihood - at) < 1e-6
    torch.testing.assert_close(fit.mixture.log_prob(constant).item(), at, rtol=1e-4, atol=0)
    torch.testing.assert_close(fit.mixture.mean, constant)
    torch.testing.assert_close(fit.mixture.variance, torch.full((3,), 1e-4), rtol=1e-3, atol=0)


def test_one_constant_feature_among_others_gets_the_floor():
    x = torch.cat([torch.randn(500, 1), torch.full((500, 1), 3.0), torch.randn(500, 1)], -1)
    mixture = fit_mixture(x, 2, min_scale=0.01).mixture
    torch.testing.assert_close(mixture.scale_tril[:, 1, 1], torch.full((2,), 0.01), rtol=1e-3, atol=0)
    assert mixture.log_prob(torch.tensor([0.0, 3.0, 0.0])) - mixture.log_prob(torch.tensor([0.0, 3.1, 0.0])) > 40


def test_as_many_rows_as_components_is_enough():
    x = torch.tensor([[0.0], [10.0], [20.0]])
    found = fit_mixture(x, 3, min_scale=0.1).mixture
    torch.testing.assert_close(found.loc.sort(0).values, x)


def test_the_seed_decides_and_the_callers_random_state_does_not_move():
    x = truth().sample((500,))
    before = torch.get_rng_state()
    first, second = fit_mixture(x, 5, seed=1), fit_mixture(x, 5, seed=1)
    torch.testing.assert_close(first.mixture.loc, second.mixture.loc)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (torch.zeros(2, 2), {"components": 3}, "x: expected at least as many rows as components, 3, got 2"),
        (torch.zeros(0, 2), {"components": 1}, "x: expected at least one row"),
        (torch.tensor([[0.0], [torch.nan]]), {"components": 1}, "x: expected finite numbers"),
        (torch.tensor([[0.0], [torch.inf]]), {"components": 1}, "x: expected finite numbers"),
        (torch.zeros(4), {"components": 1}, r"x: expected rows of shape \(n, D\)"),
        (torch.zeros(4, 2).long(), {"components": 1}, "in floats"),
        (torch.zeros(4, 2), {"components": 0}, "components: expected a whole number of at least 1, got 0"),
        (torch.zeros(4, 2), {"components": 1, "starts": 0}, "starts: expected a whole number of at least 1, got 0"),
        *(
            (torch.zeros(4, 2), {"components": 1, name: value}, f"{name}: expected a .*number.*, got {value!r}")
            for name, values in (
                ("min_scale", (0.0, True, math.inf, "1")),
                ("tolerance", (math.nan, -1, "x", True)),
                ("seed", (None, 1.5, -1, True)),
                ("max_steps", (0, 2.5)),
            )
            for value in values
        ),
        (iter([torch.zeros(4, 2)]), {"components": 1}, "iterated over again"),
    ],
)
def test_what_cannot_be_fitted_is_named(x, arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        fit_mixture(x, **arguments)


def test_numbers_of_numpy_are_numbers(unchecked):
    x = truth().sample((60,))
    plain = fit_mixture(x, 2, seed=3, min_scale=0.1, tolerance=1e-3)
    ours = fit_mixture(x, np.int64(2), seed=np.int64(3), min_scale=np.float64(0.1), tolerance=np.float64(1e-3))
    torch.testing.assert_close(ours.mixture.loc, plain.mixture.loc)


def test_kmeans_plus_plus_finds_far_clusters():
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    which = torch.arange(4).repeat_interleave(torch.tensor([500, 20, 20, 20]))
    x = centres[which] + torch.randn(len(which), 2)
    found = plus_plus(x, 4, torch.Generator().manual_seed(0))
    assert sorted(torch.cdist(found, centres).argmin(-1).tolist()) == [0, 1, 2, 3]
    labels = kmeans(x, 4, torch.Generator().manual_seed(0))
    assert len(set(zip(which.tolist(), labels.tolist(), strict=True))) == 4


def test_a_reservoir_keeps_each_row_equally_often():
    rows = torch.arange(40.0)[:, None]
    counts = torch.zeros(40)
    for seed in range(2000):
        reservoir = Reservoir(10, torch.Generator().manual_seed(seed))
        for chunk in rows.split(7):
            reservoir.add(chunk)
        counts[reservoir.kept[:, 0].long()] += 1
    assert counts.sum() == 20_000
    assert ((counts - 500).abs() < 4.5 * (2000 * 0.25 * 0.75) ** 0.5).all()


def test_a_reservoir_larger_than_the_stream_is_the_stream():
    rows = torch.randn(30, 2)
    reservoir = Reservoir(30, torch.Generator().manual_seed(0))
    for chunk in rows.split(4):
        reservoir.add(chunk)
    assert torch.equal(reservoir.kept, rows)


@pytest.mark.parametrize("scale", [1e5, 1e8])
def test_a_line_of_large_numbers_is_fitted_and_its_rounding_is_no_error(scale):
    x = scale * torch.randn(500, 1) @ torch.ones(1, 3)
    fit = fit_mixture(x, 2)
    assert math.isfinite(fit.log_likelihood)
    assert fit.mixture.covariance[0, 0].item() == pytest.approx(scale**2, rel=0.2)


def test_a_floor_below_rounding_is_no_error():
    assert math.isfinite(fit_mixture(torch.randn(500, 1) @ torch.ones(1, 3), 2, min_scale=1e-12).log_likelihood)


@pytest.mark.parametrize("x", [[torch.randn(10, 3), torch.randn(10, 4)], torch.zeros(10, 0)], ids=["widths", "none"])
def test_rows_of_no_or_of_different_widths_are_named(x, unchecked):
    with pytest.raises(ValueError, match="x: expected"):
        fit_mixture(x, 2)
