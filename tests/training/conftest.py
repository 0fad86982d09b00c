"""A model small enough to compute by hand, and data for it."""

import pytest
import torch
from torch import nn

from hvae_ref.elbo import Elbo


class LinearAutoencoder(nn.Module):
    """One latent at its posterior mean: a bound without any sampling, so that its numbers can be computed again."""

    levels = ("z1",)

    def __init__(self, data_dim=4, latent_dim=2):
        super().__init__()
        self.encoder = nn.Linear(data_dim, latent_dim)
        self.decoder = nn.Linear(latent_dim, data_dim)

    def elbo(self, x):
        z = self.encoder(x)
        return Elbo(-0.5 * (x - self.decoder(z)).square().sum(-1), {"z1": 0.5 * z.square().sum(-1)})

    def doubled(self, x):
        elbo = self.elbo(x)
        return Elbo(2 * elbo.log_px, elbo.kl)


@pytest.fixture
def linear():
    """A function that builds the linear model, always with the same first weights."""

    def build(**sizes):
        torch.manual_seed(3)
        return LinearAutoencoder(**sizes)

    return build


@pytest.fixture
def x():
    """(60, 4) examples."""
    return torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
