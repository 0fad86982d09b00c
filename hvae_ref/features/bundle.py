"""What turns images into reduced features, scores and draws these, and decodes them, together in one small file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.density.spatial_graph import SpatialGraphDensity
from hvae_ref.features.pyramid.backbones import BACKBONES
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.map_geometry import MapGeometry
from hvae_ref.features.pyramid.reduction import Reduction
from hvae_ref.features.pyramid.timm_backbones import PREFIX

FORMAT, VERSION = "hvae_ref.features", 2
SHIPPED = Path(__file__).parent / "bundles" / "pictures.safetensors"


class BundleError(ValueError):
    """A file of features that cannot be read or does not fit; the message says what to do."""


@dataclass
class FeatureBundle:
    """A backbone's name and the parts that were fitted to its features.

    Attributes:
        backbone: name of the `FeaturePyramid`.
        reduction: from its channels to the dimensions that the other parts know.
        decoder: from reduced maps to pixels.
        densities: of reduced maps, by the name of what they were fitted to.
        about: what the parts were made from and how, for readers.
    """

    backbone: str
    reduction: Reduction
    decoder: FeatureDecoder
    densities: dict[str, FeatureDensity] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def pyramid(self) -> FeaturePyramid:
        """The backbone, with its pretrained weights."""
        return FeaturePyramid(self.backbone)

    def features(self, images: Tensor, batch_size: int = 16) -> dict[str, Tensor]:
        """The reduced maps (N, D_l, ⌈H/s_l⌉, ⌈W/s_l⌉) of images (N, 3 or 1, H, W) in [0, 1], without gradients."""
        with torch.no_grad():
            batches = [self.reduction.transform(f) for f in self.pyramid.stream(images, batch_size)]
        return {level: torch.cat([batch[level] for batch in batches]) for level in batches[0]}

    def geometry(self, size: Sequence[int]) -> dict[str, MapGeometry]:
        """Where the positions of these maps lie in images of a size (H, W); see `FeaturePyramid.geometry`."""
        return self.pyramid.geometry(size)


def save_bundle(path: str | Path, bundle: FeatureBundle) -> None:
    """Write a bundle, in one piece or not at all; weights are rounded to half precision, the reduction is not.

    Args:
        path: file to write; its folder is made.
        bundle: what to write. A decoder and densities built with other arguments than these take back are refused.

    Raises:
        BundleError: where a part cannot be written so that it can be read again.
    """
    path = Path(path)
    parts: dict[str, nn.Module] = {"reduction": bundle.reduction, "decoder": bundle.decoder}
    parts |= {f"densities.{name}": density for name, density in bundle.densities.items()}
    header = {
        "version": VERSION,
        "backbone": bundle.backbone,
        "reduction": {"dims": bundle.reduction.dims, "whiten": bundle.reduction.whiten},
        "decoder": _decoder_arguments(bundle.decoder),
        "densities": {name: _density_arguments(density) for name, density in bundle.densities.items()},
        "about": bundle.about,
    }
    try:
        described = json.dumps(header)
    except (TypeError, ValueError) as error:
        raise BundleError(f"about: expected what JSON can hold, numbers, text, lists and tables ({error})") from error
    tensors = {}
    for prefix, part in parts.items():
        for name, value in part.state_dict().items():
            small = value if prefix == "reduction" or not value.is_floating_point() else value.half()
            if not small.isfinite().all():
                raise BundleError(f"{prefix}.{name}: too large for half precision, or not finite")
            tensors[f"{prefix}/{name}"] = small.cpu().contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    # One entry alone: the library writes several in any order, and the same bundle should be the same bytes.
    save_file(tensors, temporary, {FORMAT: described})
    temporary.chmod(0o644)
    os.replace(temporary, path)


def load_bundle(path: str | Path) -> FeatureBundle:
    """Read a bundle, with all weights in float32, on the CPU, in evaluation mode and without gradients.

    Raises:
        BundleError: where the file is missing, truncated, of another kind or version, or lacks a weight.
    """
    path = Path(path)
    if not path.is_file():
        raise BundleError(f"{path}: no such file; fit the parts and write them with save_bundle")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path}: not a readable safetensors file, it may be truncated ({error})") from error
    if FORMAT not in metadata:
        raise BundleError(f"{path}: a safetensors file, but no bundle that save_bundle wrote; give the path of one")
    try:
        header = json.loads(metadata[FORMAT])
    except json.JSONDecodeError as error:
        raise BundleError(f"{path}: a bundle whose header is damaged ({error}); write it again") from error
    if not isinstance(header, dict):
        raise BundleError(f"{path}: a bundle whose header is damaged, it holds no table; write it again")
    if header.get("version") != VERSION:
        raise BundleError(f"{path}: version {header.get('version')} of the format, this package reads {VERSION}")
    try:
        bundle = FeatureBundle(
            header["backbone"],
            Reduction(**header["reduction"]),
            FeatureDecoder(**header["decoder"]),
            {name: _density(**arguments) for name, arguments in header["densities"].items()},
            header["about"],
        )
        parts: dict[str, nn.Module] = {"reduction": bundle.reduction, "decoder": bundle.decoder}
        parts |= {f"densities.{name}": density for name, density in bundle.densities.items()}
        for prefix, part in parts.items():
            own = {
                name.removeprefix(f"{prefix}/"): value.float() if value.is_floating_point() else value
                for name, value in tensors.items()
                if name.startswith(f"{prefix}/")
            }
            part.load_state_dict(own)
            part.requires_grad_(False).eval()
        if bundle.backbone not in BACKBONES and not str(bundle.backbone).startswith(PREFIX):
            raise ValueError(f"unknown backbone {bundle.backbone!r}")
        if missing := bundle.decoder.dims.keys() - bundle.reduction.components.keys():
            raise ValueError(f"no directions of {', '.join(sorted(missing))} in the reduction")
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{path}: its parts do not fit this package ({error})") from error
    return bundle


@lru_cache(maxsize=1)
def shipped() -> FeatureBundle:
    """The bundle that comes with the package: pictures and textures of scikit-image under EfficientNet-Lite0.

    `about` holds the command that made it; the quality of its decoder stands in the table "feature_synthesis" of
    `hvae_ref.results`. It is read once, and each call returns the same object: do not train it, load another.

    Raises:
        BundleError: where the installed file is damaged.
    """
    return load_bundle(SHIPPED)


def _decoder_arguments(decoder: FeatureDecoder) -> dict[str, Any]:
    stride = decoder.strides[decoder.levels[0]]
    return {"dims": decoder.dims, "channels": decoder.channels, "width": decoder.width, "stride": stride}


def _density_arguments(density: FeatureDensity) -> dict[str, Any]:
    """What builds a density of the same kind and sizes."""
    if not isinstance(density, SpatialGraphDensity | HierarchicalLatentDensity):
        raise BundleError(f"densities: expected chains and graphs, got a {type(density).__name__}")
    common = {"dims": density.dims, "components": density.components, "min_scale": density.min_scale(density.levels[0])}
    if isinstance(density, SpatialGraphDensity):
        contexts = density.contexts
        sizes = {"width": contexts.width, "layers": len(contexts.layers), "colours": density.colours}
        return {"kind": "graph"} | common | sizes
    attentions = [factor.attention for factor in density.p.values() if factor.attention is not None]
    sizes = {"heads": attentions[0].heads, "width": attentions[0].width} if attentions else {}
    return {"kind": "chain", "condition": density.condition} | common | sizes


def _density(kind: str, **arguments: Any) -> FeatureDensity:  # noqa: ANN401 (any JSON value)
    return {"chain": HierarchicalLatentDensity, "graph": SpatialGraphDensity}[kind](**arguments)
