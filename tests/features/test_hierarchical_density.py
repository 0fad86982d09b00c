"""The chain of levels is one density: it integrates to one, looks only where it says, and costs what positions cost."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.utils._python_dispatch import TorchDispatchMode

from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from tests.features.random_maps import integral_by_importance, random_features, randomised

CONDITIONS = ("coarser", "finer", None)
SHAPES = {"level1": (4, 6), "level2": (2, 3)}


def random_density(dims, condition="coarser", scale=0.4, components=2, dtype=torch.float64):
    """The floor is high enough for grids to see every component."""
    density = HierarchicalLatentDensity(dims, components, condition, heads=2, width=8, min_scale=0.3)
    return randomised(density, scale, dtype)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("dim", "steps", "half"), [(1, 3001, 40), (2, 321, 20)])
def test_every_conditional_integrates_to_one_at_every_position(condition, dim, steps, half):
    dims, shapes = {"level1": dim, "level2": dim}, {"level1": (2, 1), "level2": (1, 1)}
    density = random_density(dims, condition)
    features = random_features(dims, shapes, n=1)
    line = torch.linspace(-half, half, steps).double()
    points = torch.stack(torch.meshgrid(*[line] * dim, indexing="ij"), -1).flatten(0, -2)
    cell = (line[1] - line[0]) ** dim
    for level, shape in shapes.items():
        # The level takes each point of the grid at all of its positions at once; its neighbour stays.
        maps = {name: f.expand(len(points), -1, -1, -1) for name, f in features.items()}
        maps[level] = points[..., None, None].expand(-1, -1, *shape)
        total = density.log_prob(maps)[level].exp().sum(0) * cell
        torch.testing.assert_close(total, torch.ones(shape).double(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_joint_integrates_to_one(condition):
    density = random_density({"level1": 1, "level2": 1}, condition)
    line = torch.linspace(-25, 25, 501).double()
    a, b = (part.reshape(-1, 1, 1, 1) for part in torch.meshgrid(line, line, indexing="ij"))
    maps = density.log_prob({"level1": a, "level2": b})
    total = sum(maps.values()).exp().sum() * (line[1] - line[0]) ** 2
    assert abs(total - 1) < 1e-3


@pytest.mark.parametrize("condition", ["coarser", "finer"])
def test_the_joint_integrates_to_one_in_six_dimensions(condition):
    dims, shapes = {"level1": 2, "level2": 2}, {"level1": (2, 1), "level2": (1, 1)}
    density = random_density(dims, condition, scale=0.3)
    integral, error = integral_by_importance(density, dims, shapes, wider=1.5, floor=0.3, count=200_000)
    assert error < 0.03
    assert abs(integral - 1) < 4 * error


@pytest.mark.parametrize("condition", CONDITIONS)
def test_maps_are_what_a_loop_over_positions_says(condition):
    dims = {"level1": 2, "level2": 3}
    density, features = random_density(dims, condition), random_features(dims, SHAPES)
    maps = density.log_prob(features)
    for level, shape in SHAPES.items():
        mixtures = density.distribution(level, features)
        assert mixtures.batch_shape == (2, *shape)
        for b, i, j in np.ndindex(2, *shape):
            log_p = -math.inf
            for k in range(2):
                tril = mixtures.scale_tril[b, i, j, k].numpy()
                gaussian = multivariate_normal(mixtures.loc[b, i, j, k].numpy(), tril @ tril.T)
                part = gaussian.logpdf(features[level][b, :, i, j].numpy())
                log_p = np.logaddexp(log_p, math.log(mixtures.probs[b, i, j, k].item()) + part)
            assert abs(maps[level][b, i, j].item() - log_p) < 1e-6


@pytest.mark.parametrize("condition", CONDITIONS)
def test_parameters_look_at_the_neighbour_and_never_at_their_own_level(condition):
    dims = {"level1": 2, "level2": 3, "level3": 2}
    density = random_density(dims, condition).requires_grad_()
    features = random_features(dims, {"level1": (8, 8), "level2": (4, 4), "level3": (2, 2)})
    for f in features.values():
        f.requires_grad_()
    for level in dims:
        mixture = density.distribution(level, features)
        total = mixture.loc.sum() + mixture.logits[..., 0].sum() + mixture.scale_tril.sum()
        gradients = torch.autograd.grad(total, list(features.values()), allow_unused=True)
        used = [name for name, g in zip(features, gradients, strict=True) if g is not None and g.abs().sum() > 0]
        assert used == ([] if density.neighbour(level) is None else [density.neighbour(level)])


def test_the_chain_and_the_neighbours():
    dims = {"fine": 1, "middle": 1, "coarse": 1}
    coarser, finer = (HierarchicalLatentDensity(dims, 1, condition) for condition in ("coarser", "finer"))
    assert coarser.sampling_order == ("coarse", "middle", "fine") and finer.sampling_order == (
        "fine",
        "middle",
        "coarse",
    )
    assert [coarser.neighbour(level) for level in dims] == ["middle", "coarse", None]
    assert [finer.neighbour(level) for level in dims] == [None, "fine", "middle"]
    with pytest.raises(ValueError, match="level: expected one of .*, got 'other'"):
        coarser.neighbour("other")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_samples_follow_the_density_that_scores_them(condition):
    """Identities of Stein, true for samples f of p alone: E[∂ log p/∂f] = 0 and E[f ∂ log p/∂f] = −1 a coordinate."""
    dims, n = {"level1": 2, "level2": 2}, 3000
    density = random_density(dims, condition)
    with torch.no_grad():
        features = density.sample(SHAPES, n)
    for level in dims:
        f = features[level].clone().requires_grad_()
        log_p = density.log_prob({**features, level: f})[level]
        (score,) = torch.autograd.grad(log_p.sum(), f)
        for statistic, expected in ((score, 0.0), (f.detach() * score, -1.0)):
            each = statistic.mean((2, 3))
            error = each.std(0) / n**0.5
            assert ((each.mean(0) - expected).abs() < 4.5 * error).all()


def test_positions_asked_for_alone_are_the_same():
    dims = {"level1": 2, "level2": 3}
    density, features = random_density(dims), random_features(dims, SHAPES)
    index = torch.tensor([5, 0, 23])
    some = density.log_prob(features, {"level1": index})
    assert list(some) == ["level1"]
    torch.testing.assert_close(some["level1"], density.log_prob(features)["level1"].flatten(1)[:, index])
    mixture = density.distribution("level1", features, index)
    torch.testing.assert_close(mixture.loc, density.distribution("level1", features).loc.flatten(1, 2)[:, index])


class Numbers(TorchDispatchMode):
    """Counts the numbers that operations answer: the most at once, and in all."""

    def __init__(self):
        super().__init__()
        self.most, self.total = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for part in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(part, torch.Tensor):
                self.most, self.total = max(self.most, part.numel()), self.total + part.numel()
        return out


@pytest.mark.parametrize("condition", CONDITIONS)
def test_numbers_grow_with_positions_and_the_most_at_once_is_bounded(condition, monkeypatch):
    from hvae_ref.features.density import level_density

    bound = 2**14
    monkeypatch.setattr(level_density, "NUMBERS_AT_ONCE", bound)
    dims = {"level1": 4, "level2": 4}
    density = random_density(dims, condition, dtype=torch.float32)
    counted = []
    for side in (16, 32, 64):
        features = random_features(dims, {"level1": (side, side), "level2": (side // 2,) * 2}, 1, torch.float32)
        with torch.no_grad(), Numbers() as numbers:
            density.log_prob(features)
        counted.append(numbers)
    small, middle, large = counted
    assert 3.5 < middle.total / small.total < 4.3 and 3.5 < large.total / middle.total < 4.1
    # A chunk, or one number for each of the map's own: nothing is positions × positions.
    assert large.most <= max(4 * bound, 4 * 64 * 64, 8 * 32 * 32)


def test_chunks_do_not_change_the_maps(monkeypatch):
    from hvae_ref.features.density import level_density

    dims = {"level1": 2, "level2": 3}
    density, features = random_density(dims), random_features(dims, SHAPES)
    whole = density.log_prob(features)
    monkeypatch.setattr(level_density, "NUMBERS_AT_ONCE", 60)
    for level, log_p in density.log_prob(features).items():
        torch.testing.assert_close(log_p, whole[level])
    assert density.sample(SHAPES, 3)["level1"].shape == (3, 2, 4, 6)


def test_a_stream_is_the_same_batch_by_batch():
    dims = {"level1": 2, "level2": 3}
    density, features = random_density(dims), random_features(dims, SHAPES, n=5)
    batches = ({level: f[rows] for level, f in features.items()} for rows in (slice(0, 2), slice(2, 5)))
    streamed = list(density.stream(batches))
    assert not streamed[0]["level1"].requires_grad
    for level, log_p in density.log_prob(features).items():
        torch.testing.assert_close(torch.cat([maps[level] for maps in streamed]), log_p.detach())


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(
    ("fine", "coarse"), [((7, 3), (4, 2)), ((1, 1), (1, 1)), ((5, 9), (5, 9)), ((9, 2), (1, 1)), ((2, 1), (3, 4))]
)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_any_sizes_and_batches_work(condition, fine, coarse, n):
    dims, shapes = {"level1": 2, "level2": 3}, {"level1": fine, "level2": coarse}
    density = random_density(dims, condition)
    features = density.sample(shapes, n)
    assert {level: tuple(f.shape) for level, f in features.items()} == {
        level: (n, dims[level], *shape) for level, shape in shapes.items()
    }
    maps = density.log_prob(features)
    assert {level: tuple(m.shape) for level, m in maps.items()} == {level: (n, *s) for level, s in shapes.items()}
    assert all(m.isfinite().all() for m in maps.values())


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_parameter_gets_a_finite_gradient(condition):
    dims = {"level1": 2, "level2": 3, "level3": 2}
    density = random_density(dims, condition).requires_grad_()
    features = random_features(dims, {"level1": (8, 6), "level2": (4, 3), "level3": (2, 2)})
    sum(log_p.sum() for log_p in density.log_prob(features).values()).backward()
    for name, parameter in density.named_parameters():
        assert parameter.grad.isfinite().all(), name
        # A constant added to all keys changes no weight, and a level that stands alone has no weights on a context.
        silent = name.endswith("keys.bias") or not parameter.numel()
        assert (parameter.grad.abs().sum() < 1e-6) == silent, name


def test_saved_and_loaded_it_is_the_same(tmp_path):
    dims = {"level1": 2, "level2": 3}
    density, features = random_density(dims), random_features(dims, SHAPES)
    for buffer in density.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2)
    torch.save(density.state_dict(), tmp_path / "density.pt")
    fresh = HierarchicalLatentDensity(dims, 2, "coarser", heads=2, width=8, min_scale=0.3).double()
    fresh.load_state_dict(torch.load(tmp_path / "density.pt", weights_only=True))
    assert all(torch.equal(value, density.state_dict()[name]) for name, value in fresh.state_dict().items())
    for level, log_p in fresh.log_prob(features).items():
        torch.testing.assert_close(log_p, density.log_prob(features)[level])


def test_given_levels_stay_and_what_is_kept_stays():
    dims = {"level1": 2, "level2": 3}
    density = random_density(dims)
    given = random_features(dims, SHAPES, n=1)
    keep = torch.zeros(4, 6, dtype=torch.bool)
    keep[1:3, 2:5] = True
    drawn = density.sample(SHAPES, 4, fixed=given, keep={"level1": keep})
    assert torch.equal(drawn["level2"], given["level2"].expand(4, -1, -1, -1))
    same = (drawn["level1"] == given["level1"]).all(1)
    assert torch.equal(same, keep.expand(4, -1, -1))


def test_what_is_drawn_follows_the_given_level():
    dims = {"level1": 1, "level2": 1}
    density = random_density(dims, components=1)
    given = {"level2": torch.randn(1, 1, 2, 3).double()}
    drawn = density.sample(SHAPES, 4000, fixed=given)["level1"]
    wanted = density.distribution("level1", {**given, "level1": drawn[:1]})
    error = (wanted.variance / 4000).sqrt().movedim(-1, 1)
    assert ((drawn.mean(0, keepdim=True) - wanted.mean.movedim(-1, 1)).abs() < 4.5 * error).all()


def test_a_low_temperature_draws_near_the_locations():
    density = random_density({"level1": 2}, None, components=1)
    cold = density.sample({"level1": (20, 20)}, temperature=1e-6)["level1"]
    assert cold.flatten(2).std(-1).max() < 1e-4


def test_devices_and_half_precision(device):
    dims = {"level1": 2, "level2": 3}
    density = random_density(dims, dtype=torch.float32).to(device)
    features = density.sample(SHAPES, 2)
    whole = density.log_prob(features)
    assert whole["level1"].device.type == device.type
    half = density.log_prob({level: f.bfloat16() for level, f in features.items()})
    for level, log_p in half.items():
        assert log_p.dtype == torch.float32
        assert (log_p - whole[level]).abs().median() < 0.1


def good():
    return random_features({"level1": 2, "level2": 3}, SHAPES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level1": torch.zeros(2, 5, 4, 6).double()}, r"level1: expected shape \(B, 2, H, W\)"),
        ({"level1": torch.zeros(2, 2, 4).double()}, "level1: expected shape"),
        ({"level1": torch.zeros(2, 2, 0, 6).double()}, "at least one position"),
        ({"level1": torch.zeros(3, 2, 4, 6).double()}, "one batch size for all levels, got {'level1': 3, 'level2': 2}"),
        ({"level1": torch.zeros(2, 2, 4, 6)}, "level1: expected dtype torch.float64"),
        ({"level2": torch.full((2, 3, 2, 3), torch.nan).double()}, "level2: expected finite numbers"),
        ({"level2": torch.full((2, 3, 2, 3), torch.inf).double()}, "level2: expected finite numbers"),
        ({"level9": torch.zeros(2, 2, 4, 6).double()}, "expected the levels"),
    ],
)
def test_features_that_do_not_fit_are_named(change, message, unchecked):
    with pytest.raises(ValueError, match=message):
        random_density({"level1": 2, "level2": 3}).log_prob(good() | change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dims": {}}, "dims: expected at least one level"),
        ({"dims": {"a": 2}, "condition": "both"}, "condition: expected 'coarser', 'finer' or None, got 'both'"),
        ({"dims": {"a": 2}, "components": {"b": 2}}, "components: expected one number for each of"),
        ({"dims": {"a": 0}}, "dim: expected at least 1, got 0"),
        ({"dims": {"a": 2, "b": 2}, "heads": 3}, "width: expected a multiple of heads = 3"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalLatentDensity(**arguments)
