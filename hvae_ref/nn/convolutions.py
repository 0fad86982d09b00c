"""Layers on maps: residual blocks, twice the size, half the size."""

from __future__ import annotations

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
