"""Charts: numbers, labels and limits of what is drawn."""

import matplotlib as mpl
import numpy as np
import pytest
import torch

from hvae_ref import viz
from hvae_ref.viz.scatter import principal_components


class History:
    def __init__(self, **curves):
        self.curves = {name.replace("__", "."): values for name, values in curves.items()}

    def curve(self, name):
        return self.curves[name]


def annotations(ax):
    return [text.get_text() for text in ax.texts]


def test_kl_bars():
    kl = {"one level": {"z1": [18.0, 20.0]}, "two levels": {"z2": [5.0, 7.0, 9.0], "z1": 3.5}}
    figure = viz.kl_bars(kl, title="KL")
    (ax,) = figure.axes
    bars = [bar for container in ax.containers if hasattr(container, "patches") for bar in container.patches]
    assert [bar.get_width() for bar in bars] == [19.0, 7.0, 3.5]
    colors = [mpl.colors.to_hex(bar.get_facecolor()) for bar in bars]
    assert colors == [viz.level_color(level) for level in ("z1", "z2", "z1")]
    assert annotations(ax) == ["z1  19.00 ± 1.41", "z2  7.00 ± 2.00", "z1  3.50"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one level", "two levels"]
    assert "nats" in ax.get_xlabel() and ax.get_xlim()[0] == 0 and ax.get_xlim()[1] > 20.4
    whiskers = [c.get_segments()[0][:, 0] for c in ax.collections if isinstance(c, mpl.collections.LineCollection)]
    np.testing.assert_allclose(whiskers[1], [5.0, 9.0])
    centres = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert centres[2] - centres[1] < centres[1] - centres[0]  # a gap parts the groups


def test_kl_bars_of_a_collapsed_level_and_of_nothing():
    figure = viz.kl_bars({"collapsed": {"z2": 0.0}})
    assert annotations(figure.axes[0]) == ["z2  0.00"] and figure.axes[0].get_xlim()[1] > 0
    with pytest.raises(ValueError, match="kl: expected at least one model"):
        viz.kl_bars({})


def runs(*starts):
    return [History(train__negative_elbo=[s, s - 2.0], validation__negative_elbo=[s + 1, s]) for s in starts]


def test_training_curves_mean_and_band():
    (ax,) = viz.training_curves({"ladder": runs(10.0, 14.0), "flat": runs(50.0)}).axes
    lines = [list(line.get_ydata()) for line in ax.lines]
    assert lines == [[12, 10], [13, 12], [50, 48], [51, 50]]
    assert [line.get_linestyle() for line in ax.lines] == ["--", "-", "--", "-"]
    assert list(ax.lines[0].get_xdata()) == [1, 2]
    band = ax.collections[0].get_datalim(ax.transData)
    assert band.y0 == pytest.approx(10 - 8**0.5) and band.y1 == pytest.approx(12 + 8**0.5)
    assert set(annotations(ax)) == {"ladder train", "ladder validation", "flat train", "flat validation"}
    assert len(ax.collections) == 2  # bands for the two curves that have several runs
    assert ax.get_xlabel() == "epoch" and "nats" in ax.get_ylabel()


def test_training_curves_skip_and_shortest_run():
    longer = History(train__negative_elbo=[9.0, 8.0, 7.0], validation__negative_elbo=[9.0, 8.0, 7.0])
    (ax,) = viz.training_curves([longer, *runs(10.0)], skip=1).axes
    assert len(ax.lines[0].get_ydata()) == 2 and np.isnan(ax.lines[0].get_ydata()[0])
    assert set(annotations(ax)) == {"train", "validation"}
    with pytest.raises(ValueError, match="skip: expected fewer than the 2 epochs"):
        viz.training_curves(runs(10.0), skip=2)
    with pytest.raises(ValueError, match="at least one run"):
        viz.training_curves([])


def test_kl_curves():
    history = History(validation__kl__z2=[0.0, 1.0, 2.0], validation__kl__z1=[3.0, 4.0, 5.0])
    (ax,) = viz.kl_curves(history, ("z2", "z1"), split="validation").axes
    assert [mpl.colors.to_hex(line.get_color()) for line in ax.lines] == [
        viz.level_color("z2"), viz.level_color("z1"),
    ]  # fmt: skip
    assert list(ax.lines[0].get_ydata()) == [0, 1, 2]
    assert annotations(ax) == ["z2", "z1"] and ax.get_ylim()[0] == 0 and "validation" in ax.get_ylabel()


def test_end_labels_do_not_overlap():
    history = History(**{f"train__kl__z{level}": [1.0, 1.0] for level in range(1, 6)}, train__kl__z6=[0.0, 9.0])
    figure = viz.kl_curves(history, [f"z{level}" for level in range(1, 7)])
    heights = sorted(text.xy[1] for text in figure.axes[0].texts)
    low, high = figure.axes[0].get_ylim()
    assert np.diff(heights).min() > 0.05 * (high - low)


def test_bound_histogram():
    values = {"ELBO": torch.tensor([-3.0, -1.0]), "IWAE-512": [-1.5, -0.5, -1.0]}
    (ax,) = viz.bound_histogram(values, exact=-0.9, bins=8).axes
    assert annotations(ax) == ["ELBO: −2.00", "IWAE-512: −1.00", "exact: −0.90"]
    assert [line.get_xdata()[0] for line in ax.lines] == [-2.0, -1.0, -0.9]
    assert "nats" in ax.get_xlabel()
    for values in ({}, {"ELBO": [float("nan")]}, {"ELBO": []}):
        with pytest.raises(ValueError, match="bounds: expected"):
            viz.bound_histogram(values)


def test_bound_histogram_areas_are_shares():
    (ax,) = viz.bound_histogram({"a": np.random.default_rng(0).normal(size=500)}, bins=20).axes
    outline = ax.patches[0].get_path().vertices
    assert outline[:, 1].max() < 0.25
    heights = np.histogram(np.random.default_rng(0).normal(size=500), 20)[0] / 500
    assert outline[:, 1].max() == pytest.approx(heights.max())


def test_latent_map_in_the_plane():
    z, y = torch.tensor([[0.0, 0.0], [2.0, 4.0], [4.0, 2.0], [9.0, 9.0]]), torch.tensor([0, 1, 1, 2])
    (ax,) = viz.latent_map(z, y, ("zero", "one", "two"), level="z2").axes
    assert annotations(ax) == ["zero", "one", "two"]
    assert ax.texts[1].get_position() == (3.0, 3.0)
    assert sum(len(c.get_offsets()) for c in ax.collections) == 4
    assert ax.get_xlabel() == "z2, coordinate 1"


def test_latent_map_of_more_dimensions():
    rng = np.random.default_rng(0)
    z = np.concatenate([3 * rng.normal(size=(400, 1)), rng.normal(size=(400, 1)), 0.01 * rng.normal(size=(400, 3))], 1)
    coordinates, share = principal_components(z)
    assert share[0] == pytest.approx(0.9, abs=0.03) and share.sum() == pytest.approx(1, abs=1e-3)
    assert np.corrcoef(coordinates[:, 0], z[:, 0])[0, 1] > 0.99
    (ax,) = viz.latent_map(z, np.zeros(400, int), ["a"]).axes
    assert f"{share[0]:.0%} of variance" in ax.get_xlabel()


def test_latent_map_tells_ten_classes_apart():
    (ax,) = viz.latent_map(np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 10, "0123456789").axes
    looks = {(c.get_edgecolor()[0].tobytes(), len(c.get_facecolor())) for c in ax.collections}
    assert len(looks) == 10


@pytest.mark.parametrize("shapes", [((4, 1), 4), ((4, 2), 3)])
def test_latent_map_refuses(shapes):
    with pytest.raises(ValueError, match="z, y: expected shapes"):
        viz.latent_map(np.zeros(shapes[0]), np.zeros(shapes[1], int), ["a"])


def test_scatter_usefulness():
    points = {"all": ([0.0, 1.0, 2.0], [-1.0, -2.0, -3.0]), "few": ([0.1], [-1.1])}
    (ax,) = viz.scatter_usefulness(points).axes
    assert annotations(ax) == ["all", "few"]
    assert tuple(ax.texts[0].xy) == (2.0, -3.0)  # the point of its family farthest from the other family
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[0, -1], [1, -2], [2, -3]])
    assert "nats" in ax.get_xlabel() and "nats" in ax.get_ylabel()
    with pytest.raises(ValueError, match="expected two lists of one length"):
        viz.scatter_usefulness({"a": ([1.0], [1.0, 2.0])})
