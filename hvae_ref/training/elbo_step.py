"""The step of variational autoencoders: an objective of the evidence lower bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.data.batch import Batch
from hvae_ref.data.examples import Examples, in_words
from hvae_ref.elbo import Elbo
from hvae_ref.objectives import LatentSamples, NegativeElbo, Objective, TrainingState
from hvae_ref.training.steps import Step, StepResult

Bound = Callable[[Any, Examples], Elbo]
"""A function of the model and a batch."""


def elbo_of_model(model: nn.Module, batch: Batch) -> Elbo:
    """`model.elbo(x)`, or `model.elbo(x, condition=…)` where the batch has a condition.

    A model that `torch.compile` wrapped gets its bound compiled in the same way.

    Raises:
        ValueError: where the batch has no x, or has a condition that the model does not take.
    """
    if not isinstance(batch, Examples):
        got = f"tensors named {', '.join(batch)}" if isinstance(batch, Mapping) else type(batch).__name__
        raise ValueError(f'batch: expected examples with x, got {got}; name one of them "x", or give fit a step')
    elbo = _compiled(model) if hasattr(model, "_orig_mod") else model.elbo
    if batch.condition is None:
        return elbo(batch.x)
    if getattr(model, "condition", batch.condition) is None:
        raise ValueError(
            f"condition: expected examples without one because {type(model).__name__} takes none, "
            f"got {in_words(batch.condition)}; give the data set's x alone"
        )
    return elbo(batch.x, condition=batch.condition)


class ElboStep(Step):
    """An objective of a bound, −ELBO by default.

    loss = objective(bound(model, batch))        (book, eq. 1.5 and 2.4)

    The terms are "log_px", "kl.<level>" for each level and "auxiliary.<name>" for what the bound brings beside them, in
    nats and unweighted. Validation measures `model.elbo` whatever is trained; epochs are compared by −ELBO.

    Args:
        objective: what to minimise; None for `NegativeElbo()`.
        bound: a function of the model and a batch of `Examples` that returns an `Elbo`; None for `model.elbo`.
        auxiliary: whether the bound brings auxiliary terms that it makes of `batch.targets`; validation then measures
            them beside the ELBO, where the validation set has targets.

    >>> def with_half_the_kl(model, batch):
    ...     elbo = model.elbo(batch.x)
    ...     return Elbo(elbo.log_px, {level: kl / 2 for level, kl in elbo.kl.items()})
    >>> fit(model, train, step=ElboStep(bound=with_half_the_kl))  # doctest: +SKIP
    """

    criterion = "negative_elbo"

    def __init__(
        self, objective: Objective | None = None, bound: Bound | None = None, *, auxiliary: bool = False
    ) -> None:
        if auxiliary and bound is None:
            raise ValueError(
                "auxiliary: expected False because model.elbo reads no targets, got True; give a bound too"
            )
        self.objective = NegativeElbo() if objective is None else objective
        self.bound = elbo_of_model if bound is None else bound
        self.auxiliary = auxiliary

    def __call__(self, model: nn.Module, batch: Batch, state: TrainingState) -> StepResult:
        """The objective of the bound, with samples of the latents where the objective needs them."""
        elbo = _single_precision(self.bound(model, batch))
        latents = latent_samples(model, batch) if self.objective.needs_latents else None
        return StepResult(self.objective(elbo, state, latents), terms_of(elbo))

    def evaluate(self, model: nn.Module, batch: Batch, state: TrainingState) -> Mapping[str, Tensor]:
        """The terms of `model.elbo`; and the auxiliary terms of the bound, where there are targets."""
        terms = terms_of(_single_precision(elbo_of_model(model, batch)))
        if self.auxiliary and batch.targets:
            own = terms_of(_single_precision(self.bound(model, batch)))
            terms |= {name: value for name, value in own.items() if name.startswith("auxiliary.")}
        return terms

    def update(self, terms: Mapping[str, Tensor], state: TrainingState) -> None:
        """Let the objective learn, if it does."""
        if type(self.objective).update is not Objective.update:
            self.objective.update(elbo_of_terms(terms), state)

    def report(self, terms: Iterable[str], state: TrainingState) -> dict[str, float]:
        """The objective's weights."""
        levels = tuple(name.removeprefix("kl.") for name in terms if name.startswith("kl."))
        return self.objective.report(levels, state)

    def reset(self) -> None:
        """Let the objective begin anew."""
        self.objective.reset()

    def state_dict(self) -> dict[str, Tensor]:
        """What the objective has learned."""
        return self.objective.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what the objective has learned."""
        self.objective.load_state_dict(state)


def terms_of(elbo: Elbo) -> dict[str, Tensor]:
    """The terms of an `Elbo` by name.

    >>> terms_of(Elbo(torch.zeros(2), {"z1": torch.ones(2)}))
    {'log_px': tensor([0., 0.]), 'kl.z1': tensor([1., 1.])}
    """
    terms = {"log_px": elbo.log_px}
    terms |= {f"kl.{level}": value for level, value in elbo.kl.items()}
    return terms | {f"auxiliary.{name}": value for name, value in elbo.auxiliary.items()}


def elbo_of_terms(terms: Mapping[str, Tensor]) -> Elbo:
    """The inverse of `terms_of`."""
    parts: dict[str, dict[str, Tensor]] = {"kl": {}, "auxiliary": {}}
    for name, value in terms.items():
        kind, _, rest = name.partition(".")
        if kind in parts:
            parts[kind][rest] = value
    return Elbo(terms["log_px"], parts["kl"], parts["auxiliary"])


def latent_samples(model: nn.Module, batch: Examples) -> LatentSamples:
    """One posterior sample of every level for each example, and as many from the prior."""
    given = {} if batch.condition is None else {"condition": batch.condition}
    posterior = model.encode(batch.x, **given)
    prior = model.sample_latents(len(batch.x), **given)
    return LatentSamples({level: q.rsample() for level, q in posterior.items()}, dict(prior))


def _single_precision(elbo: Elbo) -> Elbo:
    """Terms in float32 at least: means of half-precision numbers would be half as precise."""
    if elbo.log_px.dtype not in (torch.bfloat16, torch.float16):
        return elbo
    kl = {level: value.float() for level, value in elbo.kl.items()}
    auxiliary = {name: value.float() for name, value in elbo.auxiliary.items()}
    return replace(elbo, log_px=elbo.log_px.float(), kl=kl, auxiliary=auxiliary)


def _compiled(model: nn.Module) -> Callable[..., Elbo]:
    """The bound of a model that `torch.compile` wrapped; calling it directly would run it uncompiled."""
    if "_compiled_elbo" not in model.__dict__:
        model.__dict__["_compiled_elbo"] = model.dynamo_ctx(model._orig_mod.elbo)
    return model.__dict__["_compiled_elbo"]
