"""One factor of a chain of levels: a mixture at each position, given the map of the neighbouring level or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hvae_ref.features.density.attention import LocalAttention, Memory
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MixtureHead

NUMBERS_AT_ONCE = 2**22
"""Numbers that the mixtures of positions computed together may hold: 16 MiB in float32, a few times over."""

Shape = tuple[int, int]


class LevelDensity(nn.Module):
    r"""p(f | f') = Π_i Σ_k π_k(h_i) N(f_i; μ_k(h_i), L_k(h_i) L_k(h_i)ᵀ) with h = attention(f'), over positions i.

    Given f' the positions are independent, and each mixture integrates to one over its own f_i: nothing of f enters the
    parameters.

    Args:
        dim: channels D of the level.
        components: K.
        neighbour_dim: channels of f', the level behind the bar; None where nothing stands there.
        width: size of the context h.
        heads: of the attention.
        min_scale: least diagonal of `scale_tril`, in the units of the features.
    """

    def __init__(
        self, dim: int, components: int, neighbour_dim: int | None, width: int, heads: int, min_scale: float
    ) -> None:
        super().__init__()
        self.attention = None if neighbour_dim is None else LocalAttention(neighbour_dim, width, heads)
        self.head = MixtureHead(0 if neighbour_dim is None else width, dim, components, min_scale)

    def forward(self, neighbour: Tensor | None, shape: Shape, positions: Tensor) -> GaussianMixture:
        """The mixtures at some positions, counted row by row: batch (B, P), or () with nothing behind the bar."""
        return self._at(self._memory(neighbour), shape, positions)

    def log_prob(self, f: Tensor, neighbour: Tensor | None, positions: Tensor | None = None) -> Tensor:
        """log p(f_i | f') of a map f (B, D, H, W), (B, P) nats, at all positions or some; in chunks of bounded size."""
        memory, shape, values = self._memory(neighbour), tuple(f.shape[2:]), f.flatten(2).mT
        chunks = self._chunks(len(f), f.shape[2:].numel(), memory, f.device) if positions is None else [positions]
        return torch.cat([self._at(memory, shape, index).log_prob(values[:, index]) for index in chunks], -1)

    def sample(self, neighbour: Tensor | None, n: int, shape: Shape, temperature: float = 1.0) -> Tensor:
        """Draw a map (n, D, H, W) given f' (n, D', H', W')."""
        memory, places = self._memory(neighbour), shape[0] * shape[1]
        drawn = []
        for index in self._chunks(n, places, memory, self.head.bias.device):
            mixture = self._at(memory, shape, index).tempered(temperature)
            drawn.append(mixture.sample((n, len(index)) if memory is None else ()))
        return torch.cat(drawn, 1).mT.unflatten(-1, shape)

    @torch.no_grad()
    def init_from_mixture(self, mixture: GaussianMixture, neighbour: Tensor | None = None) -> None:
        """Set the parameters to an unconditioned mixture; `neighbour` holds vectors (N, D') of f', for their scale."""
        self.head.init_from_mixture(mixture)
        if self.attention is not None and neighbour is not None:
            spread = neighbour.std(0, correction=0)
            self.attention.shift.copy_(neighbour.mean(0))
            self.attention.scale.copy_(torch.where(spread > self.head.min_scale, spread, torch.ones_like(spread)))

    def _memory(self, neighbour: Tensor | None) -> Memory | None:
        if (self.attention is None) != (neighbour is None):
            raise ValueError(f"neighbour: expected {'none' if self.attention is None else 'a map'}, got the opposite")
        return None if neighbour is None else self.attention.memory(neighbour)

    def _at(self, memory: Memory | None, shape: Shape, positions: Tensor) -> GaussianMixture:
        empty = self.head.bias.new_empty(0)
        return self.head(empty if memory is None else self.attention(memory, shape, positions))

    def _chunks(self, batch: int, places: int, memory: Memory | None, device: torch.device) -> Iterator[Tensor]:
        """All positions, so many at once that what is computed for them fits into `NUMBERS_AT_ONCE`."""
        numbers = self.head.components * self.head.dim * (1 if memory is None else self.head.dim + 1)
        at_once = max(1, NUMBERS_AT_ONCE // (max(batch, 1) * numbers))
        return iter(torch.arange(places, device=device).split(at_once))
