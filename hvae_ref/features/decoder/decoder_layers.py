"""The layers of a feature decoder: each sees a few neighbouring positions, and never the statistics of a whole map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, silu

EPSILON = 1e-6
"""Under the root of a position's mean square, so that zero stays zero."""


def cropped_double(h: Tensor, shape: tuple[int, int]) -> Tensor:
    """Every position of a map (B, C, H, W) repeated 2×2, and cut to `shape`, of which H and W are half, rounded up.

    A map that has this size already is returned as it is.
    """
    if tuple(h.shape[2:]) == shape:
        return h
    return interpolate(h, scale_factor=2.0, mode="nearest")[..., : shape[0], : shape[1]]


def local_conv(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    """A convolution that keeps the size; beyond the border it sees the border again, not a black frame."""
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, padding_mode="replicate")


class LocalBlock(nn.Module):
    """h + W silu(conv(h / rms(h))) with the root of the mean square over the channels of one position.

    Args:
        width: channels.
        kernel: odd size of the convolution; a position sees `radius` = ⌊kernel / 2⌋ neighbours on each side.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.radius = kernel // 2
        self.look = local_conv(width, width, kernel)
        self.back = nn.Conv2d(width, width, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        scale = torch.rsqrt(h.square().mean(1, keepdim=True) + EPSILON)
        return h + self.back(silu(self.look(h * scale)))


class PixelShuffle2x(nn.Module):
    """To a map of double the size: a convolution gives the four parts of a position, each by filters of its own.

    Repeating a position 2×2 before a convolution would give it four equal parts wherever its surroundings are even, and
    so no texture. The filters begin alike, so that training starts without a checkerboard.

    Args:
        channels_in: of what comes in.
        channels_out: of what goes out.

    Reference:
        Shi et al. (2016), Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
        Neural Network, https://arxiv.org/abs/1609.05158
    """

    radius = 1

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.look = local_conv(channels_in, 4 * channels_out, 2 * self.radius + 1)
        with torch.no_grad():
            # Channels of one part lie next to each other, four parts to a channel that goes out.
            self.look.weight.copy_(self.look.weight[::4].repeat_interleave(4, 0))
            self.look.bias.copy_(self.look.bias[::4].repeat_interleave(4, 0))

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, 2H, 2W)."""
        return silu(pixel_shuffle(self.look(h), 2))
