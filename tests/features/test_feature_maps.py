"""Figures of decoded images and of maps over images: what is drawn where, and what is refused."""

import math

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

from hvae_ref.features import plots
from hvae_ref.features.plots.feature_maps import VALUES


def images(n, channels=3, height=24, width=36):
    return torch.rand(n, channels, height, width)


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_each_image_stands_in_its_row_and_column():
    rows = {"original": images(3), "grey": images(2, 1)}
    figure = plots.picture_rows(rows, list("abc"), notes={"grey": "20 dB"}, title="T")
    (ax,) = figure.axes
    array = ax.images[0].get_array()
    assert array.shape == (24 * 2 + 1, 36 * 3 + 2, 4)
    np.testing.assert_allclose(array[:24, 37 : 37 + 36, :3], rows["original"][1].movedim(0, -1), rtol=1e-6)
    for channel in range(3):
        np.testing.assert_allclose(array[25:, 37 : 37 + 36, channel], rows["grey"][1, 0], rtol=1e-6)
    assert (array[24, :, 3] == 0).all() and (array[:, 36, 3] == 0).all(), "gaps show the ground"
    assert (array[25:, 74:, 3] == 0).all(), "an empty place shows the ground"
    assert texts(ax.yaxis) == ["original", "grey"] and texts(ax.xaxis) == list("abc") and ax.get_title("left") == "T"
    (note,) = [text for text in ax.texts if text.get_text() == "20 dB"]
    assert note.get_position()[1] == pytest.approx(25 + 11.5)


def test_a_region_is_outlined_on_every_image_and_nowhere_else():
    region = torch.zeros(24, 36, dtype=torch.bool)
    region[4:8, 10:20] = True
    figure = plots.picture_rows({"a": images(2)}, outline=region)
    drawn = [item for item in figure.axes[0].collections if isinstance(item, LineCollection)]
    assert len(drawn) == 4, "a halo and a line for each of two images"
    first = np.concatenate(drawn[0].get_segments())
    assert first[:, 0].min() == 9.5 and first[:, 0].max() == 19.5
    assert first[:, 1].min() == 3.5 and first[:, 1].max() == 7.5
    assert len(drawn[0].get_segments()) == 2 * (4 + 10)
    second = np.concatenate(drawn[2].get_segments())
    assert second[:, 0].min() == 9.5 + 37
    assert not plots.picture_rows({"a": images(1)}, outline=torch.ones(24, 36).bool()).axes[0].collections


def test_rows_draw_on_given_axes_and_widths_stay_within_a_page():
    ax = plots.picture_rows({"a": images(1)}).axes[0]
    assert plots.picture_rows({"a": images(2)}, ax=ax) is ax.figure and len(ax.images) == 2
    assert plots.picture_rows({"a": images(30)}).get_size_inches()[0] < 8


def test_maps_lie_over_the_image_at_their_own_resolution():
    maps = {"uncertainty": torch.linspace(-2, 5, 24).view(4, 6), "flat": torch.zeros(2, 3)}
    figure = plots.feature_maps(images(1)[0], maps, marks={"a": (3, 30)}, title="T")
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title("center") for ax in panels] == ["image", "uncertainty", "flat"]
    for ax in panels:
        assert all(image.get_extent() == [0, 36, 24, 0] for image in ax.images)
        (mark,) = ax.lines
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (30.5, 3.5)
    np.testing.assert_allclose(panels[1].images[1].get_array(), maps["uncertainty"])
    scales = [texts(ax.xaxis) for ax in figure.axes if not ax.images]
    assert scales == [["−2.0", "5.0"], ["0"]]


def test_what_is_low_is_dark():
    light = [sum(VALUES(share)[:3]) for share in (0.0, 0.3, 0.6, 1.0)]
    assert light == sorted(light)


def test_ways_are_lines_from_nought_to_one():
    figure = plots.path_curves({"straight": torch.tensor([1.0, -3.0, 2.0]), "expected": torch.tensor([2.0, 2.0, 2.5])})
    (ax,) = figure.axes
    assert [line.get_label() for line in ax.lines] == ["straight", "expected"]
    assert ax.lines[0].get_xdata().tolist() == [0, 0.5, 1] and ax.lines[0].get_ydata().tolist() == [1, -3, 2]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["straight", "expected"]


REGION = torch.zeros(24, 36, dtype=torch.bool)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": {}}, "rows: expected at least one"),
        ({"rows": {"a": images(1), "b": images(1, height=20)}}, r"rows\['b'\]: expected images"),
        ({"rows": {"a": images(1, 4)}}, r"rows\['a'\]: expected images"),
        ({"rows": {"a": images(0)}}, r"rows\['a'\]: expected images"),
        ({"rows": {"a": images(1) * math.nan}}, "expected finite values"),
        ({"column_labels": ["a", "b"]}, "column_labels: expected 1 labels, got 2"),
        ({"outline": REGION[:3]}, r"outline: expected booleans \(24, 36\)"),
        ({"outline": REGION.float()}, r"outline: expected booleans \(24, 36\)"),
        ({"notes": {"b": "x"}}, r"notes: expected labels of rows, \['a'\], got \['b'\]"),
    ],
)
def test_rows_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.picture_rows(**({"rows": {"a": images(1)}} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": images(1)}, "image: expected finite values"),
        ({"maps": {}}, "maps: expected at least one"),
        ({"maps": {"a": torch.zeros(1, 2, 2)}}, r"maps\['a'\]: expected finite numbers"),
        ({"maps": {"a": torch.full((2, 2), math.inf)}}, r"maps\['a'\]: expected finite numbers"),
        ({"opacity": 1.5}, "opacity: expected 0 … 1"),
        ({"marks": {"x": (24, 0)}}, r"marks\['x'\]: expected a pixel of \(24, 36\)"),
    ],
)
def test_maps_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.feature_maps(**({"image": images(1)[0], "maps": {"a": torch.zeros(2, 3)}} | arguments))


@pytest.mark.parametrize("ways", [{}, {"a": torch.zeros(1)}, {"a": torch.zeros(3), "b": torch.zeros(4)}])
def test_ways_that_do_not_fit_are_named(ways):
    with pytest.raises(ValueError, match="log_prob: expected at least one way"):
        plots.path_curves(ways)


def test_bytes_are_not_drawn_as_white_and_no_way_is_left_out(unchecked):
    picture = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"rows\['a'\]: expected floating-point values"):
        plots.picture_rows({"a": picture})
    with pytest.raises(ValueError, match="image: expected floating-point values"):
        plots.feature_maps(picture[0], {"a": torch.rand(2, 2)})
    for ways in ({str(i): torch.rand(3) for i in range(20)}, {"a": torch.full((3,), torch.nan)}):
        with pytest.raises(ValueError, match="log_prob: expected finite numbers and at most"):
            plots.path_curves(ways)


def test_images_on_another_scale_are_named():
    with pytest.raises(ValueError, match=r"rows\['a'\]: expected values in \[0, 1\], got up to 255"):
        plots.picture_rows({"a": torch.full((1, 3, 4, 4), 255.0)})
