"""What every density over feature maps keeps to: how it is asked, how it is drawn from, and where constants end."""

import math

import pytest
import torch

from hvae_ref.features import HierarchicalLatentDensity, SpatialGraphDensity, fit_density
from tests.features.random_maps import mean_nll, random_features, randomised

DIMS = {"level1": 2, "level2": 3}
SHAPES = {"level1": (4, 6), "level2": (2, 3)}
PLACES = SHAPES["level1"][0] * SHAPES["level1"][1]

KINDS = {
    "coarser": lambda: HierarchicalLatentDensity(DIMS, 2, "coarser", heads=2, width=16),
    "finer": lambda: HierarchicalLatentDensity(DIMS, 2, "finer", heads=2, width=16),
    "alone": lambda: HierarchicalLatentDensity(DIMS, 2, None),
    "graph": lambda: SpatialGraphDensity(DIMS, 2, width=16),
}


@pytest.fixture(params=list(KINDS))
def fresh(request):
    return KINDS[request.param]()


@pytest.fixture
def density(fresh):
    return randomised(fresh, scale=0.3)


@pytest.mark.parametrize(
    "positions",
    [
        torch.tensor([PLACES]), torch.tensor([-1]), torch.tensor([[0]]), torch.tensor([0.0]), torch.ones(PLACES).bool(),
    ],
)  # fmt: skip
def test_positions_that_are_not_in_the_map_are_named(density, positions, unchecked):
    features = random_features(DIMS, SHAPES)
    with pytest.raises(ValueError, match="positions: expected"):
        density.log_prob(features, {"level1": positions})
    with pytest.raises(ValueError, match="positions: expected"):
        density.distribution("level1", features, positions)


def test_positions_of_an_unknown_level_and_maps_of_no_size_are_named(density, unchecked):
    with pytest.raises(ValueError, match="level: expected one of"):
        density.log_prob(random_features(DIMS, SHAPES), {"level9": torch.tensor([0])})
    for shape in ((0, 4), (-1, -2), (2, 3, 4)):
        with pytest.raises(ValueError, match="shapes: expected"):
            density.sample(dict.fromkeys(DIMS, shape))
    with pytest.raises(ValueError, match="n: expected at least 0, got -1"):
        density.sample(SHAPES, n=-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shapes": {"level1": (4, 6)}}, "shapes: expected the levels"),
        ({"fixed": {"other": torch.zeros(1, 2, 4, 6)}}, "fixed: expected some of"),
        ({"keep": {"level1": torch.ones(4, 6).bool()}}, "fixed: expected some of .* with all of"),
        ({"fixed": {"level1": torch.zeros(1, 2, 3, 3).double()}}, "fixed: expected level1 of shape"),
        ({"fixed": {"level1": torch.zeros(5, 2, 4, 6).double()}}, "fixed: expected level1 of shape"),
        ({"fixed": random_features(DIMS, SHAPES), "keep": {"level1": torch.ones(4, 6)}}, "keep: expected booleans"),
        ({"temperature": 0.0}, "temperature: expected a positive number"),
    ],
)
def test_what_cannot_be_drawn_is_named(density, arguments, message):
    with pytest.raises(ValueError, match=message):
        density.sample(**({"shapes": SHAPES, "n": 2} | arguments))


def test_constant_features_end_at_the_floor_and_not_at_infinity(fresh):
    constant = {"level1": torch.full((6, 2, 8, 8), 3.0), "level2": torch.full((6, 3, 4, 4), -1.0)}
    history = fit_density(fresh, constant, constant, epochs=3, batch_size=8, learning_rate=5e-3)
    for level, dim in DIMS.items():
        at_most = -dim * (0.5 * math.log(2 * math.pi) + math.log(fresh.min_scale(level)))
        assert at_most - 0.05 < -mean_nll(fresh, constant)[level] <= at_most + 1e-3
        strange = {**constant, level: constant[level] + 0.1}
        assert mean_nll(fresh, strange)[level] > 1000
        assert all(math.isfinite(epoch.validation[level]) for epoch in history)
