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


@pytest.mark.parametrize("layout", ["FashionMNIST/raw/{}", "fashion_mnist/{}.gz"])
def test_local_copy_is_used(layout: str, no_copy: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (10_000, 28, 28)), rng.integers(0, 10, 10_000)
    write_idx(no_copy / layout.format("t10k-images-idx3-ubyte"), images)
    write_idx(no_copy / layout.format("t10k-labels-idx1-ubyte"), labels)
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
