"""What very deep convolutional hierarchies are made of: blocks with options, and attention to the levels above."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NORMS = ("batch", "group")
"""Norms a block may begin with; None for none."""


class SqueezeExcite(nn.Module):
    """h ⊙ sigmoid(f(mean over the positions of h)): each channel is weighed by what the whole map says.

    Args:
        channels: C of h.
        inner: width of f; C/4 where none is given.

    Reference:
        Hu, Shen and Sun (2018), Squeeze-and-Excitation Networks, https://arxiv.org/abs/1709.01507
    """

    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        inner = max(channels // 4, 1) if inner is None else inner
        self.net = nn.Sequential(nn.Linear(channels, inner), nn.SiLU(), nn.Linear(inner, channels))

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return h * torch.sigmoid(self.net(h.mean((2, 3))))[..., None, None]


class DeepBlock(nn.Module):
    """x + s · f(x): 1×1, 3×3, 3×3 and 1×1 convolutions on a narrower map; keeps the shape.

    Args:
        channels: of the map.
        inner: channels between the first and the last convolution.
        scale: factor on the last layer's first weights, such as 1/√N in a net of N blocks.
        norm: "batch" or "group" before the first convolution; None for none.
        squeeze_excite: weigh the channels of f(x) by what its map says as a whole.
        kernel: side of the two middle convolutions, odd; 1 where the map has one position.

    Raises:
        ValueError: for an unknown norm, or an even kernel.

    Reference:
        Child (2021), Very Deep VAEs, https://arxiv.org/abs/2011.10650, figure 3.
    """

    def __init__(
        self,
        channels: int,
        inner: int,
        scale: float = 1.0,
        norm: str | None = None,
        squeeze_excite: bool = False,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        if norm not in (None, *NORMS):
            raise ValueError(f"norm: expected None or one of {', '.join(NORMS)}, got {norm!r}")
        if kernel % 2 == 0:
            raise ValueError(f"kernel: expected an odd side, got {kernel}")
        norms = {"batch": lambda: [nn.BatchNorm2d(channels)], "group": lambda: [nn.GroupNorm(1, channels)]}
        first = norms[norm]() if norm else []
        middle = [
            layer for _ in range(2) for layer in (nn.Conv2d(inner, inner, kernel, padding=kernel // 2), nn.SiLU())
        ]
        last = nn.Conv2d(inner, channels, 1)
        with torch.no_grad():
            last.weight.mul_(scale)
            last.bias.zero_()
        self.net = nn.Sequential(
            *first, nn.SiLU(), nn.Conv2d(channels, inner, 1), nn.SiLU(), *middle, last,
            *([SqueezeExcite(channels)] if squeeze_excite else []),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.net(x)


class CrossAttention(nn.Module):
    """x + W softmax(Q Kᵀ/√d) V: every position of a state looks at all positions of the states of coarser sizes.

    The last layer starts at zero, so that a model with attention starts as the one without it.

    Args:
        channels: C of x and of the states it looks at.
        heads: a divisor of C.

    Raises:
        ValueError: where `heads` does not divide `channels`.

    Reference:
        Apostolopoulou et al. (2022), Deep Attentive Variational Inference, https://openreview.net/forum?id=T4-65DNlDij
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: expected a divisor of {channels} channels, got {heads}")
        self.heads = heads
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv1d(channels, 2 * channels, 1)
        self.last = nn.Conv2d(channels, channels, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, above: Sequence[Tensor]) -> Tensor:
        """Map x (B, C, H, W) to the same shape; `above` holds states (B, C, h, w), and may be empty."""
        if not above:
            return x
        memory = torch.cat([state.flatten(2) for state in above], 2)
        key, value = (part.unflatten(1, (self.heads, -1)).mT for part in self.key_value(memory).chunk(2, 1))
        query = self.query(x).flatten(2).unflatten(1, (self.heads, -1)).mT
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        return x + self.last(seen.mT.flatten(1, 2).unflatten(2, x.shape[2:]))
