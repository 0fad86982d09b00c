"""The seam of training: a step turns a batch into a loss and named terms, whatever the model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.data.batch import Batch, batch_size_of
from hvae_ref.objectives import TrainingState
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.described import described


@dataclass(frozen=True, eq=False)
class StepResult:
    """What a step makes of a batch.

    Attributes:
        loss: scalar, a mean over the batch's examples. This is what is minimised.
        terms: by name, one value for each example (B,), or a scalar that is a mean over the batch. The history keeps
            their means over an epoch. The name "loss" is taken.
    """

    loss: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


class Step(ABC):
    """Turns a batch into a loss and named terms.

    `fit` calls a step once for each batch and phase, and does the rest: backward, clipping, the optimisers, devices,
    processes, the history and checkpoints. A step for one optimiser needs `__call__` alone. A step for several names
    them in `phases` and says in `parameters` what each of them changes; it is called once for each phase, in their
    order, and `state.phase` tells which it is.

    Attributes:
        phases: names of the optimisers, in the order of their turns.
        criterion: name of the validation term by which epochs are compared; the lower, the better.

    >>> class Reconstruction(Step):
    ...     def __call__(self, model, batch, state):
    ...         error = (model(batch.x) - batch.x).square().flatten(1).sum(1)
    ...         return StepResult(error.mean(), {"error": error})
    >>> model = nn.Linear(3, 3)
    >>> fit(model, torch.randn(20, 3), step=Reconstruction()).curve("train.terms.error")  # doctest: +SKIP
    """

    phases: tuple[str, ...] = ("train",)
    criterion: str = "loss"

    @abstractmethod
    def __call__(self, model: nn.Module, batch: Batch, state: TrainingState) -> StepResult:
        """The loss of a batch, and its terms.

        Args:
            model: in training mode.
            batch: `Examples`, or tensors by name where the data have no x; on the model's device.
            state: the step, the length of the run and the phase.
        """

    def parameters(self, model: nn.Module, phase: str) -> Iterable[nn.Parameter]:
        """What the optimiser of a phase changes; all of the model where there is one phase.

        Raises:
            ValueError: where there are several phases and this method is not overridden.
        """
        if len(self.phases) > 1:
            raise ValueError(
                f"parameters: expected {type(self).__name__} to say which parameters each of its phases "
                f"{', '.join(self.phases)} changes, got no such method"
            )
        return model.parameters()

    def optimizer(self, model: nn.Module, phase: str, config: TrainConfig) -> torch.optim.Optimizer:
        """The optimiser of a phase: Adam with decoupled weight decay.

        `fit` multiplies its learning rates by the schedule and warm-up of the configuration.
        """
        chosen = list(self.parameters(model, phase))
        fused = all(value.is_floating_point() and value.device.type in ("cpu", "cuda") for value in chosen)
        return torch.optim.AdamW(chosen, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)

    def evaluate(self, model: nn.Module, batch: Batch, state: TrainingState) -> Mapping[str, Tensor]:
        """The terms of a validation batch, the criterion among them; without gradients, in evaluation mode.

        These are the terms of a call and its "loss". Where there are several phases, "loss" is the sum of their losses.
        Several processes see a part of each batch each, so a term that is to be the same for any number of them is a
        mean over examples.
        """
        terms: dict[str, Tensor] = {}
        losses = []
        for phase in self.phases:
            result = self(model, batch, replace(state, phase=phase))
            terms |= result.terms
            losses.append(result.loss)
        return terms | {"loss": sum(losses[1:], start=losses[0])}

    def update(self, terms: Mapping[str, Tensor], state: TrainingState) -> None:  # noqa: B027  (most learn nothing)
        """Learn from the terms of a call, without gradients; called after each optimiser step."""

    def report(self, terms: Iterable[str], state: TrainingState) -> dict[str, float]:
        """The weights in force at the end of an epoch, for the history.

        Args:
            terms: names of the epoch's terms.
            state: where training stands.
        """
        return {}

    def reset(self) -> None:  # noqa: B027
        """Forget what was learned; called before a run begins, or takes over what `state_dict` has kept."""

    def state_dict(self) -> dict[str, Tensor]:
        """What the step itself has learned, as tensors, for a checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take over what `state_dict` returned."""

    def settings(self) -> Any:  # noqa: ANN401
        """The step in words that JSON has; a run is resumed with equal ones only.

        These are its class and its attributes by value, as they are before the first batch; but not those whose names
        begin with an underscore or stand in `state_dict`.
        """
        return described(self)


class FunctionStep(Step):
    """A plain function as a step.

    Args:
        function: called as `function(model, batch)`; returns the loss, or the loss and terms by name.

    >>> step = FunctionStep(lambda model, batch: (model(batch.x) - batch.x).square().mean())
    >>> from hvae_ref.data import Examples
    >>> step(nn.Identity(), Examples(torch.ones(2, 3)), TrainingState()).loss
    tensor(0.)
    """

    def __init__(self, function: Callable[[nn.Module, Batch], Any]) -> None:
        self.function = function

    def __call__(self, model: nn.Module, batch: Batch, state: TrainingState) -> StepResult:
        """What the function returns, as a `StepResult`.

        Raises:
            ValueError: where it returns something else.
        """
        result = self.function(model, batch)
        if isinstance(result, StepResult):
            return result
        if isinstance(result, Tensor):
            return StepResult(result)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
            return StepResult(*result)
        raise ValueError(
            "step: expected a function that returns the loss, or the loss and terms by name, "
            f"got {type(result).__name__}"
        )


class StepModule(nn.Module):
    """A step as a module, which can be wrapped so that gradients meet between processes.

    Args:
        model: what is trained.
        step: how.
    """

    def __init__(self, model: nn.Module, step: Step) -> None:
        super().__init__()
        self.model, self.step = model, step

    def forward(self, batch: Batch, state: TrainingState, weight: float = 1.0) -> dict[str, Any]:
        """The loss times `weight` with its gradient, and the terms without; a dict, which every wrapper knows.

        Raises:
            ValueError: where the loss is no scalar or has no gradient, or a term has not a value for each example.
        """
        result = self.step(self.model, batch, state)
        if not isinstance(result, StepResult) or not isinstance(result.loss, Tensor):
            got = type(result.loss if isinstance(result, StepResult) else result).__name__
            raise ValueError(f"step: expected StepResult(tensor, terms) from {type(self.step).__name__}, got {got}")
        loss = result.loss
        if loss.dim() or not loss.requires_grad:
            kind = f"shape {tuple(loss.shape)}" if loss.dim() else "a loss that no parameter has a part in"
            raise ValueError(f"loss: expected a scalar with a gradient from {type(self.step).__name__}, got {kind}")
        terms = detached(result.terms, batch_size_of(batch))
        if "loss" in terms:
            raise ValueError(f'terms: expected names other than "loss" from {type(self.step).__name__}, which is taken')
        terms["loss"] = loss.detach()
        return {"loss": loss if weight == 1.0 else weight * loss, "terms": terms}


def detached(terms: Mapping[str, Any], examples: int) -> dict[str, Tensor]:
    """Terms without their gradients; numbers become tensors.

    Args:
        terms: by name.
        examples: B, how many the batch has.

    Raises:
        ValueError: for what is not by name, or a term that is neither one number nor one for each example.

    >>> detached({"error": torch.zeros(3)}, examples=4)
    Traceback (most recent call last):
    ValueError: terms['error']: expected a scalar or one value for each of the 4 examples, got shape (3,)
    """
    if not isinstance(terms, Mapping) or not all(isinstance(name, str) for name in terms):
        raise ValueError(f"terms: expected numbers or tensors by name, got {terms!r:.80}")
    result = {}
    for name, value in terms.items():
        if not isinstance(value, Tensor):
            if not isinstance(value, Real | np.ndarray):
                raise ValueError(f"terms[{name!r}]: expected a tensor or a number, got {value!r:.80}")
            value = torch.as_tensor(value, dtype=torch.float32)  # noqa: PLW2901
        if value.is_complex() or value.shape not in ((), (examples,)):
            got = "complex numbers" if value.is_complex() else f"shape {tuple(value.shape)}"
            raise ValueError(
                f"terms[{name!r}]: expected a scalar or one value for each of the {examples} examples, got {got}"
            )
        result[name] = value.detach()
    return result
