"""MNIST and Fashion-MNIST: a copy on this machine where there is one, else torchvision's download."""

from __future__ import annotations

import gzip
import math
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hvae_ref.data.file_kinds import kind_of
from hvae_ref.errors import optional_import

TORCHVISION_CLASS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
SYSTEM_FOLDERS = {"mnist": (), "fashion_mnist": (Path("/usr/share/dataset-fashion-mnist"),)}
DOWNLOAD_TIMEOUT_S = 20.0


class DataUnavailable(OSError, ValueError):
    """A data set is neither here nor to be had over the network; the message names what works offline."""


def data_folder() -> Path:
    """Folder for data sets: `$HVAE_REF_DATA`, else `~/.cache/hvae_ref`."""
    return Path(os.environ.get("HVAE_REF_DATA") or Path.home() / ".cache" / "hvae_ref").expanduser()


def _folders(name: str) -> Iterator[Path]:
    root = data_folder()
    yield from (root / TORCHVISION_CLASS[name] / "raw", root / name)
    yield from SYSTEM_FOLDERS[name]


def _find(name: str, stem: str) -> Path | None:
    # Some tools write a dot for the dash before "idx", or leave it at that of the unpacked archive.
    stems = (stem, stem.replace("-idx", ".idx"))
    for folder in _folders(name):
        for path in (folder / f"{each}{end}" for each in stems for end in ("", ".gz")):
            if path.is_file():
                return path
    return None


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes: two zeros, type 8, rank, the sizes, then the data.

    Args:
        path: file; one that gzip compressed is decompressed, whatever its name.

    Returns:
        uint8 array.

    Raises:
        ValueError: when the file isn't such a file or is cut short.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, OSError) as error:
            message = f"{path}: expected a complete gzip file, got: {error!s:.80}. Delete it and load again."
            raise ValueError(message) from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or not content[3]:
        got = (not content.startswith(b"\x00\x00") and kind_of(content)) or f"header {content[:4].hex() or 'none'}"
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes, got {got}. Delete it and load again.")
    rank = content[3]
    head = 4 + 4 * rank
    if len(content) < head:
        raise ValueError(
            f"{path}: expected an IDX file with {rank} sizes in its first {head} bytes, got {len(content)} bytes. "
            "Delete it and load again."
        )
    sizes = np.frombuffer(content, dtype=">u4", count=rank, offset=4).tolist()
    values = np.frombuffer(content, dtype=np.uint8, offset=head)
    if values.size != math.prod(sizes):
        raise ValueError(
            f"{path}: expected {math.prod(sizes)} bytes of data, got {values.size}. Delete it and load again."
        )
    try:
        return values.reshape(sizes)
    except ValueError as error:
        raise ValueError(
            f"{path}: expected an array of few sizes, got {rank} of them. Delete it and load again."
        ) from error


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on a network that drops packets silently, which would otherwise keep the reader waiting for minutes.

    Args:
        seconds: the longest wait for a single answer.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(name: str) -> None:
    try:
        datasets = optional_import("torchvision.datasets", extra="features", wanted_by="the download")
        with socket_timeout(DOWNLOAD_TIMEOUT_S):
            getattr(datasets, TORCHVISION_CLASS[name])(str(data_folder()), download=True)
    except (ImportError, OSError, RuntimeError) as error:
        searched = ", ".join(str(folder) for folder in _folders(name))
        reason = (str(error).strip().splitlines() or ["no detail"])[-1]
        package = "; on Debian and Ubuntu: apt install dataset-fashion-mnist" if name == "fashion_mnist" else ""
        raise DataUnavailable(
            f"{name}: found no copy in {searched} and could not download one "
            f'({type(error).__name__}: {reason}). Offline, use load("mnist5k", …): 5,000 MNIST images that '
            f"need no network. Or set HVAE_REF_DATA to a folder that holds the IDX files in {name}/{package}."
        ) from error


def mnist_like(name: str, *, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of MNIST or Fashion-MNIST.

    Args:
        name: "mnist" or "fashion_mnist".
        train: the 60,000 training images, or the 10,000 test images.

    Returns:
        (N, 28, 28) uint8 images and (N,) int64 labels.

    Raises:
        DataUnavailable: when there is no copy and no way to download one.
        ValueError: when a file is damaged, or holds other things.
    """
    prefix = "train" if train else "t10k"
    stems = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    if any(_find(name, stem) is None for stem in stems):
        _download(name)
    paths = [_find(name, stem) for stem in stems]
    if None in paths:
        raise DataUnavailable(f"{name}: the download left no {stems} under {data_folder()}")
    images, labels = (read_idx(path) for path in paths if path is not None)
    expected = (60_000 if train else 10_000, 28, 28)
    if images.shape != expected or labels.shape != expected[:1]:
        raise ValueError(
            f"{name}: expected images {expected}, got {images.shape} with labels {labels.shape} in {paths[0]}"
        )
    if labels.max() > 9:
        row = int((labels > 9).argmax())
        raise ValueError(f"{name}: expected labels 0 to 9, got {labels[row]} in place {row} of {paths[1]}")
    if not images.any():
        raise ValueError(f"{name}: expected images, got zeros throughout in {paths[0]}. Delete it and load again.")
    if images.max() < 2:
        raise ValueError(f"{name}: expected grey levels from 0 to 255, got 0 and 1 alone in {paths[0]}")
    if (labels == labels[0]).all():
        raise ValueError(f"{name}: expected labels of ten classes, got {labels[0]} throughout in {paths[1]}")
    return images, labels.astype(np.int64)
