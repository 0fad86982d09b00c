"""Charts of measures: probe maps, calibration, the parts of a loss; what is drawn where, and what is refused."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from hvae_ref import viz
from hvae_ref.evaluation import ProbeScore


def texts(ax):
    return [text.get_text() for text in ax.texts]


def hexed(artist):
    return mpl.colors.to_hex(artist.get_color())


@pytest.fixture(autouse=True)
def _drawn():
    """Every figure of this file can be laid out and drawn, without a warning."""
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()


def scores():
    return [
        ProbeScore("z_global", "level", "linear", 0.912, 0.01, 0.02),
        ProbeScore("z_global", "drift", "linear", 0.01, 0.01, 0.02),
        ProbeScore("z_local", "level", "linear", -0.04, 0.01, -0.05),
        ProbeScore("z_local", "drift", "linear", 0.5, 0.01, 0.02),
        ProbeScore("z_local", "drift", "nonlinear", 0.6, 0.01, 0.02),
    ]


def test_probe_map_sets_what_is_not_read_faint():
    (ax,) = viz.probe_map(scores(), kind="linear", groups=(1,)).axes
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.912, 0.0], [0.01, 0.5]])
    shown = {text.get_text(): text for text in ax.texts}
    assert list(shown) == ["0.91", "0.01", "−0.04", "0.50"]
    assert [text.get_fontstyle() for text in shown.values()] == ["normal", "italic", "italic", "normal"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["z_global", "z_local"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["level", "drift"]
    assert [line.get_ydata()[0] for line in ax.lines] == [0.5]
    with pytest.raises(ValueError, match="one of the scores' kinds, linear, nonlinear, got 'forest'"):
        viz.probe_map(scores(), kind="forest")


def test_numbers_on_the_map_can_be_read():
    (ax,) = viz.probe_map(scores(), kind="linear").axes
    image = ax.images[0]
    for text, value in zip(ax.texts, (0.912, 0.01, 0.0, 0.5), strict=True):
        ground = np.array(image.cmap(image.norm(value))[:3])
        ink = np.array(mpl.colors.to_rgb(text.get_color()))
        light = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
                 for c in (ground, ink)]  # fmt: skip
        assert (max(light) + 0.05) / (min(light) + 0.05) > 4


def test_calibration_of_uniform_ranks_is_the_diagonal():
    uniform = np.arange(2000) / 2000 + 0.00025
    figure = viz.calibration_curves({"right": uniform, "wide": torch.tensor([0.5, 0.45, float("nan"), 0.55])})
    left, right = figure.axes
    diagonal, curve, wide = left.lines
    np.testing.assert_allclose(curve.get_ydata(), curve.get_xdata(), atol=2e-3)
    # 0.5 is in every interval, 0.45 and 0.55 from the central tenth on
    np.testing.assert_allclose(wide.get_ydata()[[3, 5]], [1 / 3, 1])
    heights = [patch.get_data().values for patch in right.patches]
    np.testing.assert_allclose(heights[0], 1.0)
    assert heights[2].sum() == pytest.approx(20) and set(texts(right)) == {"wide", "right"}
    for ranks, message in (({}, "expected at least one name"), ({"a": [1.5]}, r"all in \[0, 1\]")):
        with pytest.raises(ValueError, match=message):
            viz.calibration_curves({name: np.array(values) for name, values in ranks.items()})


def test_loss_parts_have_a_panel_each_and_three_phases():
    parts = {"reconstruction": [5.0, 4.0, 3.0, 3.0], "global_kl": [0.0, 1.0, 2.0, 2.0], "peak": [9.0, 1.0, 0.5, 0.4]}
    figure = viz.loss_parts(parts, phases=(0.25, 0.5), validation={"peak": [8.0, 2.0, 1.0, 1.0]})
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(parts)
    assert [list(ax.lines[0].get_ydata()) for ax in figure.axes] == list(parts.values())
    assert [len(ax.lines) for ax in figure.axes] == [1, 1, 2]
    spans = [(p.get_x(), p.get_x() + p.get_width()) for p in figure.axes[0].patches]
    np.testing.assert_allclose(spans, [(0.5, 1.5), (1.5, 2.5), (2.5, 4.5)])
    assert texts(figure.axes[0]) == ["phase 1", "phase 2", "phase 3"]
    assert hexed(figure.axes[1].lines[0]) == viz.level_color("z_global")
    assert len(viz.loss_parts(parts, phases=None).axes[0].patches) == 0
    for change, message in (({"parts": {}}, "at least one part"), ({"phases": (0.7, 0.3)}, "in order")):
        with pytest.raises(ValueError, match=message):
            viz.loss_parts(**({"parts": parts} | change))


def test_named_levels_have_the_colours_of_top_and_bottom():
    assert viz.level_color("z_global") == viz.level_color("z2") and viz.level_color("z_local") == viz.level_color("z1")
