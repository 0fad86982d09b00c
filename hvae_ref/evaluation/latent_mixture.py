"""A density fitted to the latents of a trained model, to sample from in the place of its prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from hvae_ref.errors import whole_number
from hvae_ref.evaluation.conditions import spheres_of
from hvae_ref.evaluation.rows import rows_of
from hvae_ref.evaluation.utilisation import posterior_samples
from hvae_ref.nn.eval_mode import eval_mode

STEPS, ENOUGH, FLOOR = 200, 1e-6, 1e-4
"""Steps of EM at most; nats an example below which a step is the last; least variance, as a share of the data's."""


@dataclass(frozen=True, eq=False)
class LatentMixture:
    """A Gaussian mixture over the top latent of a model.

    Attributes:
        level: name of the latent.
        shape: its event shape.
        mixture: over the latent flattened to (D,), in float64.
    """

    level: str
    shape: torch.Size
    mixture: MixtureSameFamily

    def sample(self, model: nn.Module, n: int, condition: Tensor | None = None, seed: int = 0) -> Tensor:
        """x whose top latent comes from the mixture, and whose other levels come from the model's own priors.

        Args:
            model: that the mixture was fitted to.
            n: number of examples.
            condition: as the model takes it.
            seed: of all draws.

        Returns:
            (n, *shape of x).
        """
        like = next(model.parameters())
        with eval_mode(model, seed):
            z = self.mixture.sample((whole_number("n", n),)).to(like).unflatten(-1, self.shape)
            return model.sample(n, fixed={self.level: z}, condition=condition)


def fit_latent_mixture(
    model: nn.Module,
    x: Any,  # noqa: ANN401
    components: int = 10,
    condition: Tensor | None = None,
    seed: int = 0,  # noqa: ANN401
) -> LatentMixture:
    """Fit a mixture of Gaussians with full covariances to one posterior sample of the top latent for each example.

    Where the aggregate posterior is not the prior, samples of the prior lie where the decoder was never trained, and
    samples of this mixture where it was.

    Args:
        model: with `infer` and `sample`.
        x: examples, as `evaluate` takes them; more than `components`.
        components: K.
        condition: (N, …) or (1, …), for a model of p(x|c).
        seed: of the posterior samples and the first centres.

    Raises:
        ValueError: for fewer examples than components, or a top latent on a sphere.

    Reference:
        Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020), From Variational to Deterministic Autoencoders, section 4,
        https://arxiv.org/abs/1903.12436
    """
    components = whole_number("components", components)
    if not isinstance(x, Tensor):
        rows = rows_of("x", x, model, seed)
        x, condition = rows.x, rows.condition if condition is None else condition
    level, z = next(iter(posterior_samples(model, x, condition, seed).items()))
    if level in spheres_of(model):
        raise ValueError(f"model: expected a top latent without constraints, got unit vectors for {level}")
    if len(z) <= components:
        raise ValueError(f"x: expected more examples than the {components} components, got {len(z)}")
    with eval_mode(model, seed):
        mixture = _fit(z.flatten(1).double(), components)
    return LatentMixture(level, z.shape[1:], mixture)


def _fit(z: Tensor, components: int) -> MixtureSameFamily:
    """Expectation-maximisation from random rows as centres."""
    n, dim = z.shape
    least = (
        FLOOR * z.var(0).mean().clamp(min=torch.finfo(z.dtype).tiny) * torch.eye(dim, dtype=z.dtype, device=z.device)
    )
    loc, cov = z[torch.randperm(n, device=z.device)[:components]], (z.T.cov().reshape(dim, dim) + least)
    log_weight, cov, before = z.new_full((components,), -math.log(components)), cov.repeat(components, 1, 1), -math.inf
    for _ in range(STEPS):
        joint = log_weight + MultivariateNormal(loc, cov).log_prob(z[:, None])
        bound = joint.logsumexp(1).mean().item()
        if bound - before < ENOUGH:
            break
        before, share = bound, joint.softmax(1)
        count = share.sum(0) + 10 * torch.finfo(z.dtype).eps
        loc = share.T @ z / count[:, None]
        away = z[:, None] - loc
        cov = torch.einsum("nk,nki,nkj->kij", share, away, away) / count[:, None, None] + least
        log_weight = (count / count.sum()).log()
    return MixtureSameFamily(Categorical(logits=log_weight), MultivariateNormal(loc, cov))
