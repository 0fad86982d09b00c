"""Plain networks: layers in, features out. No probability in this file."""

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


class ResidualBlock(nn.Module):
    """x + f(LayerNorm(x)): keeps the shape, and starts near the identity."""

    def __init__(self, features: int, hidden: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = hidden or features
        self.norm = nn.LayerNorm(features)
        self.net = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features) to (B, features)."""
        return x + self.net(self.norm(x))


class Rescale(nn.Module):
    """Map raw grey levels 0 … high linearly to −1 … 1, so that nets see centred inputs."""

    def __init__(self, high: int) -> None:
        super().__init__()
        if high < 1:
            raise ValueError(f"high: expected at least 1, got {high}")
        self.high = high

    def forward(self, x: Tensor) -> Tensor:
        """Map values in [0, high] to values in [−1, 1], same shape."""
        return x * (2.0 / self.high) - 1.0


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


class MaskedLinear(nn.Linear):
    """A linear layer some of whose connections are cut by a fixed mask (out_features, in_features)."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, in_features) to (…, out_features)."""
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """A masked autoencoder: output block i depends on x_1 … x_{i−1} and on the whole context.

    Args:
        data_dim: D, number of ordered inputs.
        outputs: numbers produced for each input.
        hidden: features of each hidden layer; each at least `data_dim` − 1 to be able to tell all inputs apart.
        context_dim: features of an unmasked context (B, C); 0 for none.

    Reference:
        Germain, Gregor, Murray and Larochelle (2015), MADE, https://arxiv.org/abs/1502.03509
    """

    def __init__(self, data_dim: int, outputs: int, hidden: Sequence[int], context_dim: int = 0) -> None:
        super().__init__()
        self.data_dim, self.outputs = data_dim, outputs
        degree = torch.arange(1, data_dim + 1)
        self.layers = nn.ModuleList()
        self.contexts = nn.ModuleList()
        for size in hidden:
            new_degree = torch.arange(size) % max(data_dim - 1, 1) + 1
            self.layers.append(MaskedLinear(new_degree[:, None] >= degree[None, :]))
            self.contexts.append(nn.Linear(context_dim, size, bias=False) if context_dim else nn.Identity())
            degree = new_degree
        last = torch.arange(1, data_dim + 1).repeat_interleave(outputs)
        self.head = MaskedLinear(last[:, None] > degree[None, :])
        self.head_context = nn.Linear(context_dim, data_dim * outputs, bias=False) if context_dim else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (B, D) and context (B, C) to (B, D, outputs)."""
        h = x
        for layer, inject in zip(self.layers, self.contexts, strict=True):
            h = layer(h)
            if context is not None:
                h = h + inject(context)
            h = nn.functional.silu(h)
        out = self.head(h)
        if context is not None and self.head_context is not None:
            out = out + self.head_context(context)
        return out.unflatten(-1, (self.data_dim, self.outputs))


class ConvBlock(nn.Module):
    """x + f(GroupNorm(x)) with two 3×3 convolutions: keeps the shape of a map, and no example sees another."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.net = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.net(self.norm(x))


class Doubling(nn.Module):
    """A transposed convolution to twice the height and width, cut to what halving a map of a given size undoes.

    Args:
        channels_in: of the coarse map.
        channels_out: of the fine map.
        shape: (H, W) of the fine map; the coarse one is (⌈H/2⌉, ⌈W/2⌉).
    """

    def __init__(self, channels_in: int, channels_out: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.net = nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, ⌈H/2⌉, ⌈W/2⌉) to (B, channels_out, H, W)."""
        return self.net(x)[..., : self.shape[0], : self.shape[1]]


def halved(shape: tuple[int, int]) -> tuple[int, int]:
    """(⌈H/2⌉, ⌈W/2⌉), what a 3×3 convolution of stride 2 and padding 1 makes of (H, W).

    >>> halved((7, 8))
    (4, 4)
    """
    return -(-shape[0] // 2), -(-shape[1] // 2)
