"""The style: legible on its ground, told apart by colour-blind readers, and put back afterwards."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

from hvae_ref import viz
from hvae_ref.viz.style import FAINT, axes_for


def linear_rgb(color):
    rgb = np.array(mpl.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    lights = sorted(linear_rgb(color) @ [0.2126, 0.7152, 0.0722] for color in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes (2009), severity 1.0
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("color", [*viz.CYCLE, viz.INK, FAINT])
def test_text_in_every_colour_reads_on_the_ground(color):
    assert contrast(color, viz.GROUND) >= 4.5


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_first_three_levels_stay_apart_for_every_eye(deficiency):
    matrix = np.array(DEFICIENCIES[deficiency])
    seen = [lab(np.clip(matrix @ linear_rgb(color), 0, 1)) for color in viz.CYCLE[:3]]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 15


def test_level_colors_are_fixed_and_come_again():
    assert [viz.level_color(f"z{level}") for level in (1, 2, 3)] == ["#0058a8", "#c04a00", "#00835a"]
    assert viz.level_color("z9") == viz.level_color("z1")


@pytest.mark.parametrize("name", ["z0", "x", "z", "z1 "])
def test_level_color_of_other_names(name):
    with pytest.raises(ValueError, match="level: expected a name such as 'z1'"):
        viz.level_color(name)


def test_use_style_as_a_block_and_for_good():
    before = dict(mpl.rcParams)
    with viz.use_style():
        assert mpl.rcParams["figure.facecolor"] == viz.GROUND
    assert dict(mpl.rcParams) == before
    restore = viz.use_style()
    assert mpl.rcParams["savefig.dpi"] == 200
    with restore:
        pass
    assert dict(mpl.rcParams) == before


def test_figures_have_the_style_without_asking_and_leave_settings_alone():
    before = dict(mpl.rcParams)
    figure = viz.kl_bars({"a": {"z1": 1.0}})
    assert mpl.colors.to_hex(figure.get_facecolor()) == viz.GROUND
    assert dict(mpl.rcParams) == before


def test_new_figures_are_not_left_open_for_a_second_display():
    import matplotlib.pyplot as plt

    plt.close("all")
    viz.kl_bars({"a": {"z1": 1.0}})
    assert plt.get_fignums() == []


def test_axes_in_a_subfigure_belong_to_the_whole_figure():
    whole = mpl.figure.Figure()
    ax = whole.subfigures(1, 2)[0].subplots()
    assert axes_for(ax) == (whole, ax)
