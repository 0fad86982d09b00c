"""The generator in the dress of a model, and conditions with clear waves."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.abr import without_noise
from hvae_ref.abr.data import generate


class Generator(nn.Module):
    """The generator itself in the dress of a model; with waves moved or stretched, or with no difference in delay."""

    levels = ("z_global",)

    def __init__(self, shift=0, gain=1.0, factors=None) -> None:
        super().__init__()
        self.register_buffer("place", torch.zeros(1))
        self.shift, self.gain, self.factors = shift, gain, factors

    def sample(self, n, *, condition):
        seed = int(torch.randint(2**31, ()).item())
        return self.gain * generate(condition, seed=seed, factors=self.factors).x.roll(self.shift, 1)

    def sample_latents(self, n, *, condition):
        return {"z_global": torch.randint(2**31, (n, 1)).float()}

    def decode(self, z, *, condition):
        """Another listener at each call, and no noise; what stands in for z is the seed."""
        data = generate(condition, seed=int(z["z_global"][0].item()), factors=self.factors)
        return Independent(Normal(self.gain * without_noise(data).roll(self.shift, 1), 1e-3), 1)


@pytest.fixture
def generator_model():
    return Generator


@pytest.fixture
def loud():
    """Conditions with clear waves: (12, 7)."""
    n = 12
    level = torch.linspace(60, 88, n)
    columns = [level, torch.linspace(10, 40, n), torch.linspace(20, 50, n), torch.arange(n) % 2.0]
    return torch.stack([*columns, torch.full((n,), 5.0), torch.zeros(n), torch.full((n,), 8000.0)], 1)
