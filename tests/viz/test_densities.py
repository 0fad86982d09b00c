"""Densities in the plane: what is drawn where, and what is refused."""

import numpy as np
import pytest
import torch
from matplotlib.collections import QuadMesh

from hvae_ref import viz


def gaussian(n=21, limit=3.0):
    points = viz.square_grid(limit, n)
    return points, -0.5 * points.square().sum(-1)


def mesh(ax):
    (found,) = [item for item in ax.collections if isinstance(item, QuadMesh)]
    return found


def test_square_grid():
    grid = viz.square_grid(2.0, 5)
    assert grid.shape == (5, 5, 2)
    assert grid[0, 0].tolist() == [-2, -2] and grid[0, 4].tolist() == [2, -2] and grid[4, 0].tolist() == [-2, 2]
    for wrong in ((0.0, 5), (1.0, 1)):
        with pytest.raises(ValueError, match="limit, n: expected a positive number and at least 2"):
            viz.square_grid(*wrong)


def test_panels_notes_and_lines():
    points, log_density = gaussian()
    empty = torch.empty(0), torch.empty(0)
    rows = {"target": [(points, log_density)] * 2, "flow": [(2 * points + 1, log_density), empty]}
    figure = viz.densities_2d(rows, ["ring", "wave"], limit=2.5, lines=5, notes={"flow": ["KL 0.1", "none"]})
    axes = np.array(figure.axes).reshape(2, 2)
    assert [ax.get_title(loc="center") for ax in axes[0]] == ["ring", "wave"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["target", "flow"]
    assert [ax.get_xlabel() for ax in axes[1]] == ["KL 0.1", "none"]
    assert axes[0, 0].get_xlim() == axes[0, 0].get_ylim() == (-2.5, 2.5)
    drawn = mesh(axes[1, 0])
    np.testing.assert_allclose(drawn.get_coordinates(), (2 * points + 1).numpy())  # the grid it was carried to
    np.testing.assert_allclose(drawn.get_array(), log_density.double().exp().sqrt(), rtol=1e-6)
    assert len(axes[0, 0].lines) == 2 * 5  # lines 0, 5, 10, 15 and 20 in each direction
    assert not axes[1, 1].collections


def test_more_density_is_more_ink():
    dark = [sum(viz.densities.DENSE(share)[:3]) for share in (0.0, 0.3, 0.6, 1.0)]
    assert dark == sorted(dark, reverse=True)


def test_scale_is_each_panels_own_or_the_same_for_all():
    points, log_density = gaussian()
    rows = {"p": [(points, log_density), (points, log_density - 1)]}
    own = [mesh(ax).get_clim()[1] for ax in viz.densities_2d(rows, ["a", "b"]).axes]
    np.testing.assert_allclose(own, [1, np.exp(-0.5)], rtol=1e-6)
    same = [mesh(ax).get_clim()[1] for ax in viz.densities_2d(rows, ["a", "b"], darkest=0.25).axes]
    assert same == [0.5, 0.5]


def test_images_stand_above_their_columns():
    image = np.arange(64).reshape(8, 8)
    figure = viz.densities_2d({"p": [gaussian()] * 3}, ["a", "b", "c"], images=[image] * 3)
    assert len(figure.axes) == 6
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), image)
    assert figure.axes[0].get_title(loc="center") == "a"


def test_what_does_not_fit_is_refused():
    panel = gaussian()
    with pytest.raises(ValueError, match="rows, column_labels: expected at least one"):
        viz.densities_2d({}, ["a"])
    with pytest.raises(ValueError, match="rows\\['p'\\]: expected 2 panels"):
        viz.densities_2d({"p": [panel]}, ["a", "b"])
    with pytest.raises(ValueError, match="expected points"):
        viz.densities_2d({"p": [(panel[0], panel[1][:3])]}, ["a"])
    with pytest.raises(ValueError, match="notes\\['q'\\]"):
        viz.densities_2d({"p": [panel]}, ["a"], notes={"q": ["x"]})
    with pytest.raises(ValueError, match="images: expected 1"):
        viz.densities_2d({"p": [panel]}, ["a"], images=[])
