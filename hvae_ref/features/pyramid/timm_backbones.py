"""Any classifier of the library timm whose inner maps have the strides 4, 8, 16 and 32, as a backbone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hvae_ref.data.local_files import DOWNLOAD_TIMEOUT_S, socket_timeout
from hvae_ref.errors import did_you_mean, optional_import
from hvae_ref.features.pyramid.backbones import OFFLINE, Backbone, WeightsUnavailable

PREFIX = "timm:"


class TimmMaps(nn.Module):
    """The maps of some strides among those that a network of timm returns.

    Args:
        net: made with `features_only=True`.
        numbers: places in its list of the maps to keep, fine to coarse.
    """

    def __init__(self, net: nn.Module, numbers: Sequence[int]) -> None:
        super().__init__()
        self.net, self.numbers = net, tuple(numbers)
        # Some transformers return (B, H, W, C).
        self.channels_last = str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w), fine to coarse."""
        try:
            maps = self.net(images)
        except (AssertionError, RuntimeError) as error:
            size = "×".join(str(edge) for edge in images.shape[2:])
            reason = (str(error).strip().splitlines() or ["no detail"])[0]
            raise ValueError(f"images: this backbone takes none of {size} pixels ({reason:.120})") from error
        return [maps[number].movedim(-1, 1) if self.channels_last else maps[number] for number in self.numbers]


def timm_backbone(name: str, strides: Sequence[int]) -> Backbone:
    """A backbone out of timm, found by the name that stands behind "timm:".

    Args:
        name: such as "timm:resnet18"; `timm.list_models()` has them all.
        strides: pixels between the positions of each map, fine to coarse.

    Raises:
        ValueError: for a name that timm does not know, and for a network without maps of these strides.
    """
    timm = optional_import("timm", extra="features", wanted_by=f"FeaturePyramid({name!r})")
    short = name.removeprefix(PREFIX)
    if not timm.is_model(short):
        hint = did_you_mean(short, timm.list_models())
        raise ValueError(
            f"name: expected a model of timm after {PREFIX!r}, see timm.list_models(), got {short!r}{hint}"
        )
    try:
        # Its description is all that is looked at: no weights.
        plain = timm.create_model(short, pretrained=False, features_only=True)
        reductions, channels = list(plain.feature_info.reduction()), plain.feature_info.channels()
    except (RuntimeError, AttributeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"name: expected a model with features_only in timm, got {short!r} ({error!s:.120})"
        ) from error
    if missing := [s for s in strides if s not in reductions]:
        raise ValueError(
            f"name: expected a backbone with maps of strides {', '.join(map(str, strides))}, got {short!r} with "
            f"{', '.join(map(str, reductions))}, none of {missing[0]}"
        )
    # Of several maps of one stride the last one is the richest.
    numbers = [len(reductions) - 1 - reductions[::-1].index(s) for s in strides]

    def build(pretrained: bool) -> nn.Module:
        if not pretrained:
            return plain
        try:
            with socket_timeout(DOWNLOAD_TIMEOUT_S):
                return timm.create_model(short, pretrained=True, features_only=True)
        except Exception as error:  # what fails here is the network, in whichever library asks for the weights
            reason = (str(error).strip().splitlines() or ["no detail"])[-1]
            raise WeightsUnavailable(
                f"{name}: no pretrained weights here, and none could be downloaded ({type(error).__name__}: "
                f'{reason:.120}). Offline, use FeaturePyramid("{OFFLINE}"), or pretrained=False for random weights.'
            ) from error

    config = timm.get_pretrained_cfg(short)
    mean, std = (tuple(values) if values else default for values, default in (
        (getattr(config, "mean", None), (0.485, 0.456, 0.406)),
        (getattr(config, "std", None), (0.229, 0.224, 0.225)),
    ))  # fmt: skip
    return Backbone(build, lambda net: TimmMaps(net, numbers), tuple(channels[n] for n in numbers), mean, std)
