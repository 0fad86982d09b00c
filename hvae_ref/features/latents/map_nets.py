"""The convolutional nets of a model whose latents are maps: from x up to them, and from them down to x."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from hvae_ref.nn.convolutions import ConvBlock, Upsample2x

Size = tuple[int, int]


def conv_encoder(channels: int, hidden: int, halvings: int) -> nn.Sequential:
    """From a map of `channels` to one of `hidden` whose height and width are halved so many times."""
    layers: list[nn.Module] = []
    for stride in (2,) * halvings or (1,):
        layers += [nn.Conv2d(channels, hidden, 3, stride=stride, padding=1), ConvBlock(hidden)]
        channels = hidden
    return nn.Sequential(*layers)


def conv_decoder(hidden: int, sizes: Sequence[Size], outputs: int | None = None) -> nn.Sequential:
    """From a map of `hidden` channels through maps of the given sizes, each about twice the one before.

    Args:
        hidden: channels.
        sizes: (H, W) from the one that comes in to the one that goes out.
        outputs: channels of the last map; None for another block of `hidden` channels.
    """
    layers: list[nn.Module] = [ConvBlock(hidden)]
    for place, size in enumerate(sizes[1:], start=2):
        last = outputs is not None and place == len(sizes)
        layers += [Upsample2x(hidden, outputs, size)] if last else [Upsample2x(hidden, hidden, size), ConvBlock(hidden)]
    if outputs is not None and len(sizes) == 1:
        layers.append(nn.Conv2d(hidden, outputs, 3, padding=1))
    return nn.Sequential(*layers)


def conv_head(hidden: int, outputs: int) -> nn.Sequential:
    """The last layers before a distribution over maps: (B, hidden, H, W) to (B, outputs, H, W)."""
    return nn.Sequential(ConvBlock(hidden), nn.SiLU(), nn.Conv2d(hidden, outputs, 3, padding=1))
