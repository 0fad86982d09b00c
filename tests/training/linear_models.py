"""Models small enough to compute by hand, and data for them."""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.elbo import Elbo


class LinearAutoencoder(nn.Module):
    """One latent at its posterior mean: a bound without any sampling, so that its numbers can be computed again."""

    levels = ("z1",)
    condition = None

    def __init__(self, data_dim=4, latent_dim=2):
        super().__init__()
        self.encoder = nn.Linear(data_dim, latent_dim)
        self.decoder = nn.Linear(latent_dim, data_dim)

    def elbo(self, x):
        z = self.encoder(x)
        return Elbo(-0.5 * (x - self.decoder(z)).square().sum(-1), {"z1": 0.5 * z.square().sum(-1)})


def doubled(model, batch):
    """A bound that is not the ELBO."""
    elbo = model.elbo(batch.x)
    return Elbo(2 * elbo.log_px, elbo.kl)


def with_targets_bound(model, batch):
    """The bound of the conditional model that reads targets."""
    return model.elbo_with_targets(batch.x, batch.condition, **batch.targets)


class ConditionalAutoencoder(nn.Module):
    """The linear model given a condition, with a head that only a bound with targets reaches; again no sampling."""

    levels = ("z_global", "z_local")

    def __init__(self, data_dim=4, condition_dim=2):
        super().__init__()
        self.condition = nn.Identity()
        self.encoder = nn.Linear(data_dim + condition_dim, 2)
        self.local = nn.Linear(data_dim, 1)
        self.decoder = nn.Linear(3 + condition_dim, data_dim)
        self.head = nn.Linear(2, 1)

    def latents(self, x, condition):
        return self.encoder(torch.cat([x, condition], -1)), self.local(x)

    def elbo(self, x, condition=None):
        if condition is None:
            raise ValueError("condition: expected numbers (B, 2), got None")
        z_global, z_local = self.latents(x, condition)
        mean = self.decoder(torch.cat([z_global, z_local, condition], -1))
        kl = {"z_global": 0.5 * z_global.square().sum(-1), "z_local": 0.5 * z_local.square().sum(-1)}
        return Elbo(-0.5 * (x - mean).square().sum(-1), kl)

    def elbo_with_targets(self, x, condition, peaks, present):
        z_global, _ = self.latents(x, condition)
        peak = torch.where(present, (self.head(z_global)[:, 0] - peaks[:, 0, 1]).square(), 0)
        return replace(self.elbo(x, condition=condition), auxiliary={"peak": peak, "static": z_global.sum(-1).square()})

    def encode(self, x, condition=None):
        means = dict(zip(self.levels, self.latents(x, condition), strict=True))
        return {level: Independent(Normal(mean, 0.1), 1) for level, mean in means.items()}

    def sample_latents(self, n, *, condition=None):
        return {"z_global": torch.randn(n, 2), "z_local": torch.randn(n, 1)}


@dataclass
class Conditional:
    """A data set with a condition and targets; each can be recomputed from x, so that a mixed-up row shows."""

    x: torch.Tensor
    condition: torch.Tensor
    targets: dict[str, torch.Tensor]

    @classmethod
    def of(cls, x):
        peaks = torch.stack([x[:, :2], x[:, 2:]], -1)
        return cls(x, torch.stack([x.sum(-1), x[:, 0]], -1), {"peaks": peaks, "present": x[:, 0] > 0})
