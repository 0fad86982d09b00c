"""Maps of anomalies: every image with its scores, one scale a column, the patch outlined."""

import matplotlib as mpl
import numpy as np
import pytest
import torch

from hvae_ref.features import plots
from hvae_ref.viz.style import GROUND

IMAGES = torch.rand(2, 1, 16, 20, generator=torch.Generator().manual_seed(0))
SCORES = {"level1": torch.linspace(-3, 5, 640).view(2, 16, 20), "combined": torch.linspace(0, 40, 640).view(2, 16, 20)}
MASKS = torch.zeros(2, 16, 20, dtype=torch.bool)
MASKS[:, 4:9, 5:12] = True


def grid(figure):
    """Axes that hold an image, in rows."""
    axes = [ax for ax in figure.axes if ax.images]
    return [axes[at : at + 3] for at in range(0, len(axes), 3)]


def test_every_row_holds_an_image_and_its_scores():
    rows = grid(plots.anomaly_maps(IMAGES, SCORES, MASKS, row_labels=["grass", "gravel"], title="Brick"))
    assert len(rows) == 2 and [ax.get_title(loc="left") for ax in rows[0]] == ["image", "level1", "combined"]
    assert [row[0].get_ylabel() for row in rows] == ["grass", "gravel"]
    for at, row in enumerate(rows):
        shown = [np.asarray(ax.images[0].get_array()) for ax in row]
        for drawn, expected in zip(shown, (IMAGES[at, 0], *(s[at] for s in SCORES.values())), strict=True):
            np.testing.assert_allclose(drawn, expected.numpy(), atol=1e-6)


def test_a_column_has_one_scale_and_another_column_its_own():
    first, second = grid(plots.anomaly_maps(IMAGES, SCORES))
    limits = [[ax.images[0].get_clim() for ax in row] for row in (first, second)]
    assert limits[0] == limits[1] and limits[0][1] != limits[0][2]
    assert limits[0][1] == (0, pytest.approx(5, abs=0.1)) and limits[0][2] == (0, pytest.approx(40, abs=0.5))


def test_what_is_not_strange_has_the_colour_of_the_ground():
    (row, _) = grid(plots.anomaly_maps(IMAGES, SCORES))
    image = row[1].images[0]
    assert mpl.colors.to_hex(image.cmap(image.norm(-3.0))) == mpl.colors.to_hex(image.cmap(image.norm(0.0))) == GROUND


def test_the_outline_runs_around_the_patch_in_every_cell():
    for row in grid(plots.anomaly_maps(IMAGES, SCORES, MASKS)):
        for ax in row:
            (contour,) = ax.collections
            corners = np.concatenate([path.vertices for path in contour.get_paths()])
            assert corners.min(0).tolist() == [4.5, 3.5] and corners.max(0).tolist() == [11.5, 8.5]
    assert not any(ax.collections for row in grid(plots.anomaly_maps(IMAGES, SCORES)) for ax in row)


def test_colour_images_keep_their_colours_and_an_empty_mask_has_no_outline():
    colours = IMAGES.expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    (row, _) = grid(plots.anomaly_maps(colours, SCORES, torch.zeros_like(MASKS)))
    np.testing.assert_allclose(np.asarray(row[0].images[0].get_array()), colours[0].permute(1, 2, 0).numpy())
    assert not row[0].collections


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES[:, 0], SCORES), r"images: expected shape \(N, 3, H, W\)"),
        ((IMAGES, {}), "scores: expected at least one map"),
        ((IMAGES, {"a": SCORES["level1"][:1]}), r"a: expected shape \(2, 16, 20\).*got \(1, 16, 20\)"),
        ((IMAGES, {"a": SCORES["level1"] * torch.nan}), "a: expected finite numbers"),
        ((IMAGES, SCORES, MASKS[:, :8]), r"masks: expected shape \(2, 16, 20\)"),
        ((IMAGES, SCORES, MASKS.float()), "masks: expected booleans"),
        ((IMAGES, SCORES, MASKS, ["one"]), "row_labels: expected 2 labels, got 1"),
    ],
)
def test_wrong_shapes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.anomaly_maps(*arguments)


@pytest.mark.parametrize("images", [torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.full((1, 3, 8, 8), torch.nan)])
def test_images_that_are_no_brightness_are_named(images, unchecked):
    with pytest.raises(ValueError, match="images: expected finite floating-point values"):
        plots.anomaly_maps(images, {"score": torch.rand(1, 8, 8)})
