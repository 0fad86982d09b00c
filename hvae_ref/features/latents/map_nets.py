"""The convolutional nets of a model whose latents are maps: from x up to them, and from them down to x."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hvae_ref.nn.convolutions import ConvBlock, Upsample2x

Size = tuple[int, int]


class Pixels(nn.Module):
    """A map with several numbers for each channel of a pixel, as the vector that p(x|·) reads.

    Args:
        channels: of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels · outputs, H, W) to (B, H · W · channels · outputs), the outputs of a value side by side."""
        return x.unflatten(1, (self.channels, -1)).permute(0, 3, 4, 1, 2).flatten(1)


class Image(nn.Module):
    """The vector x as a map with channels in front.

    Args:
        shape: (H, W, channels) of the image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H · W · channels) to (B, channels, H, W)."""
        return x.unflatten(-1, self.shape).movedim(-1, 1)


def downwards(channels: int, hidden: int, halvings: int) -> nn.Sequential:
    """From a map of `channels` to one of `hidden` whose height and width are halved so many times."""
    layers: list[nn.Module] = []
    for stride in (2,) * halvings or (1,):
        layers += [nn.Conv2d(channels, hidden, 3, stride=stride, padding=1), ConvBlock(hidden)]
        channels = hidden
    return nn.Sequential(*layers)


def upwards(hidden: int, sizes: Sequence[Size], outputs: int | None = None) -> nn.Sequential:
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


def to_vector(hidden: int, outputs: int) -> nn.Sequential:
    """From a map (B, hidden, H, W) to a vector (B, outputs · H · W), channel by channel."""
    return nn.Sequential(ConvBlock(hidden), nn.SiLU(), nn.Conv2d(hidden, outputs, 3, padding=1), nn.Flatten(1))
