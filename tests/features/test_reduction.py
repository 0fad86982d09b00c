"""The reduction is principal component analysis, in one pass, on any batches, and says what it loses."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hvae_ref.features import FeaturePyramid, Reduction
from hvae_ref.features.pyramid.running_covariance import RunningCovariance


def correlated(*shape, seed=0, mean=0.0, dtype=torch.float64):
    """Maps (B, C, H, W) whose channels have different variances along random directions, and a mean."""
    generator = torch.Generator().manual_seed(seed)
    channels = shape[1]
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    mixing = mixing * torch.linspace(2.0, 0.1, channels, dtype=torch.float64)
    offset = mean * (1 + torch.rand(channels, generator=generator, dtype=torch.float64))
    noise = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return (torch.einsum("bchw,dc->bdhw", noise, mixing) + offset[:, None, None]).to(dtype)


def vectors(f):
    return f.permute(0, 2, 3, 1).reshape(-1, f.shape[1])


@pytest.fixture
def features():
    return {"level1": correlated(6, 5, 8, 7, mean=3.0), "level2": correlated(6, 9, 4, 3, seed=1)}


@pytest.mark.parametrize("whiten", [False, True])
def test_it_is_sklearns_pca(features, whiten):
    dims = {"level1": 3, "level2": 9}
    reduction = Reduction(dims, whiten).fit(features)
    reduced = reduction.transform(features)
    for level, f in features.items():
        x = vectors(f).numpy()
        pca = PCA(dims[level], whiten=whiten).fit(x)
        n = len(x)
        expected = pca.transform(x) * (np.sqrt(n / (n - 1)) if whiten else 1)  # its variances are divided by n − 1
        sign = np.sign((vectors(reduced[level]).numpy() * expected).sum(0))
        np.testing.assert_allclose(vectors(reduced[level]).numpy(), sign * expected, atol=1e-9)
        np.testing.assert_allclose(reduction.explained_variance[level], pca.explained_variance_ * (n - 1) / n)
        assert reduction.explained_ratio[level] == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-12)
        back = vectors(reduction.inverse(reduced)[level]).numpy()
        np.testing.assert_allclose(back, pca.inverse_transform(pca.transform(x)), atol=1e-9)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("dim", [1, 3, 5])
def test_the_error_of_the_inverse_is_the_discarded_variance(features, dim, whiten):
    reduction = Reduction(dim, whiten).fit(features)
    back = reduction.inverse(reduction.transform(features))
    for level, f in features.items():
        error = float((back[level] - f).square().sum(1).mean())
        assert error == pytest.approx(reduction.discarded_variance[level], abs=1e-12)
    assert reduction.discarded_variance["level2"] > 0.1
    assert reduction.discarded_variance["level1"] > 0.1 or dim == 5


def test_whitened_coordinates_have_mean_0_and_covariance_1(features):
    reduced = Reduction(4, whiten=True).fit(features).transform(features)
    for u in reduced.values():
        u = vectors(u)
        torch.testing.assert_close(u.mean(0), torch.zeros(4).double(), atol=1e-10, rtol=0)
        torch.testing.assert_close(u.T @ u / len(u), torch.eye(4).double(), atol=1e-10, rtol=0)


def test_log_abs_det_turns_a_density_of_whitened_coordinates_into_one_of_the_others(features):
    plain, white = (Reduction(2, whiten).fit(features) for whiten in (False, True))
    for level in features:
        u = torch.randn(1, 5, 1, 1, dtype=torch.float64) if level == "level1" else torch.randn(1, 9, 1, 1).double()
        y, w = plain.transform({level: u})[level], white.transform({level: u})[level]
        sigma = plain.explained_variance[level].sqrt()
        normal = torch.distributions.Normal(0.0, 1.0)
        log_p_of_y = torch.distributions.Normal(torch.zeros(2).double(), sigma).log_prob(y.flatten()).sum()
        assert float(normal.log_prob(w).sum()) + white.log_abs_det[level] == pytest.approx(float(log_p_of_y))
        assert plain.log_abs_det[level] == 0


@pytest.mark.parametrize("sizes", [[1] * 6, [4, 2], [5, 1], [6]])
def test_streaming_finds_what_all_at_once_does(features, sizes):
    at_once = Reduction(3).fit(features)
    pieces = zip(*(f.split(sizes) for f in features.values()), strict=True)
    streamed = Reduction(3).fit(dict(zip(features, piece, strict=True)) for piece in pieces)
    for name, value in at_once.state_dict().items():
        torch.testing.assert_close(streamed.state_dict()[name], value, rtol=1e-10, atol=1e-10)


def test_maps_of_different_sizes_count_by_their_positions():
    f = correlated(1, 4, 6, 10)
    whole = Reduction(2).fit({"a": f})
    parts = Reduction(2).fit([{"a": f[..., :1, :]}, {"a": f[..., 1:, :3]}, {"a": f[..., 1:, 3:]}])
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value)


def test_a_mean_far_from_0_costs_no_digits():
    x = torch.randn(4000, 3, dtype=torch.float64)
    moments, far = RunningCovariance(3), RunningCovariance(3)
    for piece in x.split(77):
        moments.update(piece)
        far.update(piece + 1e6)
    torch.testing.assert_close(moments.covariance, torch.cov(x.T, correction=0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(far.covariance, moments.covariance, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.1, -2345.678, 1e12])
def test_constant_features_come_back_as_they_were(value, whiten):
    features = {"level1": torch.full((3, 6, 5, 5), value) * torch.tensor([1, 1.1, -0.3, 0.7, 2, 1e-3])[:, None, None]}
    reduction = Reduction(4, whiten).fit(features)
    reduced = reduction.transform(features)
    assert float(reduced["level1"].abs().max()) <= 1e-6 * abs(value)
    torch.testing.assert_close(reduction.inverse(reduced), features)
    assert reduction.explained_variance["level1"].tolist() == [0] * 4
    assert (reduction.discarded_variance["level1"], reduction.explained_ratio["level1"]) == (0, 1)
    assert reduction.log_abs_det["level1"] == 0


def test_a_constant_channel_and_a_repeated_one_are_no_directions_of_their_own():
    f = correlated(4, 3, 6, 6, dtype=torch.float32)
    f = torch.cat([f, f[:, :1], torch.full_like(f[:, :1], 7.3)], 1)
    reduction = Reduction(5, whiten=True).fit({"a": f})
    variance = reduction.explained_variance["a"]
    assert (variance[:3] > 1e-3).all() and (variance[3:] == 0).all()
    u = reduction.transform({"a": f})["a"]
    assert u.isfinite().all() and u[:, 3:].abs().max() < 1e-5
    torch.testing.assert_close(reduction.inverse({"a": u})["a"], f, rtol=1e-4, atol=1e-4)


def test_fewer_positions_than_channels():
    f = correlated(1, 20, 2, 3)
    reduction = Reduction(20).fit({"a": f})
    assert (reduction.explained_variance["a"] > 0).sum() == 5
    torch.testing.assert_close(reduction.inverse(reduction.transform({"a": f}))["a"], f)
    single = Reduction(2, whiten=True).fit({"a": f[..., :1, :1]})
    torch.testing.assert_close(single.inverse(single.transform({"a": f[..., :1, :1]}))["a"], f[..., :1, :1])


def test_a_saved_reduction_loads_into_a_fresh_one(features, tmp_path):
    fitted = Reduction({"level1": 2, "level2": 4}, whiten=True).fit(features)
    torch.save(fitted.state_dict(), tmp_path / "reduction.pt")
    loaded = Reduction({"level1": 2, "level2": 4}, whiten=True)
    loaded.load_state_dict(torch.load(tmp_path / "reduction.pt", weights_only=True))
    u = fitted.transform(features)
    assert all(torch.equal(value, fitted.state_dict()[name]) for name, value in loaded.state_dict().items())
    torch.testing.assert_close(loaded.transform(features), u)
    torch.testing.assert_close(loaded.inverse(u), fitted.inverse(u))
    inside = torch.nn.ModuleDict({"reduction": Reduction({"level1": 2, "level2": 4})})
    inside.load_state_dict({f"reduction.{name}": value for name, value in fitted.state_dict().items()})
    torch.testing.assert_close(inside["reduction"].transform(features)["level1"], u["level1"])
    with pytest.raises(RuntimeError, match="size mismatch"):
        Reduction(3).load_state_dict(fitted.state_dict())


def test_precision_and_device_are_the_features(device):
    f = {"a": correlated(2, 6, 5, 5, mean=10.0, dtype=torch.float32).to(device)}
    reduction = Reduction(6).fit(f)
    u = reduction.transform(f)
    assert u["a"].device.type == device.type and u["a"].dtype == torch.float32
    torch.testing.assert_close(reduction.inverse(u), f, rtol=1e-4, atol=1e-3)
    exact = Reduction(6).fit({"a": f["a"].double().cpu()}).explained_variance["a"]
    torch.testing.assert_close(reduction.explained_variance["a"].cpu(), exact.float(), rtol=1e-6, atol=1e-6)


def test_gradients_pass_through(features):
    reduction = Reduction(3).fit(features)
    f = features["level1"].clone().requires_grad_()
    reduction.inverse(reduction.transform({"level1": f}))["level1"].sum().backward()
    assert f.grad.isfinite().all() and f.grad.abs().max() > 0


def test_fitting_again_forgets(features):
    other = {level: correlated(2, f.shape[1], 4, 4, seed=9) for level, f in features.items()}
    again = Reduction(3).fit(other).fit(features).state_dict()
    torch.testing.assert_close(dict(Reduction(3).fit(features).state_dict()), dict(again))


def test_on_a_pyramid_few_components_hold_most_of_the_variance():
    from hvae_ref.features.data import textures

    pyramid = FeaturePyramid("efficientnet_lite0")
    images = textures.crops("brick", 64, 12, part="train")
    reduction = Reduction(16).fit(pyramid.stream(images, 5))
    ratio = reduction.explained_ratio
    assert tuple(ratio) == pyramid.levels
    assert ratio["level1"] > 0.9 and all(0.4 < value < 1 for value in ratio.values())
    shapes = {level: tuple(u.shape[1:]) for level, u in reduction.transform(pyramid(images)).items()}
    assert shapes == {level: (16, 64 // stride, 64 // stride) for level, stride in pyramid.strides.items()}


GOOD = torch.randn(2, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Reduction(0), "dims: expected a whole number of at least 1, got 0"),
        (lambda: Reduction({"a": 2, "b": -1}), "dims: expected a whole number of at least 1, got -1"),
        (lambda: Reduction(5).fit({"a": GOOD}), "dims: expected at most 4 on a, its number of channels, got 5"),
        (lambda: Reduction({"a": 2}).fit({"b": GOOD}), "features: expected the levels a, got 'b'"),
        (lambda: Reduction({"a": 2, "b": 2}).fit({"a": GOOD}), "features: expected the levels a, b, got a"),
        (lambda: Reduction(2).fit({"a": GOOD[0]}), r"features\['a'\]: expected .* got torch.float32 \(4, 3, 3\)"),
        (lambda: Reduction(2).fit({"a": GOOD.long()}), r"features\['a'\]: expected floating-point .* got torch.int64"),
        (lambda: Reduction(2).fit({}), "at least one position on every level, got none"),
        (lambda: Reduction(2).fit([]), "at least one position on every level, got none"),
        (lambda: Reduction(2).fit({"a": GOOD, "b": GOOD[:0]}), "at least one position on every level, got none"),
        (lambda: Reduction(2).fit({"a": GOOD.clone().fill_(torch.nan)}), r"features\['a'\]: expected finite values"),
        (lambda: Reduction(2).fit({"a": GOOD / 0}), r"features\['a'\]: expected finite values"),
        (lambda: Reduction(2).fit([{"a": GOOD}, {"a": GOOD[:, :3]}]), r"expected shape \(B, 4, H, W\) with 4 channels"),
        (lambda: Reduction(2).fit([{"a": GOOD}, {"b": GOOD}]), "features: expected the levels a, got b"),
        (lambda: Reduction(2).transform({"a": GOOD}), "call fit first"),
        (lambda: Reduction(2).inverse({"a": GOOD}), "call fit first"),
        (lambda: Reduction(2).fit({"a": GOOD}).transform({"b": GOOD}), "features: expected the levels a, got 'b'"),
        (lambda: Reduction(2).fit({"a": GOOD}).inverse({"a": GOOD}), r"\(B, 2, H, W\) with 2 dimensions, got \(2, 4"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["transform", "inverse"])
def test_whole_numbers_are_not_silently_rounded(method, unchecked):
    reduction = Reduction(4).fit({"level1": torch.randn(2, 4, 3, 3)})
    with pytest.raises(ValueError, match=r"features\['level1'\]: expected floating-point values, got torch.uint8"):
        getattr(reduction, method)({"level1": torch.ones(1, 4, 3, 3, dtype=torch.uint8)})
