"""Image figures: what is drawn where."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from hvae_ref import viz
from hvae_ref.data import load
from hvae_ref.evaluation import eval_mode, interpolate
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.nn import Categorical

DATA = load("digits", "test")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TwoLevelVAE.dense(64, (4, 2), hidden=(16,), likelihood=Categorical(17))


def picture(figure):
    (image,) = figure.axes[0].images
    return image, np.ma.filled(image.get_array().astype(float), np.nan)


def tile(figure, row, column, side=8, gap=1):
    _, array = picture(figure)
    return array[row * (side + gap) :, column * (side + gap) :][:side, :side]


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_grid_puts_each_image_in_its_place():
    figure = viz.image_grid(DATA.x[:13], (8, 8), 17, columns=5)
    image, array = picture(figure)
    assert array.shape == (3 * 9 - 1, 5 * 9 - 1)
    for number in range(13):
        assert np.array_equal(tile(figure, *divmod(number, 5)), DATA.x[number].view(8, 8).numpy())
    assert np.isnan(tile(figure, 2, 3)).all() and np.isnan(array[8]).all() and np.isnan(array[:, 8]).all()
    assert image.get_clim() == (0, 16)


def test_grid_of_rows_with_labels():
    rows = DATA.x[:6].view(2, 3, 64)
    figure = viz.image_grid(rows, (8, 8), 17, row_labels=["a", "b"], column_labels=list("123"), title="T")
    ax = figure.axes[0]
    assert texts(ax.yaxis) == ["a", "b"] and texts(ax.xaxis) == ["1", "2", "3"] and ax.get_title("left") == "T"
    assert list(ax.get_yticks()) == [3.5, 12.5]
    assert np.array_equal(tile(figure, 1, 2), rows[1, 2].view(8, 8).numpy())


def test_grid_draws_on_given_axes():
    ax = Figure().subplots()
    assert viz.image_grid(DATA.x[:3], (8, 8), 17, ax=ax) is ax.figure
    assert len(ax.images) == 1


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 63), None, r"images: expected shape \(N, 64\)"),
        (torch.zeros(0, 64), None, "images: expected shape"),
        (torch.zeros(64), None, "images: expected shape"),
        (torch.zeros(2, 3, 64), ["one"], "row_labels: expected 2 labels, got 1"),
    ],
)
def test_grid_refuses_what_does_not_fit(images, labels, message):
    with pytest.raises(ValueError, match=message):
        viz.image_grid(images, (8, 8), 17, row_labels=labels)


def test_reconstructions_show_data_and_the_model_s_means(model):
    figure = viz.reconstructions(model, DATA, n=4, seed=3)
    assert texts(figure.axes[0].yaxis) == ["data", "from z2", "from z2, z1"]
    assert np.array_equal(tile(figure, 0, 2), DATA.x[2].view(8, 8).numpy())
    with eval_mode(model, 3):
        expected = model.reconstruct(DATA.x[:4], keep=("z2",))
    np.testing.assert_allclose(tile(figure, 1, 2), expected[2].view(8, 8), rtol=1e-6)


def test_reconstructions_of_chosen_levels(model):
    figure = viz.reconstructions(model, DATA, n=2, keeps=[(), ("z1",)])
    assert texts(figure.axes[0].yaxis) == ["data", "from the prior", "from z1"]


def test_dynamic_data_are_binarised_before_the_model_sees_them():
    torch.manual_seed(0)
    binary = TwoLevelVAE.dense(64, (4, 2), hidden=(16,))
    figure = viz.reconstructions(binary, load("digits", "test", binarize="dynamic"), n=3)
    assert set(np.unique(tile(figure, 0, 0))) == {0.0, 1.0}


def test_samples_are_the_model_s_and_repeat(model):
    figure = viz.samples(model, DATA, n=6, columns=3, seed=5)
    with eval_mode(model, 5):
        expected = model.sample(6)
    assert np.array_equal(tile(figure, 1, 0), expected[3].view(8, 8).numpy())
    means = viz.samples(model, DATA, n=6, columns=3, mean=True)
    assert not np.array_equal(tile(means, 0, 0), np.round(tile(means, 0, 0)))


def test_level_resampling_holds_a_level_along_each_row(model):
    both = viz.level_resampling(model, DATA, hold=("z2", "z1"), rows=2, columns=3)
    # The rows of a batch may be computed in another order each.
    for column in (1, 2):
        np.testing.assert_allclose(tile(both, 0, 0), tile(both, 0, column), rtol=1e-4)
    assert not np.allclose(tile(both, 0, 0), tile(both, 1, 0), rtol=1e-2)
    top = viz.level_resampling(model, DATA, hold=("z2",), rows=2, columns=3)
    assert not np.allclose(tile(top, 0, 0), tile(top, 0, 1), rtol=1e-2)
    assert texts(top.axes[0].yaxis) == ["z2, draw 1", "z2, draw 2"]
    with pytest.raises(ValueError, match="hold: expected levels among z2, z1, got z3"):
        viz.level_resampling(model, DATA, hold=("z3",))


def test_interpolation_strip(model):
    walk = interpolate(model, DATA.x[:2], DATA.x[2:4], "z1", steps=5)
    figure = viz.interpolation_strip(walk, DATA, row_labels=["a", "b"])
    np.testing.assert_allclose(tile(figure, 1, 3), walk[3, 1].view(8, 8), rtol=1e-6)
    assert texts(figure.axes[0].xaxis) == ["0", "0.25", "0.5", "0.75", "1"]
    single = viz.interpolation_strip(walk[:, 0], DATA)
    assert picture(single)[1].shape == (8, 5 * 9 - 1)


def test_drawing_leaves_the_random_state_alone(model):
    state = torch.random.get_rng_state()
    viz.samples(model, DATA, n=4), viz.reconstructions(model, DATA, n=2), viz.level_resampling(model, DATA)
    assert torch.equal(torch.random.get_rng_state(), state) and model.training
