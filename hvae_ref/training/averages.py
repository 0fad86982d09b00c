"""Means of named terms over the batches of an epoch and over processes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hvae_ref.training.processes import Processes

KEPT = 500
"""Batches whose terms are kept as they are, before they are added up."""


class Averages:
    """Means of named terms over examples.

    A term is one value for each example, or a scalar that is a mean over the batch. The terms of each batch stay on the
    device and are added up many at a time, in float64: a step neither waits for numbers nor pays for sums.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}
        self._scalars: dict[str, list[tuple[Tensor, int]]] = {}
        self._totals: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._batches = 0

    def add(self, terms: Mapping[str, Tensor], examples: int) -> None:
        """Take in the terms of a batch.

        Args:
            terms: detached, by name.
            examples: how many the batch has, the weight of its scalars.

        Raises:
            ValueError: for a term that is neither a scalar nor a vector.
        """
        for name, value in terms.items():
            if value.dim() > 1:
                raise ValueError(
                    f"terms[{name!r}]: expected a scalar or one value for each example, got shape {tuple(value.shape)}"
                )
            if value.dim():
                self._values.setdefault(name, []).append(value)
            else:
                self._scalars.setdefault(name, []).append((value, examples))
            self._counts[name] = self._counts.get(name, 0) + (len(value) if value.dim() else examples)
        self._batches += 1
        if self._batches % KEPT == 0:
            self._add_up()

    def reduce(self, processes: Processes) -> dict[str, float]:
        """The mean of every term over the examples of all processes; the only wait for the device."""
        self._add_up()
        names = processes.all_names(list(self._counts))
        if not names:
            return {}
        zero = torch.zeros((), dtype=torch.float64, device=processes.device)
        sums = torch.stack([self._totals.get(name, zero) for name in names])
        counts = torch.tensor([float(self._counts.get(name, 0)) for name in names], dtype=torch.float64)
        packed = processes.sum(torch.cat([sums, counts.to(processes.device)])).tolist()
        return {name: packed[i] / packed[len(names) + i] for i, name in enumerate(names)}

    def _add_up(self) -> None:
        totals = [(name, torch.cat(values).sum(dtype=torch.float64)) for name, values in self._values.items()]
        for name, pairs in self._scalars.items():
            values = torch.stack([value for value, _ in pairs]).double()
            totals.append((name, (values * values.new_tensor([examples for _, examples in pairs])).sum()))
        for name, total in totals:
            self._totals[name] = self._totals[name] + total if name in self._totals else total
        self._values.clear()
        self._scalars.clear()
