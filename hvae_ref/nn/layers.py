"""Plain layers and networks: features in, features out. No probability in this file."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def mlp(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """A multilayer perceptron with SiLU between its layers and a linear last layer.

    Args:
        sizes: features of the input, of each hidden layer, of the output.
        dropout: probability of dropping a hidden unit while training.

    Raises:
        ValueError: with fewer than two sizes, a size below 1, or a dropout outside 0 … 1.
    """
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout: expected a probability, 0 … 1, got {dropout}")
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes: expected an input and an output size, each at least 1, got {list(sizes)}")
    layers: list[nn.Module] = []
    for size_in, size_out in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [nn.Linear(size_in, size_out), nn.SiLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def join(*given: Tensor) -> Tensor:
    """Conditions side by side along dimension 1; a vector beside a map is repeated at every position.

    Args:
        given: (B, C) or (B, C, H, W) each.

    Returns:
        (B, ΣC), or (B, ΣC, H, W) where one of them is a map.
    """
    size = given[0].shape[2:]
    for part in given:
        size = part.shape[2:] if part.ndim > len(size) + 2 else size
    spread = [part if part.shape[2:] == size else part[..., None, None].expand(*part.shape, *size) for part in given]
    return torch.cat(spread, 1)


class Joined(nn.Module):
    """A net of one argument, called with several: they are put side by side along dimension 1, see `join`.

    Args:
        net: maps (B, ΣC) or (B, ΣC, H, W) to anything.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> Tensor:
        """The net's output for all arguments side by side."""
        return self.net(join(*given))


class Flattened(nn.Module):
    """A net of one vector, called with vectors or maps: each is flattened, and they are put side by side.

    Args:
        net: maps (B, ΣD) to anything.
        scale: factor on the first argument.
    """

    def __init__(self, net: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """The net's output for all arguments side by side."""
        return self.net(torch.cat([part.flatten(1) for part in (first * self.scale, *others)], 1))


class Scale(nn.Module):
    """Multiply by a constant, such as √m for unit vectors: their coordinates then have the variance of a N(0, 1)."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Map x to factor · x, same shape."""
        return x * self.factor

    def extra_repr(self) -> str:
        """The factor, for printing."""
        return f"{self.factor:g}"


class FiLM(nn.Module):
    """Feature-wise linear modulation, h ← (1 + γ(z)) ⊙ h + β(z), with γ and β linear in z; eq. 6.6 in the book.

    Each feature is stretched and shifted by amounts that z decides and the other features have no part in. Where z
    says nothing, γ = β = 0 and h goes through as it is.

    Args:
        features: F, size of h.
        condition_dim: size of z.

    Raises:
        ValueError: for a size below 1.

    Reference:
        Perez, Strub, de Vries, Dumoulin and Courville (2018), FiLM: Visual Reasoning with a General Conditioning Layer,
        https://arxiv.org/abs/1709.07871
    """

    def __init__(self, features: int, condition_dim: int) -> None:
        super().__init__()
        if min(features, condition_dim) < 1:
            raise ValueError(f"features, condition_dim: expected at least 1, got {features} and {condition_dim}")
        self.gamma_beta = nn.Linear(condition_dim, 2 * features)
        nn.init.zeros_(self.gamma_beta.bias)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """Modulate h (B, F) by z (B, condition_dim); same shape as h."""
        gamma, beta = self.gamma_beta(z).chunk(2, -1)
        return (1 + gamma) * h + beta
