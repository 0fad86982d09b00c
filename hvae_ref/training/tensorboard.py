"""TensorBoard scalars of a run: every part of the loss, and how much each latent moves with x."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hvae_ref.data import Examples, Source, source_of
from hvae_ref.data.batch import dtype_of, is_conditional
from hvae_ref.errors import optional_import
from hvae_ref.evaluation.information import posterior_mean_variance
from hvae_ref.objectives import part_names
from hvae_ref.training.history import EpochRecord, Terms

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

MOST_EXAMPLES = 10_000
"""So many examples, the first ones, are enough for a variance."""


class TensorBoardScalars:
    """A callback of `fit` that writes scalars for TensorBoard, one point an epoch.

    * `Hierarchical_Loss/<part>_train` and `…_validation`: each part unweighted, under the names of `WeightedLoss`,
      nats for the bound's terms; `Hierarchical_Loss/total_kl_train` and `…_validation`: the sum of the KL terms.
    * `Latent_Analysis/global_variance`, `…/local_variance` (for `z_global`, `z_local`; `…/z2_variance` for `z2`):
      variance of the posterior mean over the examples of `data`, averaged over the level's dimensions. Under a prior
      N(0, I) it lies between 0, a level that knows nothing of x, and about 1.

    Everything is on disk at the end of each epoch, so a run that is killed leaves a file that can be read. A resumed
    run writes a file of its own beside it; its first epoch takes over what an earlier run wrote from there on. Close
    it after the run, or use it in a `with` statement.

    Args:
        folder: where the files go; made if it does not exist.
        data: examples for the variances, usually the validation set; None leaves them out.

    Raises:
        ValueError: where the folder is a file.
        ModuleNotFoundError: where TensorBoard is not installed.

    >>> from hvae_ref.training import TensorBoardScalars, fit
    >>> with TensorBoardScalars("runs/a", validation) as scalars:  # doctest: +SKIP
    ...     fit(model, train, validation, callbacks=[scalars])
    """

    def __init__(self, folder: str | Path, data: Any = None) -> None:  # noqa: ANN401  (see `source_of`)
        # torch's writer needs it, and says so less plainly.
        optional_import("tensorboard", extra="tensorboard", wanted_by="hvae_ref.training.TensorBoardScalars")
        self.folder = Path(folder)
        for part in (self.folder, *self.folder.parents):
            if part.exists() and not part.is_dir():
                raise ValueError(f"folder: expected a folder, {part} is a file")
        self.data = data
        if data is not None:
            source_of("data", data)  # what does not fit is told here, not after an epoch
        self._examples: Examples | None = None
        self._writer: SummaryWriter | None = None

    def __call__(self, record: EpochRecord, model: nn.Module) -> None:
        """Write the scalars of one epoch."""
        scalars = {}
        for split, terms in (("train", record.train), ("validation", record.validation)):
            if terms is not None:
                scalars |= {f"Hierarchical_Loss/{name}_{split}": value for name, value in parts(terms).items()}
        for level, variance in self._variances(model).items():
            scalars[f"Latent_Analysis/{level.removeprefix('z_')}_variance"] = variance
        writer = self._open(record.epoch)
        for name, value in scalars.items():
            writer.add_scalar(name, value, record.epoch)
        writer.flush()

    def close(self) -> None:
        """Close the file; another epoch would open a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> TensorBoardScalars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, epoch: int) -> Any:  # noqa: ANN401  (a SummaryWriter, which only this method imports)
        if self._writer is None:
            # Imported here because it takes seconds, and only the main process of a group ever writes.
            from torch.utils.tensorboard import SummaryWriter

            # Files are read in the order of the seconds in their names; within one second a resumed run could come
            # first and be purged by the run that it goes on from.
            while any(self.folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
                time.sleep(0.02)
            self._writer = SummaryWriter(str(self.folder), purge_step=epoch)
        return self._writer

    def _variances(self, model: nn.Module) -> dict[str, float]:
        if self.data is None or not hasattr(model, "encode"):
            return {}
        if self._examples is None:
            # Drawn once, so that two epochs differ by the model alone.
            self._examples = first_examples(source_of("data", self.data, dtype_of(model), is_conditional(model)))
        examples = self._examples.to(next(model.parameters()).device)
        variances = posterior_mean_variance(model, examples.x, condition=examples.condition)
        return {level: value.mean().item() for level, value in variances.items()}


def first_examples(source: Source, at_most: int = MOST_EXAMPLES) -> Examples:
    """The first examples of a source as one batch, transformed with a seed of 0."""
    batches: list[Examples] = []
    for batch, _ in source.shares(1000):
        if not isinstance(batch, Examples):
            raise ValueError(f"{source.name}: expected examples with x, got {type(batch).__name__}")
        batches.append(batch)
        if sum(map(len, batches)) >= at_most:
            break
    x = torch.cat([batch.x for batch in batches])
    condition = None if batches[0].condition is None else torch.cat([batch.condition for batch in batches])
    noise = torch.Generator(x.device).manual_seed(0)
    return Examples(x, condition)[:at_most].transformed(source.transform, noise)


def parts(terms: Terms) -> dict[str, float]:
    """The parts that `WeightedLoss` weighs, from an epoch's terms, and their `total_kl`; of another step, its terms.

    >>> parts(Terms.of_elbo(log_px=-3.0, kl={"z_global": 2.0, "z_local": 1.0}, auxiliary={"peak": 0.5}))
    {'reconstruction': 3.0, 'global_kl': 2.0, 'local_kl': 1.0, 'peak': 0.5, 'total_kl': 3.0}
    """
    if "log_px" not in terms.terms:
        return dict(terms.terms)
    values = (-terms.log_px, *terms.kl.values(), *terms.auxiliary.values())
    named = dict(zip(part_names(terms.kl, terms.auxiliary), values, strict=True))
    return named | {"total_kl": sum(terms.kl.values())}
