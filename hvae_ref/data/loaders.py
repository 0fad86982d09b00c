"""Sources that read their data bit by bit: data sets of items, and loaders of batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch.utils.data import DistributedSampler, IterableDataset, TensorDataset, default_collate

from hvae_ref.data.batch import as_batch, batch_size_of, cast, digest, map_batch
from hvae_ref.data.examples import in_words
from hvae_ref.data.source import Share, Source, own_rows

T = TypeVar("T")


class ItemSource(Source):
    """A data set that gives one item at a time, by number; it is never held in memory as a whole."""

    def __init__(self, name: str, dataset: Any, dtype: torch.dtype, conditional: bool) -> None:  # noqa: ANN401
        self.name, self.dataset, self.dtype, self.conditional = name, dataset, dtype, conditional
        if len(dataset) == 0:
            raise ValueError(f"{name}: expected at least one example, got an empty {type(dataset).__name__}")

    def __len__(self) -> int:
        return len(self.dataset)

    def steps(self, batch_size: int) -> int:
        """⌈N / batch_size⌉."""
        return -(-len(self) // batch_size)

    def shares(
        self, batch_size: int, seed: int | None = None, epoch: int = 0, process: int = 0, processes: int = 1
    ) -> Iterator[Share]:
        """The same order as of a tensor; only the items of this process are asked for."""
        order = torch.arange(len(self))
        if seed is not None:
            order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        _tell_epoch(epoch, self.dataset)

        def batches() -> Iterator[Share]:
            for chosen in order.split(batch_size):
                rows, weight = own_rows(0, len(chosen), process, processes)
                yield Share(self._batch(chosen[rows].tolist()), weight)

        yield from in_own_stream(batches, seed or 0)

    def fingerprint(self) -> dict[str, Any]:
        """Class and length of the data set, and a hash of a few items."""
        return {"dataset": type(self.dataset).__qualname__, "examples": len(self), "items": hash_of_items(self.dataset)}

    def _batch(self, rows: list[int]) -> Any:  # noqa: ANN401
        many = getattr(self.dataset, "__getitems__", None)
        items = many(rows) if callable(many) else [self.dataset[row] for row in rows]
        try:
            collated = default_collate(items)
        except TypeError as error:
            raise ValueError(
                f"{self.name}: expected items made of arrays, tensors and numbers, got {in_words(items[0])}; give the "
                f"data set a transform that makes tensors of them ({error})"
            ) from error
        return cast(as_batch(self.name, collated, self.conditional), self.dtype)


class LoaderSource(Source):
    """A `DataLoader`, or anything else that gives its batches anew whenever it is iterated over."""

    def __init__(self, name: str, loader: Iterable[Any], dtype: torch.dtype, conditional: bool) -> None:
        self.name, self.loader, self.dtype, self.conditional = name, loader, dtype, conditional
        if isinstance(getattr(loader, "sampler", None), DistributedSampler):
            raise ValueError(
                f"{name}: expected a loader without DistributedSampler, because every batch is shared between the "
                "processes here; give the loader of a single process"
            )

    def steps(self, batch_size: int) -> int | None:
        """`len(loader)` where it has one."""
        try:
            return len(self.loader)
        except (TypeError, NotImplementedError):
            return None

    def shares(
        self, batch_size: int, seed: int | None = None, epoch: int = 0, process: int = 0, processes: int = 1
    ) -> Iterator[Share]:
        """The loader's batches.

        A loader that draws from torch's global random numbers, as `shuffle=True` does, draws the same for the same
        seed, in every process. One with a `generator` of its own draws on from where that is.
        """
        _tell_epoch(epoch, self.loader, *(getattr(self.loader, part, None) for part in ("sampler", "dataset")))
        several = _SameOfEachWorker(self.name, self.loader)
        for raw in in_own_stream(lambda: self.loader, seed or 0):
            several.look_at(raw)
            batch = cast(as_batch(self.name, raw, self.conditional), self.dtype)
            if processes == 1:
                yield Share(batch, 1.0)
                continue
            rows, weight = own_rows(0, batch_size_of(batch), process, processes)
            yield Share(map_batch(lambda v, r=rows: v[r], batch) if isinstance(batch, Mapping) else batch[rows], weight)

    def fingerprint(self) -> dict[str, Any]:
        """Number of batches, None where it has no length; and a hash of a few items of its data set, if it has one."""
        items = hash_of_items(getattr(self.loader, "dataset", None))
        return {"loader": type(self.loader).__qualname__, "batches": self.steps(1), "items": items}


class _SameOfEachWorker:
    """Looks for workers of a loader that each give the whole stream, so that every example would come several times."""

    def __init__(self, name: str, loader: Any) -> None:  # noqa: ANN401
        workers = getattr(loader, "num_workers", 0) or 0
        stream = isinstance(getattr(loader, "dataset", None), IterableDataset)
        self.name, self.workers, self.left = name, workers, workers if stream and workers > 1 else 0
        self.first: Any = None

    def look_at(self, raw: Any) -> None:  # noqa: ANN401
        """The next batch; the first ones come from one worker each.

        Raises:
            ValueError: where each worker began with the same batch, unless its rows are all alike.
        """
        if not self.left:
            return
        self.left -= 1
        if self.first is None:
            self.first = raw
            return
        if digest_of(raw) != digest_of(self.first) or not _rows_differ(raw):
            self.left = 0
        elif not self.left:
            raise ValueError(
                f"{self.name}: expected workers that share the data, each of {self.workers} gives the same batches; "
                "let its data set ask torch.utils.data.get_worker_info() for a share, or set num_workers=0"
            )


def _rows_differ(batch: Any) -> bool:  # noqa: ANN401
    if isinstance(batch, torch.Tensor):
        return batch.dim() > 0 and bool((batch != batch[:1]).any())
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return any(map(_rows_differ, parts))


def hash_of_items(dataset: Any, at_most: int = 5) -> str | None:  # noqa: ANN401
    """A hash of items at even distances, the first and the last among them; of a `TensorDataset` one of all.

    Each item is asked for twice. The hash is None where items differ between the two times, as they do where the data
    set draws numbers; where they are no tensors, arrays or numbers; and for what has no items by number. A loader is
    never read itself: it may have workers, or random numbers that would move.
    """
    if isinstance(dataset, TensorDataset):
        return digest_of(dataset.tensors)
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not len(dataset):
        return None
    rows = sorted({round(place * (len(dataset) - 1) / max(at_most - 1, 1)) for place in range(at_most)})
    _tell_epoch(0, dataset)
    outside = torch.get_rng_state()
    try:
        first, second = (default_collate([dataset[row] for row in rows]) for _ in range(2))
        hashes = [digest_of(each) for each in (first, second)]
    except (TypeError, RuntimeError, KeyError, AttributeError):  # what cannot be collated is told when it is trained on
        return None
    finally:
        torch.set_rng_state(outside)
    return hashes[0] if hashes[0] == hashes[1] else None


def digest_of(batch: Any) -> str:  # noqa: ANN401
    """A hash of everything in a batch of tensors, lists, values by name and texts."""
    if isinstance(batch, torch.Tensor):
        return f"{tuple(batch.shape)} {batch.dtype} {digest(batch)}"
    if isinstance(batch, Mapping):
        batch = [(key, digest_of(value)) for key, value in batch.items()]
    elif isinstance(batch, list | tuple):
        batch = [digest_of(value) for value in batch]
    return hashlib.blake2b(repr(batch).encode(), digest_size=16).hexdigest()


def in_own_stream(make: Callable[[], Iterable[T]], seed: int) -> Iterator[T]:
    """Iterate under random numbers of its own: torch's global state outside is not moved, and does not matter."""
    state = torch.Generator().manual_seed(seed).get_state()
    iterator = None
    while True:
        outside = torch.get_rng_state()
        torch.set_rng_state(state)
        try:
            iterator = iter(make()) if iterator is None else iterator
            item = next(iterator)
        except StopIteration:
            return
        finally:
            state = torch.get_rng_state()
            torch.set_rng_state(outside)
        yield item


def _tell_epoch(epoch: int, *parts: Any) -> None:  # noqa: ANN401
    for part in parts:
        if callable(getattr(part, "set_epoch", None)):
            part.set_epoch(epoch)
