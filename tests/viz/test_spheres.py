"""Spheres and maps: places, areas, colours and limits of what is drawn."""

import math

import numpy as np
import pytest
import torch

from hvae_ref import viz
from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher
from hvae_ref.viz.sphere_maps import from_disc, hemispheres


def on_sphere(n, dim, seed):
    z = np.random.default_rng(seed).normal(size=(n, dim))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def towards_reader(p):
    """The colour in the middle of the sphere, seen along the first axis."""
    figure = viz.sphere_densities({"p": p}, draws=5, azimuth=0, elevation=0)
    return figure.axes[0].images[0].get_array()[160, 160, :3]


def test_a_sphere_is_neutral_where_uniform_and_warm_at_the_mode():
    first = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    uniform = towards_reader(HypersphericalUniform(3, dtype=torch.float64))
    assert np.ptp(uniform) < 0.1  # grey: no nats above or below
    mode, antipode = towards_reader(VonMisesFisher(first, 10.0)), towards_reader(VonMisesFisher(-first, 10.0))
    assert mode[0] > mode[2] + 0.3 and antipode[2] > antipode[0] + 0.1


def test_only_draws_that_face_the_reader_are_seen():
    first = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    both = {"near": VonMisesFisher(first, 1e3), "far": VonMisesFisher(-first, 1e3)}
    near, far, *_ = viz.sphere_densities(both, draws=40, azimuth=0, elevation=0).axes
    assert len(near.collections[0].get_offsets()) == 40 and len(far.collections[0].get_offsets()) == 0
    assert near.get_title(loc="center") == "near"


def test_spheres_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="event shape"):
        viz.sphere_densities({"p": HypersphericalUniform(4, dtype=torch.float64)})
    with pytest.raises(ValueError, match="float64"):
        viz.sphere_densities({"p": HypersphericalUniform(3)})
    with pytest.raises(ValueError, match="at least one"):
        viz.sphere_densities({})


def test_hemispheres_keep_areas_and_invert():
    z = on_sphere(20_000, 3, 1)
    places, front = hemispheres(z)
    radius = np.linalg.norm(places, axis=1)
    assert radius.max() <= math.sqrt(2) + 1e-9
    # A disc of half the area holds half of the points of a uniform cloud.
    assert np.mean(radius < 1) == pytest.approx(0.5, abs=0.015) and np.mean(front) == pytest.approx(0.5, abs=0.015)
    for side in (True, False):
        np.testing.assert_allclose(from_disc(places[front == side], side), z[front == side], atol=1e-12)


def test_sphere_map_places_points_and_names():
    z = np.array([[1.0, 0, 0], [1, 0, 0], [-1, 0, 0], [0.6, 0.8, 0]])
    front, back = viz.sphere_map(torch.as_tensor(z), torch.tensor([0, 0, 1, 2]), ["a", "b", "c"]).axes
    assert [text.get_text() for text in front.texts] == ["a", "c"]
    assert [text.get_text() for text in back.texts] == ["b"]
    assert front.texts[1].get_position()[0] > 0 and back.texts[0].get_position() == (0, 0)
    counts = [[len(marks.get_offsets()) for marks in ax.collections] for ax in (front, back)]
    assert counts == [[2, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("z", [np.ones((4, 3)), on_sphere(4, 2, 0), on_sphere(4, 3, 0)[0]])
def test_maps_refuse_what_is_not_on_the_sphere(z):
    with pytest.raises(ValueError, match="unit vectors"):
        viz.sphere_map(z, np.zeros(4), ["a"])
    with pytest.raises(ValueError, match="y: expected"):
        viz.sphere_map(on_sphere(4, 3, 0), np.zeros(3), ["a"])


def test_images_stand_where_their_latent_is():
    seen = []

    def decode(z):
        seen.append(z)
        return (z[:, 2:] > 0).float().expand(-1, 4)

    figure = viz.sphere_images(decode, (2, 2), 2, side=9)
    for ax, z, sign in zip(figure.axes, seen, (1, -1), strict=True):
        assert bool((z[:, 0] * sign > 0).all())
        torch.testing.assert_close(z.norm(dim=-1), torch.ones(len(z)))
        picture = ax.images[0].get_array()
        upper, lower = picture[:13], picture[14:]
        assert np.nanmin(upper[:11]) == 1 and np.nanmax(lower) == 0
        assert np.ma.getmaskarray(picture)[0, 0]  # no sphere in the corner


def test_circle_map_has_a_ring_a_class_and_images_inside():
    z, y = on_sphere(30, 2, 3), np.arange(30) % 3
    (ax,) = viz.circle_map(z, y, ["a", "b", "c"], lambda z: torch.zeros(len(z), 4), (2, 2), 2, count=12).axes
    radii = [np.linalg.norm(marks.get_offsets(), axis=1) for marks in ax.collections]
    assert all(np.ptp(radius) < 1e-9 for radius in radii) and radii[0][0] < radii[1][0] < radii[2][0]
    assert len(ax.images) == 12 and max(np.hypot(*np.array(i.get_extent())[[1, 3]]) for i in ax.images) < 1.1
    with pytest.raises(ValueError, match="unit vectors"):
        viz.circle_map(2 * z, y, ["a", "b", "c"])


def test_size_curves():
    series = {"Gaussian": {2: [1.0, 3.0], 8: [4.0]}, "sphere": {2: [5.0], 16: [6.0, 8.0], 18: [7.0]}}
    (ax,) = viz.size_curves(series, "coordinates", "−ELBO (nats)").axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[2, 4], [5, 7, 7]]
    assert [list(line.get_xdata()) for line in ax.lines] == [[2, 8], [2, 16, 18]]
    assert [text.get_text() for text in ax.texts] == ["Gaussian", "sphere"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "8", "16", ""]  # 18 would touch 16
    for wrong in ({}, {"a": {}}, {"a": {2: []}}):
        with pytest.raises(ValueError, match="series"):
            viz.size_curves(wrong, "x", "y")
