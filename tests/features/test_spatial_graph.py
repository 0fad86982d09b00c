"""The graph is one density: it integrates to one as a whole, which graph nets without an order do not."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn
from torch.distributions import MultivariateNormal

from hvae_ref.features.density.density_fit import fit_density
from hvae_ref.features.density.graph_layout import graph_layout
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.density.spatial_graph import SpatialGraphDensity
from tests.features import random_maps
from tests.features.graph_reference import contexts_of
from tests.features.random_maps import integral_by_importance, joint, mean_nll, randomised

DIMS = {"level1": 2, "level2": 3}
SHAPES = {"level1": (4, 8), "level2": (2, 4)}


def random_density(dims=DIMS, colours=2, components=2, scale=0.4, dtype=torch.float64, kind=SpatialGraphDensity):
    """The floor is high enough for grids to see every component."""
    return randomised(kind(dims, components, width=8, layers=2, colours=colours, min_scale=0.4), scale, dtype)


def random_features(dims=DIMS, shapes=SHAPES, n=2, dtype=torch.float64):
    return random_maps.random_features(dims, shapes, n, dtype)


PARENT, ROW = {"level1": (1, 2), "level2": (1, 1)}, {"level1": (1, 3)}


def normaliser(density, shapes, half=16.0, steps=81):
    """∫ exp log p over all three features of a tiny graph at once, by the trapezoidal rule."""
    line = torch.linspace(-half, half, steps, dtype=torch.float64)
    total, cell = 0.0, (line[1] - line[0]) ** 3
    for first in line.split(8):
        points = torch.cartesian_prod(first, line, line)
        parts = points.split([shape[0] * shape[1] for shape in shapes.values()], 1)
        maps = {level: part.view(-1, 1, *shapes[level]) for level, part in zip(shapes, parts, strict=True)}
        total += joint(density, maps).exp().sum() * cell
    return float(total)


@pytest.mark.parametrize(
    ("shapes", "colours"), [(PARENT, 2), (ROW, 2), ({"level1": (3, 1)}, 4), ({"a": (2, 1), "b": (1, 1)}, 4)], ids=str
)
def test_the_joint_integrates_to_one(shapes, colours):
    density = random_density(dict.fromkeys(shapes, 1), colours, scale=0.2)
    assert normaliser(density, shapes) == pytest.approx(1, abs=1e-3)


class BothWays(SpatialGraphDensity):
    """What a graph net without an order does: every edge in both directions, and "conditionals" all the same."""

    def layout(self, shapes):
        one_way = graph_layout(shapes, self.colours)
        edges = torch.cat([one_way.edge_index, one_way.edge_index.flip(0)], 1)
        order = edges[1].argsort(stable=True)
        first = torch.searchsorted(edges[1][order], torch.arange(one_way.nodes + 1))
        fields = {name: getattr(one_way, name) for name in one_way.__dataclass_fields__}
        fields |= {"edge_index": edges[:, order], "edge_type": one_way.edge_type.repeat(2)[order]}
        return type(one_way)(**fields | {"first_edge": tuple(first.tolist())})


class NumberHead(SpatialGraphDensity):
    """D2: a net looks at the context and the feature and answers a number, which is called a log-density."""

    def __init__(self, dims, components, width, layers, colours, min_scale):
        super().__init__(dims, components, width, layers, colours, min_scale)
        self.number = nn.Sequential(nn.Linear(width + 1, 16), nn.SiLU(), nn.Linear(16, 1))

    def log_prob(self, features, positions=None):
        layout = self.layout({level: tuple(f.shape[2:]) for level, f in features.items()})
        context, answers = self.contexts(layout, features), {}
        for level, f in features.items():
            rows = torch.cat([context[layout.node_of[level]].transpose(0, 1), f.flatten(2).mT], -1)
            answers[level] = -self.number(rows).squeeze(-1).abs().unflatten(-1, f.shape[2:])
        return answers


@pytest.mark.parametrize("kind", [BothWays, NumberHead])
@pytest.mark.parametrize("shapes", [PARENT, ROW], ids=str)
def test_what_is_no_density_does_not_pass_that_test(kind, shapes):
    density = random_density(dict.fromkeys(shapes, 1), scale=0.25, kind=kind)
    assert abs(normaliser(density, shapes) - 1) > 0.02


@pytest.mark.parametrize("colours", [2, 4])
def test_the_joint_integrates_to_one_in_many_dimensions(colours):
    dims, shapes = {"level1": 2, "level2": 1}, {"level1": (2, 2), "level2": (1, 1)}
    density = random_density(dims, colours, scale=0.15)
    integral, error = integral_by_importance(density, dims, shapes, wider=1.4, floor=0.2, count=100_000)
    assert error < 0.03
    assert abs(integral - 1) < 4 * error


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_maps_are_what_a_loop_without_graph_library_says(colours):
    density, features = random_density(colours=colours), random_features()
    maps = density.log_prob(features)
    for (level, y, x), context in contexts_of(density.contexts, features, colours).items():
        head, (k, d) = density.p[level], (2, DIMS[level])
        raw = context @ head.weight.T + head.bias
        for b in range(2):
            logits, loc, diagonal, below = (
                part.numpy() for part in raw[b].split([k, k * d, k * d, k * d * (d - 1) // 2])
            )
            log_p = -math.inf
            for c in range(k):
                tril = np.zeros((d, d))
                tril[np.tril_indices(d, -1)] = below.reshape(k, -1)[c]
                tril += np.diag(np.log1p(np.exp(diagonal.reshape(k, d)[c]))) + head.min_scale * np.eye(d)
                part = multivariate_normal(loc.reshape(k, d)[c], tril @ tril.T).logpdf(features[level][b, :, y, x])
                log_p = np.logaddexp(log_p, logits[c] - np.logaddexp.reduce(logits) + part)
            assert maps[level][b, y, x].item() == pytest.approx(log_p, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_parameters_of_a_place_depend_on_strict_ancestors_alone(colours):
    density, features = random_density(colours=colours), random_features(n=1)
    layout = graph_layout(SHAPES, colours)
    reach = torch.zeros(layout.nodes, layout.nodes, dtype=torch.long)
    reach[layout.edge_index[1], layout.edge_index[0]] = 1
    ancestors = (reach + reach @ reach).bool()
    for f in features.values():
        f.requires_grad_()
    for level, nodes in layout.node_of.items():
        for at, node in enumerate(nodes.tolist()):
            mixture = density.distribution(level, features, torch.tensor([at]))
            parts = (mixture.loc, mixture.logits[..., 0], mixture.scale_tril)
            weights = [torch.randn(part.shape, dtype=torch.float64) for part in parts]
            total = sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True))
            gradients = torch.autograd.grad(total, list(features.values()), allow_unused=True)
            for (other, f), gradient in zip(features.items(), gradients, strict=True):
                told = torch.zeros_like(f) if gradient is None else gradient
                expected = ancestors[node, layout.node_of[other]]
                assert torch.equal(told[0].flatten(1).abs().sum(0) > 0, expected)


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_samples_follow_the_density_that_scores_them(colours):
    """Identities of Stein, true for samples f of p alone: E[∂ log p/∂f] = 0 and E[f ∂ log p/∂f] = −1 a coordinate.

    Here log p is that of all maps together: f_i also stands behind the bar of every later node.
    """
    n = 4000
    density = random_density(colours=colours)
    features = {level: f.requires_grad_() for level, f in density.sample(SHAPES, n).items()}
    scores = torch.autograd.grad(joint(density, features).sum(), list(features.values()))
    for f, score in zip(features.values(), scores, strict=True):
        for statistic, expected in ((score, 0.0), (f.detach() * score, -1.0)):
            each = statistic.mean((2, 3))
            error = each.std(0) / n**0.5
            assert ((each.mean(0) - expected).abs() < 4.5 * error).all()


def test_what_is_drawn_has_the_frequencies_of_the_integrated_density():
    shapes = {"level1": (1, 3)}
    density = random_density({"level1": 1}, scale=0.25)
    line = torch.linspace(-16, 16, 81, dtype=torch.float64)
    points = torch.cartesian_prod(line, line, line)
    mass = joint(density, {"level1": points.view(-1, 1, 1, 3)}).exp() * (line[1] - line[0]) ** 3
    mass = mass.view(81, 81, 81)
    n = 40_000
    drawn = density.sample(shapes, n)["level1"].view(n, 3)
    for axes in ((0, 1), (1, 2), (0, 2)):
        (other,) = {0, 1, 2} - set(axes)
        both = mass.sum(other)
        first, second = ((both.sum(1 - k) * line).sum() for k in (0, 1))
        exact = (both * (line[:, None] - first) * (line - second)).sum()
        product = (drawn[:, axes[0]] - first) * (drawn[:, axes[1]] - second)
        assert abs(product.mean() - exact) < 4.5 * product.std() / n**0.5


def autoregressive(noise=0.6, pull=0.5):
    """A graph over a row of three that is a Gaussian in closed form: f_1 = pull · (f_0 + f_2) + noise · ε."""
    density = SpatialGraphDensity({"level1": 1}, 1, width=4, layers=1, colours=2, min_scale=noise / 2).double()
    net, head = density.contexts, density.p["level1"]
    with torch.no_grad():
        for parameter in density.parameters():
            parameter.zero_()
        # All nets linear, by zero weights in their blocks: v_j = f_j, m_ij = f_j, c_1 = their mean.
        net.values["level1"].embed.weight[0, 0] = 1
        net.layers[0].send.weight[0, 0] = 1
        net.layers[0].gate[-1].bias.fill_(1)
        net.layers[0].join.weight[0, 0] = 1
        # Raw parameters: one logit, one location, one diagonal.
        head.weight[1, 0] = 2 * pull
        head.bias[2] = math.log(math.expm1(noise / 2))
    return density.requires_grad_(False)


def test_a_gaussian_graph_has_its_closed_form():
    noise, pull = 0.6, 0.5
    density, shapes, n = autoregressive(noise, pull), {"level1": (1, 3)}, 20_000
    mixing = torch.tensor([[1, 0, 0], [pull, 1, pull], [0, 0, 1]], dtype=torch.float64) * noise
    mixing[1, [0, 2]] = pull * noise
    exact = MultivariateNormal(torch.zeros(3).double(), mixing @ mixing.T)
    f = density.sample(shapes, n)["level1"]
    torch.testing.assert_close(joint(density, {"level1": f}), exact.log_prob(f.view(n, 3)))
    log_p = joint(density, {"level1": f})
    assert abs(log_p.mean() + exact.entropy()) < 4.5 * log_p.std() / n**0.5
    assert ((torch.cov(f.view(n, 3).T) - exact.covariance_matrix).abs() < 0.02).all()


def test_what_is_kept_after_what_is_drawn_counts_through_weights():
    """The end of the row is drawn without looking at the middle; weights p(middle | ends) make up for it."""
    noise, pull, n = 0.6, 0.5, 40_000
    density, given = autoregressive(noise, pull), torch.full((1, 1, 1, 3), 1.5).double()
    keep = torch.tensor([[False, True, False]])
    f = density.sample({"level1": (1, 3)}, n, fixed={"level1": given}, keep={"level1": keep})
    ends = f["level1"][:, 0, 0, [0, 2]]
    assert (ends.mean(0).abs() < 4.5 * noise / n**0.5).all()
    weights = density.log_prob(f)["level1"][:, 0, 1].softmax(0)
    posterior = pull * noise**2 / (2 * (pull * noise) ** 2 + noise**2) * 1.5
    assert ((weights @ ends - posterior).abs() < 0.02).all()
    # Kept before what is drawn, it is simply conditioned on.
    f = density.sample({"level1": (1, 3)}, n, fixed={"level1": given}, keep={"level1": ~keep})["level1"][:, 0, 0, 1]
    assert abs(f.mean() - 2 * pull * 1.5) < 4.5 * noise / n**0.5


def test_positions_asked_for_alone_are_the_same():
    density, features = random_density(), random_features()
    index = torch.tensor([5, 0, 23])
    some = density.log_prob(features, {"level1": index})
    assert list(some) == ["level1"]
    torch.testing.assert_close(some["level1"], density.log_prob(features)["level1"].flatten(1)[:, index])
    mixture, all_ = (density.distribution("level1", features, at) for at in (index, None))
    assert all_.batch_shape == (2, 4, 8)
    torch.testing.assert_close(mixture.loc, all_.loc.flatten(1, 2)[:, index])
    log_p = all_.log_prob(features["level1"].movedim(1, -1))
    torch.testing.assert_close(log_p, density.log_prob(features)["level1"])
    coarse = density.distribution("level2", {"level2": features["level2"]})
    torch.testing.assert_close(coarse.loc, density.distribution("level2", features).loc)


def test_chunks_do_not_change_the_maps(monkeypatch):
    from hvae_ref.features.density import message_passing, spatial_graph

    density, features = random_density(), random_features()
    whole = density.log_prob(features)
    monkeypatch.setattr(spatial_graph, "NUMBERS_AT_ONCE", 60)
    monkeypatch.setattr(message_passing, "NUMBERS_AT_ONCE", 60)
    for level, log_p in density.log_prob(features).items():
        torch.testing.assert_close(log_p, whole[level])
    assert density.sample(SHAPES, 3)["level1"].shape == (3, 2, 4, 8)


@pytest.mark.parametrize("colours", [1, 2, 4])
@pytest.mark.parametrize(("fine", "coarse"), [((7, 3), (4, 2)), ((1, 1), (1, 1)), ((9, 2), (1, 1)), ((2, 1), (3, 4))])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_any_sizes_and_batches_work(colours, fine, coarse, n):
    shapes = {"level1": fine, "level2": coarse}
    density = random_density(colours=colours)
    features = density.sample(shapes, n)
    assert {level: tuple(f.shape) for level, f in features.items()} == {
        level: (n, DIMS[level], *shape) for level, shape in shapes.items()
    }
    maps = density.log_prob(features)
    assert {level: tuple(m.shape) for level, m in maps.items()} == {level: (n, *s) for level, s in shapes.items()}
    assert all(m.isfinite().all() for m in maps.values())


def test_a_stream_is_the_same_batch_by_batch():
    density, features = random_density(), random_features(n=5)
    batches = ({level: f[rows] for level, f in features.items()} for rows in (slice(0, 2), slice(2, 5)))
    streamed = list(density.requires_grad_().stream(batches))
    assert not streamed[0]["level1"].requires_grad
    for level, log_p in density.log_prob(features).items():
        torch.testing.assert_close(torch.cat([maps[level] for maps in streamed]), log_p.detach())


def test_every_parameter_gets_a_finite_gradient():
    density = random_density({"level1": 2, "level2": 3, "level3": 2}).requires_grad_()
    shapes = {"level1": (8, 6), "level2": (4, 3), "level3": (2, 2)}
    joint(density, random_features({"level1": 2, "level2": 3, "level3": 2}, shapes)).sum().backward()
    for name, parameter in density.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 1e-6, name


def test_a_size_first_seen_in_inference_mode_can_be_trained_on():
    density, shapes = random_density().requires_grad_(), {"level1": (3, 7), "level2": (2, 5)}
    with torch.inference_mode():
        density.log_prob(random_features(shapes=shapes))
    joint(density, random_features(shapes=shapes)).sum().backward()
    assert density.contexts.place.grad.abs().sum() > 0


def test_saved_and_loaded_it_is_the_same(tmp_path):
    density, features = random_density(), random_features()
    for buffer in density.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2)
    torch.save(density.state_dict(), tmp_path / "density.pt")
    fresh = SpatialGraphDensity(DIMS, 2, width=8, layers=2, colours=2, min_scale=0.4).double()
    fresh.load_state_dict(torch.load(tmp_path / "density.pt", weights_only=True))
    assert all(torch.equal(value, density.state_dict()[name]) for name, value in fresh.state_dict().items())
    for level, log_p in fresh.log_prob(features).items():
        torch.testing.assert_close(log_p, density.log_prob(features)[level])


def test_given_levels_stay_and_what_is_kept_stays():
    density, given = random_density(), random_features(n=1)
    keep = torch.zeros(4, 8, dtype=torch.bool)
    keep[1:3, 2:5] = True
    drawn = density.sample(SHAPES, 4, fixed=given, keep={"level1": keep})
    assert torch.equal(drawn["level2"], given["level2"].expand(4, -1, -1, -1))
    assert torch.equal((drawn["level1"] == given["level1"]).all(1), keep.expand(4, -1, -1))
    assert torch.equal(given["level1"], density.sample(SHAPES, 1, fixed=given)["level1"])


def test_a_low_temperature_draws_near_the_locations():
    density = random_density(components=1)
    cold = [density.sample(SHAPES, temperature=1e-6)["level1"] for _ in range(2)]
    assert (cold[0] - cold[1]).abs().max() < 1e-3


def test_devices_and_half_precision(device):
    density = random_density(scale=0.15, dtype=torch.float32).to(device)
    features = density.sample(SHAPES, 2)
    whole = density.log_prob(features)
    assert whole["level1"].device.type == device.type
    half = density.log_prob({level: f.bfloat16() for level, f in features.items()})
    for level, log_p in half.items():
        assert log_p.dtype == torch.float32
        assert (log_p - whole[level]).abs().median() < 0.1


def smooth(n, seed, shapes=(("level1", (8, 8)), ("level2", (4, 4)))):
    """White noise blurred within each level, and no word from level to level."""
    generator = torch.Generator().manual_seed(seed)
    maps = {}
    for level, (height, width) in shapes:
        noise = torch.randn(n, DIMS[level], height + 2, width + 2, generator=generator)
        maps[level] = 1.5 * nn.functional.avg_pool2d(noise, 3, 1) + 0.2 * noise[..., 1:-1, 1:-1]
    return maps


def fitted(train, validation=None, colours=2, epochs=15, **arguments):
    density = SpatialGraphDensity(DIMS, 2, width=24, colours=colours)
    history = fit_density(density, train, validation, epochs=epochs, batch_size=8, learning_rate=5e-3, **arguments)
    return density, history


def test_edges_in_space_tell_what_a_chain_of_levels_cannot_know():
    train, validation, held_out = smooth(64, 0), smooth(24, 1), smooth(48, 2)
    density, history = fitted(train, validation, epochs=10)
    chain = HierarchicalLatentDensity(DIMS, 2, heads=2, width=24)
    fit_density(chain, train, validation, epochs=10, batch_size=8, learning_rate=5e-3)
    graph, alone = mean_nll(density, held_out), mean_nll(chain, held_out)
    # Half of the places have four neighbours to look at; each coordinate is then known twice as well, or better.
    assert graph["level1"] < alone["level1"] - 0.3 and graph["level2"] < alone["level2"] - 0.3
    colour = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    by_colour = [-density.log_prob(held_out)["level1"][:, colour == c].mean().item() for c in (0, 1)]
    assert by_colour[1] < by_colour[0] - 0.6
    assert history[-1].validation["level1"] < history[0].validation["level1"] - 0.3


def test_a_refit_to_samples_finds_the_density_they_came_from():
    truth = SpatialGraphDensity({"level1": 1, "level2": 1}, 1, width=8, layers=1, min_scale=0.2)
    with torch.no_grad():
        for parameter in truth.parameters():
            parameter.add_(0.25 * torch.randn_like(parameter))
    shapes = {"level1": (8, 8), "level2": (4, 4)}
    train, validation, held_out = (truth.sample(shapes, n) for n in (256, 64, 64))
    density = SpatialGraphDensity({"level1": 1, "level2": 1}, 1, width=16, layers=1, min_scale=0.2)
    fit_density(density, train, validation, epochs=25, batch_size=16, learning_rate=5e-3)
    for level in shapes:
        # The mean difference is KL(truth ‖ fit) up to sampling noise.
        assert -0.02 < mean_nll(density, held_out)[level] - mean_nll(truth, held_out)[level] < 0.03
        mixtures = [model.distribution(level, held_out) for model in (truth, density)]
        spread = mixtures[0].variance.sqrt()
        assert ((mixtures[0].mean - mixtures[1].mean).abs() / spread).mean() < 0.1
        assert (mixtures[1].variance / mixtures[0].variance).log().abs().mean() < 0.15
    assert (mixtures[0].mean.std() / spread.mean()) > 0.2


def test_all_levels_end_with_their_best_epoch_together():
    few, validation = smooth(2, 0), smooth(16, 1)
    density, history = fitted(few, validation, epochs=60)
    reached = [sum(epoch.validation.values()) for epoch in history]
    assert reached[-1] > min(reached)  # Two examples are too few: it fits them by heart.
    assert abs(sum(mean_nll(density, validation).values()) - min(reached)) < 1e-4


def test_no_epoch_means_the_unconditioned_start():
    train = smooth(16, 0)
    alone = HierarchicalLatentDensity(DIMS, 2, condition=None)
    fit_density(alone, train)
    for level, log_p in fitted(train, epochs=0)[0].log_prob(train).items():
        torch.testing.assert_close(log_p, alone.log_prob(train)[level], atol=1e-4, rtol=1e-5)


def good():
    return random_features()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level1": torch.zeros(2, 5, 4, 8).double()}, r"level1: expected shape \(B, 2, H, W\)"),
        ({"level1": torch.zeros(2, 2, 0, 8).double()}, "at least one position"),
        ({"level1": torch.zeros(3, 2, 4, 8).double()}, "one batch size for all levels, got {'level1': 3, 'level2': 2}"),
        ({"level1": torch.zeros(2, 2, 4, 8)}, "level1: expected dtype torch.float64"),
        ({"level2": torch.full((2, 3, 2, 4), torch.nan).double()}, "level2: expected finite numbers"),
        ({"level9": torch.zeros(2, 2, 4, 8).double()}, "expected the levels"),
    ],
)
def test_features_that_do_not_fit_are_named(change, message, unchecked):
    with pytest.raises(ValueError, match=message):
        random_density().log_prob(good() | change)


def test_levels_that_are_missing_or_unknown_are_named(unchecked):
    density, features = random_density(), good()
    with pytest.raises(ValueError, match="level: expected one of .*, got 'other'"):
        density.distribution("other", features)
    with pytest.raises(ValueError, match="level: expected one of .*, got 'other'"):
        density.log_prob(features, {"other": torch.tensor([0])})
    with pytest.raises(ValueError, match=r"expected the levels \['level1', 'level2'\], got \['level1'\]"):
        density.distribution("level1", {"level1": features["level1"]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dims": {}}, "dims: expected at least one level"),
        ({"dims": {"a": 2}, "components": {"b": 2}}, "components: expected one number for each of"),
        ({"dims": {"a": 0}}, "dim: expected at least 1, got 0"),
        ({"dims": {"a": 2}, "colours": 3}, "colours: expected 1, 2 or 4, got 3"),
        ({"dims": {"a": 2}, "layers": 0}, "layers: expected at least 1, got 0"),
        ({"dims": {"a": 2}, "width": 0}, "width: expected at least 1, got 0"),
        ({"dims": {"a": 2}, "min_scale": 0.0}, "min_scale: expected a positive number, got 0.0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpatialGraphDensity(**arguments)
