"""Four maps of features of an image, from fine and shallow to coarse and deep, out of a frozen classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hvae_ref.data.examples import in_words
from hvae_ref.errors import did_you_mean, whole_number
from hvae_ref.features.pyramid.backbones import BACKBONES, Backbone
from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_size
from hvae_ref.features.pyramid.network_geometry import network_geometry
from hvae_ref.features.pyramid.timm_backbones import PREFIX, timm_backbone

LEVELS = ("level1", "level2", "level3", "level4")
STRIDES = (4, 8, 16, 32)
ROUNDING = 1e-5
"""How far outside of [0, 1] a value may lie: resizing leaves white at 1.0000001."""


class FeaturePyramid(nn.Module):
    """Images in [0, 1] to the maps f_1, …, f_4 of a classifier; f_l is (B, C_l, ⌈H/s_l⌉, ⌈W/s_l⌉).

    | | level1 | level2 | level3 | level4 | weights |
    |---|---|---|---|---|---|
    | stride s_l | 4 | 8 | 16 | 32 | |
    | channels C_l, `resnet50` | 256 | 512 | 1024 | 2048 | torchvision's IMAGENET1K_V1: cached, or the network |
    | channels C_l, `efficientnet_lite0` | 24 | 40 | 112 | 320 | installed with the package, no network |

    The normalisation that the classifier was trained with happens inside. The weights are frozen and the batch norms
    use the statistics of training, whatever `train()` says, so that no image's features depend on its neighbours in
    the batch. Gradients reach the images.

    Where the positions of a map lie in the image depends on paddings and strides, and so on the image's size: see
    `geometry`.

    Args:
        name: "resnet50", "efficientnet_lite0", or "timm:" and the name of any model of timm that has maps of the four
            strides, such as "timm:convnext_tiny".
        pretrained: with ImageNet weights, or with random ones.

    Raises:
        ValueError: for an unknown name, or a model of timm without such maps.
        WeightsUnavailable: where the weights are neither on this machine nor to be downloaded.

    Reference:
        He, Zhang, Ren and Sun (2016), Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385;
        Tan and Le (2019), EfficientNet, https://arxiv.org/abs/1905.11946 (Lite: without squeeze-and-excitation, and
        with ReLU6).

    >>> pyramid = FeaturePyramid("efficientnet_lite0")
    >>> {level: tuple(f.shape) for level, f in pyramid(torch.rand(1, 3, 64, 96)).items()}
    {'level1': (1, 24, 16, 24), 'level2': (1, 40, 8, 12), 'level3': (1, 112, 4, 6), 'level4': (1, 320, 2, 3)}
    """

    levels = LEVELS
    strides = dict(zip(LEVELS, STRIDES, strict=True))
    smallest = STRIDES[-1]
    """Least height and width of an image: what a single position of the coarsest map stands for."""

    def __init__(self, name: str, pretrained: bool = True) -> None:
        super().__init__()
        backbone = backbone_of(name)
        self.name, self.pretrained = name, pretrained
        self.channels = dict(zip(LEVELS, backbone.channels, strict=True))
        self.stages = backbone.stages(backbone.build(pretrained))
        self.register_buffer("mean", torch.tensor(backbone.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeaturePyramid:
        """Stay as it is: a pyramid inside a model that trains keeps the statistics of its own training."""
        return super().train(False)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """The four maps, fine to coarse.

        Args:
            images: (B, 3, H, W), or grey ones (B, 1, H, W) whose channel is repeated; in [0, 1].

        Returns:
            `levels` to maps (B, C_l, ⌈H/s_l⌉, ⌈W/s_l⌉), on the device and in the dtype of the weights.

        Raises:
            ValueError: for anything else: whole numbers, an alpha channel, values that are not finite or outside of
                [0, 1], no image, or images under 32 pixels high or wide.
        """
        self._check(images)
        h = (images.to(self.mean).expand(-1, 3, -1, -1) - self.mean) / self.std
        return dict(zip(LEVELS, self.stages(h), strict=True))

    def geometry(self, size: Sequence[int]) -> dict[str, MapGeometry]:
        """Where the positions of each level lie in images of a size.

        Two networks of the same strides differ by up to half a position, and one network does for even and odd sizes:
        ResNet pads both sides and centres position 0 at pixel 0, TensorFlow's padding depends on the size. The centre
        of each kernel is read from its weights, see `network_geometry`.

        Args:
            size: (H, W) in pixels.

        Raises:
            ValueError: for a size under 32 pixels.

        >>> grid = FeaturePyramid("resnet50", pretrained=False).geometry((64, 64))["level4"]
        >>> grid.shape, grid.stride, [round(y) for y in grid.first]
        ((2, 2), (32.0, 32.0), [0, 0])
        """
        size = checked_size("size", size)
        if min(size) < self.smallest:
            raise ValueError(f"size: expected at least {self.smallest}×{self.smallest} pixels, got {size[0]}×{size[1]}")
        return dict(zip(LEVELS, network_geometry(self.stages, size), strict=True))

    def stream(
        self, images: Float[Tensor, "batch channels height width"], batch_size: int = 16
    ) -> Iterator[dict[str, Tensor]]:
        """The maps of many images, a batch at a time: memory for `batch_size` images, however many there are.

        Args:
            images: as for a call; they may stay on another device, or in a memory-mapped file.
            batch_size: images in all dictionaries but the last.

        Yields:
            What a call returns for the next images.

        Raises:
            ValueError: for no image or a batch size below 1, at once; for other faults when their batch comes.
        """
        batch_size = whole_number("batch_size", batch_size)
        checked_images(images)
        return (self(batch) for batch in images.split(batch_size))

    def _check(self, images: Tensor) -> None:
        checked_images(images)
        if min(images.shape[2:]) < self.smallest:
            raise ValueError(
                f"images: expected at least {self.smallest}×{self.smallest} pixels, got {images.shape[2]}×"
                f"{images.shape[3]}; enlarge them with torch.nn.functional.interpolate"
            )
        low, high = (float(value) for value in images.detach().aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            found = f"values from {low:.4g} to {high:.4g}" if low == low and high == high else "NaN"
            bits = "; divide by 255" if 2 < high <= 255 and low >= 0 else ""
            shifted = "; (images + 1) / 2 brings -1 … 1 there" if -1 <= low < -0.01 and high <= 1 else ""
            raise ValueError(f"images: expected finite values in [0, 1], got {found}{bits}{shifted}")


def backbone_of(name: str) -> Backbone:
    """The backbone of a name, see `FeaturePyramid`.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name, str) and name.startswith(PREFIX):
        return timm_backbone(name, STRIDES)
    if name not in BACKBONES:
        hint = did_you_mean(name, BACKBONES, f'; others are "{PREFIX}" and a name that timm knows')
        raise ValueError(f"name: expected one of {', '.join(BACKBONES)}, got {name!r}{hint}")
    return BACKBONES[name]


