"""A conditional model of which it is known what it does, and models of digits' size with and without a condition."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from hvae_ref.elbo import Latent
from hvae_ref.models import VAE, BottomUpVAE, HypersphericalVAE, Inference, LatentVariableModel, TopDownVAE
from hvae_ref.nn import Covariates, Labels, StandardNormal


class LinearResponses(LatentVariableModel):
    """x (N, 3) | z, c: x_1 = w_g z_global + c, x_2 = w_l z_local + c, x_3 = c, with noise 1."""

    def __init__(self, weight_global=1.0, weight_local=1.0) -> None:
        super().__init__(3, ("z_global", "z_local"), condition=Covariates(1))
        self.weight = nn.Parameter(torch.tensor([weight_global, weight_local]))
        self.prior = StandardNormal((1,))

    def posterior(self, x, c):
        located = (x[:, :2] - c) * torch.tensor([1.0, 0.5])
        return {level: Independent(Normal(located[:, i : i + 1], 0.5), 1) for i, level in enumerate(self.levels)}

    def infer(self, x, *, condition=None):
        x, (c,) = self.observe(x, condition, self.like)
        latents = {level: Latent(q, self.prior(len(x)), q.rsample()) for level, q in self.posterior(x, c).items()}
        return Inference(latents, self.p_x({level: latent.z for level, latent in latents.items()}, c))

    def ancestral_pass(self, source, n, c=()):
        return self.p_x({level: source(level, self.prior(n), None) for level in self.levels}, *c)

    def p_x(self, z, c):
        parts = [self.weight[0] * z["z_global"], self.weight[1] * z["z_local"], 0 * z["z_local"]]
        return Independent(Normal(torch.cat(parts, 1) + c, 1.0), 1)


@pytest.fixture
def linear_responses():
    return LinearResponses


ANY: dict[str, Callable[[], LatentVariableModel]] = {
    "one level": lambda: VAE.dense(6, latent_dims=(3,), hidden=(8,)),
    "bottom-up": lambda: BottomUpVAE.dense(6, latent_dims=(3, 2), hidden=8),
    "top-down": lambda: TopDownVAE.dense(6, latent_dims=(3, 2), hidden=8),
    "top-down, labels": lambda: TopDownVAE.dense(6, latent_dims=(3, 2), hidden=8, condition=Labels(4)),
    "maps, labels": lambda: TopDownVAE.convolutional(
        (1, 4, 4), latent_shapes=((2, 2, 2), 3), hidden=4, condition=Labels(4)
    ),
    "covariates": lambda: BottomUpVAE.dense(6, latent_dims=(3, 2), hidden=8, condition=Covariates(2)),
    "sphere": lambda: HypersphericalVAE.dense(6, latent_dims=(3,), hidden=(8,)),
}
"""A model of every kind that measures have to take: with no condition, labels or numbers; vectors, maps, directions."""


@pytest.fixture(params=ANY)
def any_model(request) -> tuple[LatentVariableModel, Tensor, Tensor | None]:
    """A model with fresh weights, 12 examples and their condition (None for a model without one)."""
    torch.manual_seed(1)
    model = ANY[request.param]()
    x = torch.rand(12, *model.x_shape).round()
    condition = {Labels: torch.arange(12) % 4, Covariates: torch.randn(12, 2)}.get(type(model.observe.condition))
    return model, x, condition
