"""A model's bound as training calls it: with x, the condition and the targets that its signature names."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from hvae_ref.elbo import Elbo
from hvae_ref.objectives import LatentSamples
from hvae_ref.training.examples import Examples

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BoundModule(nn.Module):
    """A model whose forward is its bound: what `accelerate` wraps, so that gradients meet between processes.

    Args:
        model: model with the method `bound`.
        bound: name of the method that answers an `Elbo`.
        needs_latents: whether to draw latents for an MMD penalty too.
    """

    def __init__(self, model: nn.Module, bound: str, needs_latents: bool) -> None:
        super().__init__()
        self.model = model
        self.bound = bound
        self.needs_latents = needs_latents

    def forward(self, x: Tensor, *condition: Tensor, **targets: Tensor) -> dict[str, Any]:
        """The terms of the bound and, where needed, samples of the latents; as dicts, which every wrapper knows."""
        elbo = getattr(self.model, self.bound)(x, *condition, **targets)
        terms: dict[str, Any] = {"log_px": elbo.log_px, "kl": dict(elbo.kl), "auxiliary": dict(elbo.auxiliary)}
        if self.needs_latents:
            posterior = self.model.encode(x, *condition)
            terms["posterior"] = {level: q.rsample() for level, q in posterior.items()}
            terms["prior"] = dict(self.model.sample_latents(len(x)))
        return terms


def targets_in_signature(model: nn.Module, bound: str, name: str, examples: Examples) -> tuple[str, ...]:
    """Names of the targets that a bound is to be given for these examples.

    A bound is called as `bound(x)`, or `bound(x, condition)` where the data have one, and by keyword with those
    targets that its signature names.

    Args:
        model: model with the method.
        bound: name of the method.
        name: of the data, for the error.
        examples: what there is to give.

    Raises:
        ValueError: where the data lack what the bound cannot do without, or have a condition that it does not take.
    """
    method = f"{type(model).__name__}.{bound}"
    parameters = dict(inspect.signature(getattr(model, bound)).parameters)
    takes = "condition" in parameters
    needs = [key for key, one in list(parameters.items())[1:] if one.default is one.empty and one.kind in _NAMED]
    if examples.condition is not None and not takes:
        raise ValueError(
            f"{name}: expected examples without a condition because {method} takes none, "
            f"got one of shape {tuple(examples.condition.shape)}; give the data set's x alone"
        )
    if examples.condition is None and "condition" in needs:
        raise ValueError(f"{name}: expected a data set with a condition because {method} reads it, got none")
    lacking = [key for key in needs if key != "condition" and key not in examples.targets]
    if lacking:
        has = ", ".join(examples.targets) or "none"
        raise ValueError(f"{name}: expected the targets {', '.join(lacking)} because {method} reads them, got {has}")
    return tuple(key for key in examples.targets if key in parameters)


def call(function: Any, examples: Examples, targets: tuple[str, ...] = ()) -> Any:  # noqa: ANN401
    """Call a bound, or a `BoundModule`, for some examples."""
    condition = () if examples.condition is None else (examples.condition,)
    return function(examples.x, *condition, **{key: examples.targets[key] for key in targets})


def terms_of(terms: dict[str, Any]) -> Elbo:
    """The `Elbo` that a `BoundModule` answered."""
    return Elbo(terms["log_px"], terms["kl"], terms["auxiliary"])


def latents_of(terms: dict[str, Any]) -> LatentSamples | None:
    """The samples of the latents that a `BoundModule` answered, if any."""
    return LatentSamples(terms["posterior"], terms["prior"]) if "posterior" in terms else None
