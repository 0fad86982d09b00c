"""Figures of evoked responses: what is drawn where, and what is refused."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from hvae_ref import viz
from hvae_ref.abr import plots
from hvae_ref.abr.data import WAVES, generate, time_axis

TIME = time_axis().numpy()
X = generate(4, seed=0).x


def texts(ax):
    return [text.get_text() for text in ax.texts]


def curves(ax):
    """Lines as long as a response, in the order of drawing."""
    return [line for line in ax.lines if len(line.get_xdata()) == 200]


def hexed(artist):
    return mpl.colors.to_hex(artist.get_color())


def test_stack_shows_every_response_one_under_the_other_with_its_marks():
    marks = torch.full((4, 5), torch.nan)
    marks[0], marks[2, 4] = torch.tensor([1.6, 2.8, 3.8, 5.0, 5.6]), 6.5
    (ax,) = plots.response_stack(X, [f"{level} dB" for level in (80, 60, 40, 20)], marks).axes
    lines = curves(ax)
    offsets = [line.get_ydata() - x for line, x in zip(lines, X.numpy(), strict=True)]
    bases = [offset.mean() for offset in offsets]
    assert all(np.allclose(offset, base, atol=1e-5) for offset, base in zip(offsets, bases, strict=True))
    assert np.allclose(np.diff(bases), np.diff(bases)[0]) and np.diff(bases)[0] < 0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["80 dB", "60 dB", "40 dB", "20 dB"]
    np.testing.assert_allclose(ax.get_yticks(), bases, atol=1e-5)
    assert [text for text in texts(ax) if text in WAVES] == [*WAVES, "V"]
    last = [line for line in ax.lines if line.get_marker() == "|"][-1]
    assert last.get_xdata()[0] == pytest.approx(6.5)
    assert last.get_ydata()[0] == pytest.approx(np.interp(6.5, TIME, lines[2].get_ydata()), abs=1e-6)


def test_the_scale_bar_is_as_long_as_it_says():
    (ax,) = plots.response_stack(X, "abcd", step=0.45).axes
    (text,) = [text for text in texts(ax) if text.endswith("µV")]
    bar = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2.5][0]
    assert text == "0.2 µV" and np.ptp(bar.get_ydata()) == pytest.approx(0.2)


def test_stack_with_a_model_over_it():
    dots = torch.full((4, 5), torch.nan)
    dots[0, 3] = 5.0
    (ax,) = plots.response_stack(
        X, "abcd", over=0.5 * X, over_marks=dots, spread=torch.full((4, 200), 0.03), names=("data", "mean")
    ).axes
    lines = curves(ax)
    assert len(lines) == 8 and {"data", "mean"} <= set(texts(ax))
    np.testing.assert_allclose(lines[1].get_ydata(), 0.5 * X[0], atol=1e-6)
    assert hexed(lines[0]) == viz.INK and hexed(lines[1]) == viz.CYCLE[1]
    band, dot = ax.collections[0].get_paths()[0].vertices, ax.collections[1].get_offsets()
    assert np.ptp(band[np.isclose(band[:, 0], 5.0), 1]) == pytest.approx(0.06, abs=1e-5)
    assert len(dot) == 1 and dot[0, 1] == pytest.approx(0.5 * X[0, 100].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": X[:, :100]}, r"signals: expected shape \(…, 200\), got \(4, 100\)"),
        ({"labels": "abc"}, "labels: expected 4, one a response, got 3"),
        ({"marks": torch.zeros(4, 4)}, r"marks: expected latencies of shape \(4, 5\)"),
        ({"over": X[:2]}, "over: expected the shape of signals"),
    ],
)
def test_stack_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        plots.response_stack(**({"signals": X, "labels": "abcd"} | change))


def test_walks_go_from_blue_to_orange():
    walk = torch.stack([X[0], (X[0] + X[1]) / 2, X[1]])
    figure = plots.response_walks({"z_global": walk, "z_local": walk[[0, 0, 0]]})
    left, right = figure.axes
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["z_global", "z_local"]
    lines = curves(left)
    np.testing.assert_allclose([line.get_ydata() for line in lines], walk, atol=1e-6)
    assert (hexed(lines[0]), hexed(lines[2])) == (viz.CYCLE[0], viz.CYCLE[1])
    assert set(texts(left)) == {"start", "end"} and not texts(right)
    with pytest.raises(ValueError, match="walks: expected at least one"):
        plots.response_walks({})


def test_swap_grid_has_both_parents_beside_each_child():
    table = torch.stack([torch.stack([X[i] + X[j] for j in range(3)]) for i in range(3)])
    figure = plots.swap_grid(table, "ABC")
    axes = np.array(figure.axes).reshape(3, 3)
    assert [len(curves(ax)) for ax in axes.flat] == [1, 3, 3, 3, 1, 3, 3, 3, 1]
    row, column, child = curves(axes[1, 2])
    for line, (i, j) in ((row, (1, 1)), (column, (2, 2)), (child, (1, 2))):
        np.testing.assert_allclose(line.get_ydata(), table[i, j], atol=1e-6)
    assert (hexed(row), hexed(column)) == (viz.level_color("z_global"), viz.level_color("z_local"))
    assert axes[1, 0].get_ylabel() == "z_global of B" and axes[0, 2].get_title(loc="center") == "z_local of C"
    (key,) = figure.legends
    named = {text.get_text(): hexed(line) for text, line in zip(key.get_texts(), key.get_lines(), strict=True)}
    assert named == {"swapped": hexed(child), "gave its z_global": hexed(row), "gave its z_local": hexed(column)}
    assert "(ms)" in figure.get_supxlabel() and "(µV)" in figure.get_supylabel()
    with pytest.raises(ValueError, match=r"expected shape \(n, n, 200\) and n names, got \(3, 3, 200\), 2"):
        plots.swap_grid(table, "AB")


def test_latency_intensity_is_mean_and_spread_of_the_draws_that_have_the_wave():
    truth = np.array([[7.0, 6.0, np.nan], [8.0, 6.0, np.nan], [np.nan, 9.0, 5.0]])
    (ax,) = plots.latency_intensity({"generator": truth, "model": truth + 1}, [20, 50, 80]).axes
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(lines[0].get_ydata(), [7.5, 7.0, np.nan])
    np.testing.assert_allclose(lines[1].get_ydata(), [8.5, 8.0, np.nan])
    assert (lines[0].get_linestyle(), lines[1].get_linestyle()) == ("-", "--")
    band = ax.collections[0].get_paths()[0].vertices
    at_fifty = band[band[:, 0] == 50, 1]
    assert at_fifty.max() - at_fifty.min() == pytest.approx(2 * np.std([6, 6, 9], ddof=1))
    assert texts(ax) == ["generator", "model"] and "ms" in ax.get_ylabel() and "dB" in ax.get_xlabel()
    for series, message in (({}, "series: expected at least one"), ({"a": truth[:, :2]}, r"expected shape \(K, 3\)")):
        with pytest.raises(ValueError, match=message):
            plots.latency_intensity(series, [20, 50, 80])


@pytest.fixture(autouse=True)
def _drawn():
    """Every figure of this file can be laid out and drawn, without a warning."""
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
