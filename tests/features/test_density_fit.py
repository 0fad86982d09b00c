"""Fitting: EM where a level stands alone, and from its neighbour exactly what the neighbour knows."""

import math

import pytest
import torch
from sklearn.mixture import GaussianMixture as SklearnMixture

from hvae_ref.features.density.density_fit import fit_density
from hvae_ref.features.density.density_init import init_from_em
from hvae_ref.features.density.density_step import DensityStep
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.validation import feature_vectors
from hvae_ref.training import TrainConfig, fit
from tests.features.random_maps import mean_nll

DIMS = {"level1": 2, "level2": 3}
NOISE = 0.5
TOLD = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]])


def double_size(f):
    return f.repeat_interleave(2, -1).repeat_interleave(2, -2)


def features(n, seed, told=1.0):
    """A fine level that is `told` times a linear map of its parent, and noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, 4, 4, generator=generator)
    fine = told * torch.einsum("de,behw->bdhw", TOLD, double_size(coarse))
    return {"level1": fine + NOISE * torch.randn(n, 2, 8, 8, generator=generator), "level2": coarse}


def fitted(train, condition, validation=None, epochs=15, components=2, **arguments):
    density = HierarchicalLatentDensity(DIMS, components, condition, heads=2, width=16)
    history = fit_density(density, train, validation, epochs=epochs, batch_size=8, learning_rate=5e-3, **arguments)
    return density, history


@pytest.fixture(scope="module")
def data():
    return {
        name: features(n, seed) for seed, (name, n) in enumerate({"train": 64, "validation": 16, "test": 64}.items())
    }


@pytest.fixture(scope="module")
def unconditioned(data):
    return mean_nll(fitted(data["train"], None)[0], data["test"])


def test_given_the_coarser_level_it_comes_near_the_true_conditional(data, unconditioned):
    density, history = fitted(data["train"], "coarser", data["validation"])
    nll = mean_nll(density, data["test"])
    entropy = math.log(2 * math.pi * math.e) + 2 * math.log(NOISE)
    assert entropy - 0.05 < nll["level1"] < entropy + 0.1
    assert nll["level1"] < unconditioned["level1"] - 1.5
    assert abs(nll["level2"] - unconditioned["level2"]) < 0.01
    assert [epoch.epoch for epoch in history] == list(range(16))
    assert history[-1].train["level1"] < history[1].train["level1"]


def test_given_the_finer_level_the_coarse_one_is_known_better(data, unconditioned):
    density, _ = fitted(data["train"], "finer", data["validation"])
    nll = mean_nll(density, data["test"])
    # Four children with noise of their own leave one direction out of three unknown: the posterior of a linear model.
    precision = torch.eye(3) + 4 * TOLD.T @ TOLD / NOISE**2
    entropy = 1.5 * math.log(2 * math.pi * math.e) - 0.5 * torch.logdet(precision).item()
    assert entropy - 0.05 < nll["level2"] < entropy + 0.2
    assert nll["level2"] < unconditioned["level2"] - 2


@pytest.mark.parametrize("condition", ["coarser", "finer"])
def test_a_neighbour_without_information_changes_nothing(condition):
    train, validation, held_out = (features(n, seed, told=0.0) for seed, n in enumerate((96, 48, 96)))
    alone = mean_nll(fitted(train, None)[0], held_out)
    given = mean_nll(fitted(train, condition, validation, epochs=4)[0], held_out)
    for level in DIMS:
        assert abs(given[level] - alone[level]) < 0.02


def test_unconditioned_it_agrees_with_scikit_learn():
    clusters = {"level1": torch.tensor([[-3.0, 0.0], [3.0, 2.0]]), "level2": 4 * torch.eye(3)[:2]}
    maps = {"level1": (32, 2, 8, 8), "level2": (32, 3, 4, 4)}
    train = {}
    for level, (n, _, h, w) in maps.items():
        which = (torch.rand(n, h, w) < 0.3).long()
        train[level] = clusters[level][which].movedim(-1, 1) + torch.randn(*maps[level])
    density, history = fitted(train, None)
    assert len(history) == 1
    for level, f in train.items():
        rows = feature_vectors(f).double().numpy()
        peer = SklearnMixture(2, tol=1e-6, random_state=0).fit(rows)
        assert abs(-history[0].train[level] - peer.score(rows)) < 1e-3
        assert abs(-mean_nll(density, train)[level] - peer.score(rows)) < 1e-3
        found = density.distribution(level, train, torch.tensor([0]))
        order = peer.weights_.argsort()
        ours = found.logits[0, 0].argsort()
        torch.testing.assert_close(
            found.loc[0, 0][ours], torch.from_numpy(peer.means_[order]).float(), atol=0.01, rtol=0
        )


@pytest.mark.parametrize("condition", ["coarser", "finer"])
def test_a_refit_to_samples_finds_the_density_they_came_from(condition):
    truth = HierarchicalLatentDensity(DIMS, 2, condition, heads=2, width=8, min_scale=0.2)
    with torch.no_grad():
        for parameter in truth.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    shapes = {"level1": (8, 8), "level2": (4, 4)}
    train, validation, held_out = (truth.sample(shapes, n) for n in (192, 32, 64))
    density, _ = fitted(train, condition, validation, epochs=20)
    alone = mean_nll(fitted(train, None)[0], held_out)
    found, best = mean_nll(density, held_out), mean_nll(truth, held_out)
    told = {"coarser": "level1", "finer": "level2"}[condition]
    for level in DIMS:
        # The mean difference is KL(truth ‖ fit) up to sampling noise.
        assert -0.02 < found[level] - best[level] < 0.06
    assert alone[told] - best[told] > 0.15
    mixtures = [model.distribution(told, held_out) for model in (truth, density)]
    spread = mixtures[0].variance.sqrt()
    assert ((mixtures[0].mean - mixtures[1].mean).abs() / spread).mean() < 0.15
    assert ((mixtures[1].variance / mixtures[0].variance).log().abs()).mean() < 0.25


def test_a_step_alone_trains_all_levels_together_from_where_em_left_them(data, unconditioned):
    density = HierarchicalLatentDensity(DIMS, 2, heads=2, width=16)
    start = init_from_em(density, data["train"], rows=2000, seed=1)
    config = TrainConfig(epochs=8, batch_size=8, learning_rate=5e-3, schedule="cosine", progress=False)
    history = fit(density, data["train"], data["validation"], step=DensityStep(positions=32), config=config)
    assert history.last.train.terms["level1"] < start["level1"] - 1
    found = mean_nll(density, data["validation"])
    assert history.last.validation.terms["level1"] == pytest.approx(found["level1"], abs=1e-4)
    assert mean_nll(density, data["test"])["level1"] < unconditioned["level1"] - 1.5
    # The coarser level stands alone: EM was the end of it.
    assert list(history.last.train.terms) == ["level1"]


@pytest.mark.usefixtures("unchecked")
def test_a_step_says_what_it_cannot_train(data):
    with pytest.raises(ValueError, match="positions: expected at least 1, got 0"):
        DensityStep(positions=0)
    chain, alone = (HierarchicalLatentDensity(DIMS, 1, condition, width=8) for condition in ("coarser", None))
    for density, levels in ((alone, None), (chain, ("level2",)), (chain, ()), (chain, ("level9",))):
        with pytest.raises(ValueError, match="levels: expected some of (level1|no level at all), got"):
            fit(density, data["train"], step=DensityStep(levels), config=TrainConfig(epochs=1, progress=False))
    for wrong in ({"level2": data["train"]["level2"]}, data["train"]["level1"]):
        with pytest.raises(ValueError, match="batch: expected"):
            fit(chain, wrong, step=DensityStep(), config=TrainConfig(epochs=1, progress=False))


def test_a_stream_of_batches_fits_as_well(data, unconditioned):
    class Stream:
        """Batches made when they are asked for, as a pyramid makes them from files."""

        passes = 0

        def __iter__(self):
            self.passes += 1
            for rows in torch.arange(64).split(8):
                yield {level: f[rows] for level, f in data["train"].items()}

    stream = Stream()
    density, _ = fitted(stream, "coarser", epochs=8)
    assert stream.passes == 1 + 8
    assert mean_nll(density, data["test"])["level1"] < unconditioned["level1"] - 1.5


def test_one_constant_channel_does_not_stop_the_others(data):
    train, held_out = ({**data[name], "level2": data[name]["level2"].clone()} for name in ("train", "test"))
    for maps in (train, held_out):
        maps["level2"][:, 1] = 7.0
    density, history = fitted(train, "coarser", epochs=8)
    assert mean_nll(density, held_out)["level1"] < history[0].train["level1"] - 0.5


def test_the_seed_decides_and_the_callers_random_state_does_not_move(data):
    def run():
        torch.manual_seed(5)
        density = HierarchicalLatentDensity(DIMS, 2, heads=2, width=8)
        before = torch.get_rng_state()
        history = fit_density(density, data["train"], epochs=2, positions=16, seed=3)
        assert torch.equal(before, torch.get_rng_state())
        return history

    for first, second in zip(run(), run(), strict=True):
        assert first.train == pytest.approx(second.train, rel=1e-5)


def test_no_epoch_means_the_unconditioned_start(data):
    started, _ = fitted(data["train"], "coarser", epochs=0)
    alone, _ = fitted(data["train"], None)
    for level, log_p in started.log_prob(data["test"]).items():
        torch.testing.assert_close(log_p, alone.log_prob(data["test"])[level], atol=1e-4, rtol=1e-5)


def test_it_fits_where_the_features_are(data, device):
    train = {level: f[:16].to(device) for level, f in data["train"].items()}
    density = HierarchicalLatentDensity(DIMS, 2, heads=2, width=8).to(device)
    history = fit_density(density, train, train, epochs=4, learning_rate=5e-3)
    assert history[-1].validation["level1"] < history[0].validation["level1"] - 0.05
    assert density.p["level1"].head.bias.device.type == device.type


def test_every_level_ends_with_its_best_epoch(data):
    few = {level: f[:2] for level, f in data["train"].items()}
    density, history = fitted(few, "coarser", data["validation"], epochs=200)
    reached = [epoch.validation["level1"] for epoch in history]
    assert reached[-1] > min(reached)  # Two examples are too few: it fits them by heart.
    assert abs(mean_nll(density, data["validation"])["level1"] - min(reached)) < 1e-5


@pytest.mark.parametrize(
    ("train", "arguments", "message"),
    [
        (features(0, 0), {}, r"features\['level1'\]: expected at least one example"),
        (iter([features(2, 0)]), {}, "features: expected an array .* got list_iterator"),
        ([], {}, "features: expected an array .* got list"),
        (features(2, 0), {"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        (features(2, 0), {"positions": 0}, "positions: expected at least 1, got 0"),
        (features(2, 0), {"rows": 0}, "rows: expected at least 1, got 0"),
        ({"level1": torch.zeros(2, 2, 8, 8)}, {}, "expected the levels"),
        (features(2, 0), {"validation": features(0, 0)}, r"validation\['level1'\]: expected at least one example"),
        ({level: f * torch.nan for level, f in features(2, 0).items()}, {}, "expected finite numbers"),
    ],
)
def test_what_cannot_be_fitted_is_named(train, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_density(HierarchicalLatentDensity(DIMS, 2), train, **arguments)


@pytest.mark.parametrize("level", DIMS)
def test_levels_with_different_numbers_of_examples_are_an_error(level):
    train = features(4, 0)
    train[level] = train[level][:2]
    for arguments in ((train,), (features(4, 0), train)):
        with pytest.raises(ValueError, match=r"\['level.'\]: expected a row for each of the . examples"):
            fit_density(HierarchicalLatentDensity(DIMS, 1, width=8), *arguments, epochs=1)


def test_a_frozen_density_and_less_than_no_epoch_are_named():
    density = HierarchicalLatentDensity(DIMS, 1, width=8)
    with pytest.raises(ValueError, match="epochs: expected at least 0, got -1"):
        fit_density(density, features(4, 0), epochs=-1)
    density.requires_grad_(False)
    with pytest.raises(ValueError, match="density: expected parameters that can learn"):
        fit_density(density, features(4, 0), epochs=1)
