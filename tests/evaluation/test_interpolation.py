"""Walks between two points, and through one level of a hierarchy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae_ref.evaluation import interpolate, linear, spherical
from hvae_ref.models.top_down_vae import TopDownVAE
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.nn import Labels

D = 12


def points(seed, *shape):
    return torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("walk", [linear, spherical])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(2, 9))
def test_both_ends_are_met(walk, seed, steps):
    a, b = points(seed, 3, 5)
    path = walk(a, b, steps)
    assert path.shape == (steps, 3, 5)
    torch.testing.assert_close(path[0], a)
    torch.testing.assert_close(path[-1], b)
    torch.testing.assert_close(walk(b, a, steps).flip(0), path)


def test_linear_middle():
    a, b = points(0, 4)
    torch.testing.assert_close(linear(a, b, 3)[1], (a + b) / 2)


def test_spherical_stays_on_the_sphere_at_even_angles():
    a, b = (point / point.norm() for point in points(1, 6))
    path = spherical(a, b, 7)
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(7, dtype=torch.float64))
    steps = (path[1:] * path[:-1]).sum(-1).acos()
    torch.testing.assert_close(steps, (a @ b).acos().expand(6) / 6)
    assert linear(a, b, 3)[1].norm() < 0.99


def test_spherical_with_parallel_ends_is_the_straight_line():
    a = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(spherical(a, 3 * a, 5), linear(a, 3 * a, 5))
    torch.testing.assert_close(spherical(a, torch.zeros(2), 3)[1], math.sin(math.pi / 4) * a)


def test_spherical_refuses_opposite_ends():
    a = torch.tensor([[1.0, 2.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="not opposite"):
        spherical(a, -a, 5)


@pytest.mark.parametrize(("b", "steps", "message"), [(torch.zeros(3), 5, "same shape"), (None, 1, "at least 2")])
def test_bad_ends(b, steps, message):
    a = torch.ones(2)
    with pytest.raises(ValueError, match=message):
        linear(a, a if b is None else b, steps)


def build(kind, **options):
    torch.manual_seed(3)
    model = kind.dense(D, (3, 2), hidden=16, **options) if kind is TopDownVAE else kind.dense(D, (3, 2), hidden=(16,))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # livelier than at initialisation, so that differences show
    return model, *torch.bernoulli(torch.full((2, D), 0.5))


def spread(images):
    return (images - images[0]).abs().max().item()


def test_walk_in_z2_with_z1_held_shows_nothing_where_x_sees_z1_alone():
    model, a, b = build(TwoLevelVAE)
    assert spread(interpolate(model, a, b, "z2", others="posterior")) == 0
    assert spread(interpolate(model, a, b, "z2", others="prior")) > 1e-3
    assert spread(interpolate(model, a, b, "z1", others="posterior")) > 1e-3


def test_walk_in_z2_with_z1_held_shows_where_x_sees_all_levels():
    model, a, b = build(TopDownVAE, residual=True)
    assert spread(interpolate(model, a, b, "z2", others="posterior")) > 1e-4


def test_ends_are_decoded_posterior_means():
    model, a, b = build(TwoLevelVAE)
    model.eval()
    images = interpolate(model, a, b, "z1", steps=4, others="prior")
    with torch.no_grad():
        for image, x in ((images[0], a), (images[-1], b)):
            z1 = model.encode(x[None])["z1"].mean
            torch.testing.assert_close(image, model.decode({"z1": z1, "z2": torch.zeros(1, 2)}).mean[0])


@pytest.mark.parametrize("walk", ["linear", "spherical"])
def test_shapes_and_repeatability(walk):
    model, a, b = build(TwoLevelVAE)
    state = torch.random.get_rng_state()
    single = interpolate(model, a, b, "z2", steps=5, walk=walk)
    batch = interpolate(model, torch.stack([a, b]), torch.stack([b, a]), "z2", steps=5, walk=walk)
    assert single.shape == (5, D) and batch.shape == (5, 2, D)
    torch.testing.assert_close(single, interpolate(model, a, b, "z2", steps=5, walk=walk))
    assert torch.equal(torch.random.get_rng_state(), state) and model.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "z3"}, "level: expected one of z2, z1, got 'z3'"),
        ({"level": "z2", "walk": "curved"}, "walk: expected one of linear, spherical, got 'curved'"),
        ({"level": "z2", "others": "mean"}, "others: expected one of prior, posterior, got 'mean'"),
        ({"level": "z2", "steps": 1}, "steps: expected a whole number of at least 2"),
    ],
)
def test_bad_arguments(arguments, message):
    model, a, b = build(TwoLevelVAE)
    with pytest.raises(ValueError, match=message):
        interpolate(model, a, b, **arguments)


@pytest.mark.parametrize("others", ["prior", "posterior"])
@pytest.mark.parametrize("level", ["z3", "z2", "z1"])
def test_walks_through_maps_of_images_under_a_condition(level, others):
    torch.manual_seed(3)
    model = TopDownVAE.convolutional((1, 4, 5), ((2, 2, 3), (2, 1, 2), 3), 4, condition=Labels(3))
    a, b = torch.bernoulli(torch.full((2, 1, 4, 5), 0.5))
    walk = interpolate(model, a, b, level, steps=4, others=others, condition=torch.tensor(1))
    assert walk.shape == (4, 1, 4, 5) and spread(walk) > 0
    batch = interpolate(model, a[None], b[None], level, steps=4, others=others, condition=torch.tensor([1]))
    torch.testing.assert_close(batch[:, 0], walk)
    other = interpolate(model, a, b, level, steps=4, others=others, condition=torch.tensor(2))
    assert not torch.allclose(other, walk)


def test_steps_are_whole_numbers(unchecked):
    for walk in (linear, spherical):
        for steps in (2.5, True, "3", 1):
            with pytest.raises(ValueError, match=f"steps: expected a whole number of at least 2, got {steps!r}"):
                walk(torch.ones(3), torch.ones(3), steps)


@pytest.mark.parametrize("walk", [linear, spherical])
def test_between_whole_numbers_there_are_none(walk):
    with pytest.raises(ValueError, match="^b: expected floating-point"):
        walk(torch.ones(2), torch.tensor([1, 2]), 5)
