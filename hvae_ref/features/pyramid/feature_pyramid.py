"""Four maps of features of an image, from fine and shallow to coarse and deep, out of a frozen classifier."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hvae_ref.errors import did_you_mean
from hvae_ref.features.pyramid.backbones import BACKBONES

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

    Args:
        name: "resnet50" or "efficientnet_lite0".
        pretrained: with ImageNet weights, or with random ones.

    Raises:
        ValueError: for an unknown name.
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
        if name not in BACKBONES:
            hint = did_you_mean(name, BACKBONES)
            raise ValueError(f"name: expected one of {', '.join(BACKBONES)}, got {name!r}{hint}")
        backbone = BACKBONES[name]
        self.name, self.pretrained = name, pretrained
        self.channels = dict(zip(LEVELS, backbone.channels, strict=True))
        self.stages = nn.ModuleList(backbone.stages(backbone.build(pretrained)))
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
        features = {}
        for level, stage in zip(LEVELS, self.stages, strict=True):
            features[level] = h = stage(h)
        return features

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
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        if not len(images):
            raise ValueError(f"images: expected at least one, got shape {tuple(images.shape)}")
        return (self(batch) for batch in images.split(batch_size))

    def _check(self, images: Tensor) -> None:
        if not images.is_floating_point():
            raise ValueError(f"images: expected floating-point values in [0, 1], got {images.dtype}; divide by 255")
        shape = tuple(images.shape)
        if images.ndim != 4 or shape[1] not in (1, 3):
            alpha = "; drop the alpha channel, images[:, :3]" if images.ndim == 4 and shape[1] == 4 else ""
            raise ValueError(f"images: expected shape (B, 3, H, W) or (B, 1, H, W), got {shape}{alpha}")
        if not shape[0]:
            raise ValueError(f"images: expected at least one, got shape {shape}")
        if min(shape[2:]) < self.smallest:
            raise ValueError(
                f"images: expected at least {self.smallest}×{self.smallest} pixels, got {shape[2]}×{shape[3]}; "
                "enlarge them with torch.nn.functional.interpolate"
            )
        low, high = (float(value) for value in images.detach().aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            found = f"values from {low:.4g} to {high:.4g}" if low == low and high == high else "NaN"
            raise ValueError(f"images: expected finite values in [0, 1], got {found}")
