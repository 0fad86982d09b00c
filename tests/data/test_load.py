"""`load`: contents, splits, binarisation, and errors that name what to do."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae_ref.data import SPLITS, Dataset, load, names, stratified_split


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "sizes", "shape", "levels"),
    [("digits", (1000, 350, 447), (8, 8), 17), ("mnist5k", (4000, 500, 500), (28, 28), 256)],
)
def test_sizes_types_and_range(name: str, sizes: tuple, shape: tuple, levels: int) -> None:
    for split, size in zip(SPLITS, sizes, strict=True):
        data = load(name, split)
        assert isinstance(data, Dataset)
        assert (len(data), data.image_shape, data.num_values) == (size, shape, levels)
        assert (data.name, data.split, data.data_dim) == (name, split, shape[0] * shape[1])
        assert data.x.shape == (size, data.data_dim) and data.x.dtype == torch.float32
        assert data.y.shape == (size,) and data.y.dtype == torch.int64
        assert torch.equal(data.x, data.x.round())
        assert data.x.min() == 0 and data.x.max() == levels - 1
        assert data.labels == tuple("0123456789") and set(data.y.tolist()) == set(range(10))


def test_digits_keep_the_order_of_the_file() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    joined = torch.cat([load("digits", split).x for split in SPLITS])
    assert np.array_equal(joined.numpy(), bunch.data)


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("digits", "train", "81e0d03ee0cae284"),
        ("digits", "validation", "d014dc37002ab0bc"),
        ("digits", "test", "9627371141a7e76b"),
        ("mnist5k", "train", "a2cf4d46655c91da"),
        ("mnist5k", "validation", "7f95863ee0386082"),
        ("mnist5k", "test", "1ea7942c945d373e"),
    ],
)
def test_pixels_are_the_same_with_every_library_version(name: str, split: str, expected: str) -> None:
    assert digest(load(name, split).x.numpy().astype(np.uint8)) == expected


def test_stratified_split_is_fixed() -> None:
    parts = stratified_split(np.repeat(np.arange(10), 500), (4000, 500, 500), seed=0)
    assert digest(np.concatenate(parts).astype("<i8")) == "5b5cd66fae98cfb7"
    assert parts[2][:4].tolist() == [640, 3080, 2061, 1022]
    other = stratified_split(np.repeat(np.arange(10), 500), (4000, 500, 500), seed=1)
    assert not np.array_equal(parts[0], other[0])


def test_mnist5k_is_balanced_in_every_split_and_prefix() -> None:
    for split, per_class in zip(SPLITS, (400, 50, 50), strict=True):
        data = load("mnist5k", split)
        assert data.y.bincount().tolist() == [per_class] * 10
        assert data.subset(20).y.bincount().tolist() == [2] * 10


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 9), data=st.data())
def test_stratified_split_is_a_partition_in_proportion(counts: list[int], seed: int, data: st.DataObject) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    first = data.draw(st.integers(0, len(labels)))
    parts = stratified_split(labels, (first, len(labels) - first), seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for label, count in enumerate(counts):
        share = (labels[parts[0]] == label).sum()
        assert abs(share - count * first / len(labels)) <= 1 + len(counts) / 2


@pytest.mark.parametrize("sizes", [(3, 3), (-1, 2)])
def test_stratified_split_refuses_impossible_sizes(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sizes: expected counts"):
        stratified_split([0, 0, 1, 1], sizes)


@pytest.mark.usefixtures("unchecked")
def test_subset() -> None:
    data = load("digits", "test")
    assert torch.equal(data.subset(7).x, data.x[:7]) and len(data.subset(7).y) == 7
    for n in (0, 448, 2.5, True):
        with pytest.raises(ValueError, match="n: expected 1 to 447"):
            data.subset(n)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seed", [-1, "1", 2.5])
def test_a_seed_is_a_whole_number(seed) -> None:
    with pytest.raises(ValueError, match="seed: expected a whole number of at least 0"):
        load("digits", "train", seed=seed)


def test_threshold_cuts_at_half_the_highest_level() -> None:
    grey, binary = load("digits", "test"), load("digits", "test", binarize="threshold")
    assert binary.num_values == 2
    assert torch.equal(binary.x, (grey.x >= 8).float())


def test_static_is_seeded_and_follows_the_grey_level() -> None:
    grey, binary = load("digits", "train"), load("digits", "train", binarize="static")
    assert binary.num_values == 2 and set(binary.x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(binary.x, load("digits", "train", binarize="static").x)
    assert not torch.equal(binary.x, load("digits", "train", binarize="static", seed=1).x)
    for level in range(17):
        drawn = binary.x[grey.x == level]
        rate, error = level / 16, 4 * (level / 16 * (1 - level / 16) / len(drawn)) ** 0.5
        assert abs(drawn.mean().item() - rate) <= error + 1e-12


def test_static_stream_is_frozen() -> None:
    binary = load("mnist5k", "train", binarize="static").x.numpy().astype(np.uint8)
    assert digest(binary) == "8c9dcb9ea0a60ae2"


def test_dynamic_draws_anew_in_each_batch() -> None:
    data = load("digits", "train", binarize="dynamic")
    assert data.num_values == 2 and torch.equal(data.x, load("digits", "train").x)
    generator = torch.Generator().manual_seed(0)
    first, second = (data.batch_transform(data.x, generator) for _ in range(2))
    assert set(first.unique().tolist()) == {0.0, 1.0} and not torch.equal(first, second)
    again = data.batch_transform(data.x, torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert abs(first.mean() - (data.x / 16).mean()) < 4 * 0.5 / data.x.numel() ** 0.5


@pytest.mark.parametrize("how", [None, "static", "threshold"])
def test_batch_transform_is_the_identity_otherwise(how: str | None) -> None:
    data = load("digits", "test", binarize=how)
    assert data.batch_transform(data.x) is data.x


def test_loads_do_not_share_memory() -> None:
    first = load("digits", "test")
    first.x.zero_(), first.y.zero_()
    second = load("digits", "test")
    assert second.x.max() == 16 and second.y.max() == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digit", "train"), "name: expected one of digits.*got 'digit'; did you mean 'digits'"),
        (("fashion-mnist", "train"), "did you mean 'fashion_mnist'"),
        (("digits", "valid"), "split: expected one of train, validation, test, got 'valid'"),
        (("digits", "train", "statc"), "binarize: expected one of .*did you mean 'static'"),
    ],
)
def test_unknown_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(*arguments)


def test_names_and_repr() -> None:
    assert names() == ("digits", "mnist5k", "mnist", "fashion_mnist", "abr")
    assert repr(load("digits", "test")) == "Dataset(digits test: 447 images 8×8, 17 values)"
    assert "2 values, dynamically binarised" in repr(load("digits", "test", "dynamic"))


@pytest.mark.parametrize("how", [None, "static", "dynamic", "threshold"])
def test_images_as_maps_hold_the_pixels_of_the_vectors(how: str | None) -> None:
    flat, maps = (load("digits", "test", how, layout=layout) for layout in ("vector", "image"))
    assert maps.x.shape == (447, 1, 8, 8) and torch.equal(maps.x.flatten(1), flat.x) and torch.equal(maps.y, flat.y)
    assert (maps.data_dim, maps.image_shape, maps.num_values) == (64, (8, 8), flat.num_values)
    assert maps.subset(3).x.shape == (3, 1, 8, 8)
    drawn = maps.batch_transform(maps.x[:5], torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 1, 8, 8) and drawn.max() < maps.num_values
    assert torch.equal(maps.x[7, 0, 2], flat.x[7, 16:24]), "rows of the image, from the top"


def test_labels_as_the_condition() -> None:
    data = load("digits", "validation", condition="label")
    assert torch.equal(data.condition, data.y) and data.condition.dtype == torch.int64
    assert torch.equal(data.subset(9).condition, data.y[:9])
    assert load("digits", "validation").condition is None and load("digits", "test").subset(2).condition is None
    copies = load("digits", "train", condition="label", deformed_copies=1, layout="image")
    assert len(copies.condition) == len(copies.x) == 2000 and torch.equal(copies.condition[1000:], copies.y[:1000])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "maps"}, "layout: expected one of vector, image, got 'maps'"),
        ({"condition": "labels"}, "condition: expected one of label, got 'labels'; did you mean 'label'"),
    ],
)
def test_layouts_and_conditions_that_there_are_not(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("digits", **arguments)


@pytest.mark.parametrize("arguments", [{"layout": "image"}, {"condition": "label"}, {"binarize": "static"}])
def test_signals_have_no_pixels(arguments: dict) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name}: abr holds no grey-level images; leave it out"):
        load("abr", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": "1"}, "seed: expected a whole number of at least 0, got '1'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0, got -1"),
        ({"seed": True}, "seed: expected a whole number of at least 0, got True"),
        ({"seed": 1.0}, "seed: expected a whole number of at least 0, got 1.0"),
        ({"deformed_copies": 1.5}, "deformed_copies: expected a whole number of at least 0, got 1.5"),
        ({"deformed_copies": True}, "deformed_copies: expected a whole number of at least 0, got True"),
    ],
)
def test_seeds_and_numbers_of_copies_are_whole(arguments: dict, message: str, unchecked) -> None:
    for name in ("digits", "abr"):
        with pytest.raises(ValueError, match=message):
            load(name, "train", **arguments)


def test_numbers_of_numpy_are_numbers_and_halves_are_none(unchecked) -> None:
    assert torch.equal(load("digits", "test", "static", seed=np.int64(3)).x, load("digits", "test", "static", seed=3).x)
    for name in ("digits", "abr"):
        data = load(name, "validation")
        assert len(data.subset(np.int64(2))) == 2
        for n in (2.5, True, 0, "2"):
            with pytest.raises(ValueError, match=f"n: expected 1 to .*, got {n!r}"):
                data.subset(n)
