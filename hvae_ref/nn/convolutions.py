"""Layers on maps: residual blocks, twice the size, half the size."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


class BottleneckBlock(nn.Module):
    """x + f(x): 1×1, 3×3 and 1×1 convolutions with half the channels in between; keeps the shape of a map.

    Args:
        channels: of the map, at least 2.
        scale: factor on the last layer's first weights, such as 1/√N in a net of N blocks.

    Reference:
        Child (2021), Very Deep VAEs, https://arxiv.org/abs/2011.10650
    """

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        inner, last = max(channels // 2, 1), nn.Conv2d(max(channels // 2, 1), channels, 1)
        with torch.no_grad():
            last.weight.mul_(scale)
        self.net = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, inner, 1),
            nn.SiLU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.SiLU(),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.net(x)


class Upsample2x(nn.Module):
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


def shrink(channels_in: int, channels_out: int, factor: int) -> nn.Conv2d:
    """A convolution from (H, W) to (⌈H/f⌉, ⌈W/f⌉), whose neighbourhoods overlap.

    Args:
        channels_in: of the fine map.
        channels_out: of the coarse map.
        factor: f.
    """
    return nn.Conv2d(channels_in, channels_out, 2 * factor - 1, stride=factor, padding=factor - 1)


class Enlarge(nn.Module):
    """A convolution whose channels are the pixels of a finer map: (⌈H/f⌉, ⌈W/f⌉) to (H, W), cut to what fits.

    Args:
        channels_in: of the coarse map.
        channels_out: of the fine map.
        factor: f.
        size: (H, W) of the fine map.
        kernel: size of the convolution, odd.

    Reference:
        Shi et al. (2016), Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel CNN,
        https://arxiv.org/abs/1609.05158
    """

    def __init__(
        self, channels_in: int, channels_out: int, factor: int, size: tuple[int, int], kernel: int = 1
    ) -> None:
        super().__init__()
        self.size = size
        conv = nn.Conv2d(channels_in, channels_out * factor**2, kernel, padding=kernel // 2)
        self.net = nn.Sequential(conv, nn.PixelShuffle(factor))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, ⌈H/f⌉, ⌈W/f⌉) to (B, channels_out, H, W)."""
        return self.net(x)[..., : self.size[0], : self.size[1]]
