"""MNIST-like sets: a local copy is found and checked, and without one the error names what works offline."""

import gzip
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from hvae_ref.data import DataUnavailable, load, local_files


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener(path, "wb") as file:
        file.write(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HVAE_REF_DATA", str(tmp_path))
    monkeypatch.setattr(local_files, "SYSTEM_FOLDERS", {"mnist": (), "fashion_mnist": ()})

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("network is blocked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_without_copy_and_network(name: str, no_copy: Path) -> None:
    with pytest.raises(DataUnavailable) as caught:
        load(name, "train")
    message = str(caught.value)
    assert message.startswith(f"{name}: found no copy in {no_copy}")
    assert 'load("mnist5k"' in message and "HVAE_REF_DATA" in message
    assert isinstance(caught.value, OSError) and isinstance(caught.value, ValueError)


def test_without_torchvision(no_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    with pytest.raises(DataUnavailable, match="mnist5k"):
        load("mnist", "test")


def test_timeout_is_restored(no_copy: Path) -> None:
    socket.setdefaulttimeout(7.0)
    try:
        with pytest.raises(DataUnavailable):
            load("mnist", "test")
        assert socket.getdefaulttimeout() == 7.0
    finally:
        socket.setdefaulttimeout(None)


@pytest.mark.parametrize("layout", ["FashionMNIST/raw/{}", "fashion_mnist/{}.gz", "dots"])
def test_local_copy_is_used(layout: str, no_copy: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (10_000, 28, 28)), rng.integers(0, 10, 10_000)
    dots = layout == "dots"  # as some archives unpack
    for what, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        name = f"t10k-{what.replace('-idx', '.idx') if dots else what}"
        write_idx(no_copy / ("fashion_mnist/{}" if dots else layout).format(name), array)
    data = load("fashion_mnist", "test")
    assert np.array_equal(data.x.numpy(), images.reshape(10_000, 784))
    assert np.array_equal(data.y.numpy(), labels)
    assert data.labels[9] == "Ankle boot"


def test_train_and_validation_are_disjoint_parts_of_the_training_file(
    no_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(60_000) % 251
    images = np.zeros((60_000, 28, 28), np.uint8)
    monkeypatch.setattr("hvae_ref.data.loading.mnist_like", lambda name, train: (images, labels))
    train, validation = load("mnist", "train"), load("mnist", "validation")
    assert (len(train), len(validation)) == (50_000, 10_000)
    assert np.array_equal(np.concatenate([train.y.numpy(), validation.y.numpy()]), labels)


def test_damaged_files_are_named(no_copy: Path) -> None:
    path = no_copy / "mnist" / "t10k-images-idx3-ubyte"
    write_idx(path, np.zeros((10, 28, 28)))
    write_idx(no_copy / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(10))
    with pytest.raises(ValueError, match=r"expected images \(10000, 28, 28\), got \(10, 28, 28\)"):
        load("mnist", "test")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="expected 7840 bytes of data, got 7835. Delete it"):
        load("mnist", "test")
    path.write_bytes(b"not an idx file")
    with pytest.raises(ValueError, match="expected an IDX file"):
        load("mnist", "test")


def test_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    write_idx(path, np.arange(200))
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ValueError, match="complete gzip file"):
        local_files.read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x00\x08\x03\x00\x00", "3 sizes in its first 16 bytes, got 6 bytes"),
        (b"", "expected an IDX file of unsigned bytes, got header none"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "expected an IDX file of unsigned bytes, got header 00000d01"),
        (b"\x00\x00\x08\x00", "expected an IDX file of unsigned bytes"),
        (b"\x00\x00\x08\xc8" + b"\x00\x00\x00\x01" * 200 + b"\x07", "expected an array of few sizes, got 200 of them"),
        (b"<html>404</html>", "got a page of HTML or XML"),
        (b"PK\x03\x04", "got a ZIP archive"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "expected 79228162458924105385300197375 bytes of data, got 0"),
        (gzip.compress(b"x" * 99)[:-20], "expected a complete gzip file"),
        (b"\x1f\x8b\x08\x00nonsense", "expected a complete gzip file"),
    ],
)
def test_files_that_are_no_idx_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images.idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        local_files.read_idx(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value)) < len(str(path)) + 200


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    write_idx(tmp_path / "a.gz", np.arange(200))
    (tmp_path / "a.gz").rename(tmp_path / "a")
    assert np.array_equal(local_files.read_idx(tmp_path / "a"), np.arange(200))


def test_labels_and_images_that_are_none_are_named(no_copy: Path) -> None:
    images, labels = np.ones((10_000, 28, 28)), np.zeros(10_000)
    write_idx(no_copy / "mnist" / "t10k-images-idx3-ubyte", images)
    labels[17] = 11
    write_idx(no_copy / "mnist" / "t10k-labels-idx1-ubyte", labels)
    with pytest.raises(ValueError, match="mnist: expected labels 0 to 9, got 11 in place 17 of .*labels-idx1-ubyte"):
        load("mnist", "test")
    write_idx(no_copy / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(10_000))
    write_idx(no_copy / "mnist" / "t10k-images-idx3-ubyte", 0 * images)
    with pytest.raises(ValueError, match="mnist: expected images, got zeros throughout"):
        load("mnist", "test")
    write_idx(no_copy / "mnist" / "t10k-images-idx3-ubyte", images)
    with pytest.raises(ValueError, match="mnist: expected grey levels from 0 to 255, got 0 and 1 alone in .*images"):
        load("mnist", "test")
    write_idx(no_copy / "mnist" / "t10k-images-idx3-ubyte", 255 * images)
    write_idx(no_copy / "mnist" / "t10k-labels-idx1-ubyte", np.full(10_000, 3))
    with pytest.raises(ValueError, match="mnist: expected labels of ten classes, got 3 throughout in .*labels"):
        load("mnist", "test")
