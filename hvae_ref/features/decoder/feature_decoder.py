"""From the maps of a feature pyramid, all of them or some, back to pixels: coarse to fine, and local."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from hvae_ref.features.decoder.decoder_layers import LocalBlock, PixelShuffle2x, cropped_double, local_conv
from hvae_ref.features.validation import checked_map

Shape = tuple[int, int]


class FeatureDecoder(nn.Module):
    r"""x̂ = d(f_S): images in [0, 1] from the maps f_l (B, D_l, H_l, W_l) of any non-empty set S of levels.

    h_l = block_l(2↑h_{l+1} + (W_l f_l if l ∈ S, else a_l)),   x̂ = sigmoid(head(4↑h_1)),   levels from coarse to fine

    In the place of an absent level stands a vector a_l, which is learned, the same at every position, and does not
    depend on the image. Trained on sets S drawn at random (`fit_decoder`), one decoder shows what each set of levels
    says about the pixels. Every layer sees a few neighbours, and none looks at the whole map: a change of features at
    some positions changes the pixels of `influence` and not a bit of any other.

    Args:
        dims: name and channels of each level, fine to coarse; each level's map has half the size of the one before.
        channels: of the images; 3 for colour.
        width: channels inside, a multiple of 4.
        stride: pixels between positions of the finest map, a power of two.

    Raises:
        ValueError: for no level, or sizes that do not fit.

    >>> decoder = FeatureDecoder({"level1": 8, "level2": 12}, width=16)
    >>> features = {"level1": torch.randn(2, 8, 16, 24), "level2": torch.randn(2, 12, 8, 12)}
    >>> decoder(features).shape, decoder({"level2": features["level2"]}, size=(61, 93)).shape
    (torch.Size([2, 3, 64, 96]), torch.Size([2, 3, 61, 93]))
    """

    def __init__(self, dims: Mapping[str, int], channels: int = 3, width: int = 64, stride: int = 4) -> None:
        super().__init__()
        if not dims:
            raise ValueError("dims: expected at least one level, got none")
        for name, value in {**dims, "channels": channels}.items():
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if width < 4 or width % 4:
            raise ValueError(f"width: expected a multiple of 4, got {width}")
        if stride < 1 or stride & (stride - 1):
            raise ValueError(f"stride: expected a power of two, got {stride}")
        self.dims, self.levels, self.channels, self.width = dict(dims), tuple(dims), channels, width
        self.strides = {level: stride * 2**number for number, level in enumerate(dims)}
        self.enter = nn.ModuleDict({level: nn.Conv2d(dim, width, 1) for level, dim in dims.items()})
        self.absent = nn.ParameterDict({level: nn.Parameter(torch.zeros(width)) for level in dims})
        self.blocks = nn.ModuleDict()
        for level in dims:
            # A coarse position is large: the coarsest keeps to itself, so that a region's change stays near it.
            coarsest, finest = level == self.levels[-1], level == self.levels[0]
            kernel = 1 if coarsest and not finest else 3
            self.blocks[level] = nn.Sequential(*[LocalBlock(width, kernel) for _ in range(2 if finest else 1)])
        sizes = [max(width // 2**number, width // 4) for number in range(stride.bit_length())]
        self.to_pixels = nn.Sequential(*[PixelShuffle2x(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)])
        self.head = local_conv(sizes[-1], channels, 3)
        # Convolutions of few channels over many pixels: on a processor this order takes two thirds of the time.
        self.to(memory_format=torch.channels_last)

    def forward(
        self, features: Mapping[str, Tensor], size: Shape | None = None, progressive: bool = False
    ) -> Tensor | dict[str, Tensor]:
        """The images (B, channels, H, W), values in [0, 1].

        Args:
            features: maps (B, D_l, ⌈H/s_l⌉, ⌈W/s_l⌉) of some levels or all.
            size: (H, W) in pixels; by default the stride times the size of the finest map that is given.
            progressive: return an image for each given level instead, coarse to fine: what the decoder makes of that
                level and the coarser ones given. The last one is the image itself.

        Raises:
            ValueError: for no level, an unknown one, or channels, sizes, dtypes or batch sizes that do not fit, and for
                NaN or infinity.
        """
        maps, size = self._checked(features, size)
        if not progressive:
            return self._from(maps, self.levels[-1], None, size)
        images, h, start = {}, None, self.levels[-1]
        for level in reversed(self.levels):
            if level in maps:
                # What is coarser than this level is common to this image and all that follow.
                h = self._down_to(maps, start, level, h, size)
                start = self.finer(level)
                images[level] = self._from({}, start, h, size) if start else self._pixels(h, size)
        return images

    def finer(self, level: str) -> str | None:
        """The next finer level, or None."""
        number = self.levels.index(level)
        return self.levels[number - 1] if number else None

    def shapes(self, size: Shape) -> dict[str, Shape]:
        """(⌈H/s_l⌉, ⌈W/s_l⌉) of every level for an image of `size` (H, W)."""
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size: expected height and width of at least one pixel, got {size}")
        return {level: (-(-size[0] // s), -(-size[1] // s)) for level, s in self.strides.items()}

    def influence(self, changed: Mapping[str, Tensor], size: Shape) -> Tensor:
        """Which pixels (H, W) can differ when features differ at some positions; all others stay bit for bit.

        Args:
            changed: booleans (H_l, W_l) for some levels, true where f_l differs.
            size: (H, W) of the image in pixels.
        """
        shapes = self.shapes(size)
        if unknown := [level for level in changed if level not in self.dims]:
            raise ValueError(f"changed: expected levels among {list(self.levels)}, got {unknown}")
        reached = torch.zeros(shapes[self.levels[-1]], dtype=torch.bool)
        for level in reversed(self.levels):
            reached = cropped_double(reached[None, None].float(), shapes[level])[0, 0] > 0
            if level in changed:
                mask = changed[level]
                if tuple(mask.shape) != shapes[level] or mask.dtype != torch.bool:
                    raise ValueError(
                        f"changed: expected booleans {shapes[level]} for {level}, got {tuple(mask.shape)}, {mask.dtype}"
                    )
                reached = reached | mask.cpu()
            for block in self.blocks[level]:
                reached = _grown(reached, block.radius)
        for layer in self.to_pixels:
            reached = _grown(reached, layer.radius).repeat_interleave(2, 0).repeat_interleave(2, 1)
        return _grown(reached, 1)[: size[0], : size[1]]

    def _from(self, maps: Mapping[str, Tensor], level: str, h: Tensor | None, size: Shape) -> Tensor:
        """From `level` on to the image."""
        return self._pixels(self._down_to(maps, level, self.levels[0], h, size), size)

    def _down_to(self, maps: Mapping[str, Tensor], first: str, last: str, h: Tensor | None, size: Shape) -> Tensor:
        """h after the levels `first` … `last`, coarse to fine; h is what came before them, or None."""
        shapes = self.shapes(size)
        for number in range(self.levels.index(first), self.levels.index(last) - 1, -1):
            level = self.levels[number]
            entered = self.enter[level](maps[level]) if level in maps else self.absent[level][:, None, None]
            if h is not None:
                entered = entered + cropped_double(h, shapes[level])
            elif level not in maps:
                batch = len(next(iter(maps.values())))
                entered = entered.expand(batch, -1, *shapes[level])
            h = self.blocks[level](entered)
        return h

    def _pixels(self, h: Tensor, size: Shape) -> Tensor:
        return self.head(self.to_pixels(h)).sigmoid()[..., : size[0], : size[1]]

    def _checked(self, features: Mapping[str, Tensor], size: Shape | None) -> tuple[dict[str, Tensor], Shape]:
        if not features or not features.keys() <= self.dims.keys():
            raise ValueError(f"features: expected one or more of the levels {list(self.levels)}, got {list(features)}")
        like = self.head.weight
        maps = {
            level: checked_map(level, features[level], dim, like)
            for level, dim in self.dims.items()
            if level in features
        }
        batches = {level: len(f) for level, f in maps.items()}
        if len(set(batches.values())) > 1:
            raise ValueError(f"features: expected one batch size for all levels, got {batches}")
        if size is None:
            finest, f = next(iter(maps.items()))
            size = (f.shape[2] * self.strides[finest], f.shape[3] * self.strides[finest])
        shapes = self.shapes(size)
        for level, f in maps.items():
            if tuple(f.shape[2:]) != shapes[level]:
                raise ValueError(
                    f"{level}: expected a map of {shapes[level]} for an image of {tuple(size)} pixels, "
                    f"got {tuple(f.shape[2:])}"
                )
        return maps, tuple(size)


def _grown(mask: Tensor, radius: int) -> Tensor:
    """True within `radius` (a square's) of any true place of a mask (H, W)."""
    if not radius:
        return mask
    kernel = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1)
    return conv2d(mask[None, None].float(), kernel, padding=radius)[0, 0] > 0.5
