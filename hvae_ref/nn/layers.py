"""Plain layers and networks: features in, features out. No probability in this file."""

from __future__ import annotations

from collections.abc import Sequence

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