WHOLE_RANGES = {torch.uint8: "divide by 255", torch.uint16: "divide by 65535", torch.bool: "use images.float()"}


def checked_images(images: Any) -> Tensor:  # noqa: ANN401  (whatever was given)
    """Images (B, 3 or 1, H, W), at least one, in floating point; their values and size are not looked at.

    Raises:
        ValueError: for anything else, saying how it becomes such images where that is plain.
    """
    if not isinstance(images, Tensor):
        how = "; torchvision.transforms.functional.to_tensor(image)[None] makes one of a PIL image"
        how = how if hasattr(images, "getbands") else ""
        how = "; torch.from_numpy makes one, with channels before height and width" if hasattr(images, "dtype") else how
        how = "; torch.stack makes one of a list of tensors" if isinstance(images, list | tuple) else how
        raise ValueError(f"images: expected a tensor (B, 3, H, W) in [0, 1], got {in_words(images)}{how}")
    shape = tuple(images.shape)
    if not images.is_floating_point():
        how = WHOLE_RANGES.get(images.dtype, "divide by their largest possible value")
        raise ValueError(f"images: expected floating-point values in [0, 1], got {images.dtype}; {how}")
    if images.ndim != 4 or shape[1] not in (1, 3):
        hint = "; drop the alpha channel, images[:, :3]" if images.ndim == 4 and shape[1] == 4 else ""
        hint = (
            "; images.movedim(-1, 1) puts channels before height" if images.ndim == 4 and shape[3] in (1, 3) else hint
        )
        hint = "; images[None] makes a batch of one" if images.ndim == 3 and shape[0] in (1, 3) else hint
        raise ValueError(f"images: expected shape (B, 3, H, W) or (B, 1, H, W), got {shape}{hint}")
    if not shape[0]:
        raise ValueError(f"images: expected at least one, got shape {shape}")
    return images
