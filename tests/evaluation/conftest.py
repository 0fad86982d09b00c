"""A conditional model of which it is known what it does."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal


class LinearResponses(nn.Module):
    """x (N, 3) | z, c: x_1 = w_g z_global + c, x_2 = w_l z_local + c, x_3 = c, with noise 1."""

    levels = ("z_global", "z_local")

    def __init__(self, weight_global=1.0, weight_local=1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight_global, weight_local]))

    def encode(self, x, condition):
        located = (x[:, :2] - condition[:, :1]) * torch.tensor([1.0, 0.5])
        return {level: Independent(Normal(located[:, i : i + 1], 0.5), 1) for i, level in enumerate(self.levels)}

    def sample_latents(self, n, fixed=None):
        fixed = fixed or {}
        return {level: fixed[level] if level in fixed else torch.randn(n, 1) for level in self.levels}

    def decode(self, z, condition):
        parts = [self.weight[0] * z["z_global"], self.weight[1] * z["z_local"], 0 * z["z_local"]]
        return Independent(Normal(torch.cat(parts, 1) + condition[:, :1], 1.0), 1)


@pytest.fixture
def linear_responses():
    return LinearResponses
