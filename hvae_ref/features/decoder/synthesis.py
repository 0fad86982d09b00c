"""Images out of features: of all levels or some, with a region drawn anew or taken from elsewhere, or all drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hvae_ref.data.examples import in_words
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder, Shape
from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_geometry
from hvae_ref.features.pyramid.pixel_grid import region_positions
from hvae_ref.nn.eval_mode import eval_mode


@runtime_checkable
class Sampler(Protocol):
    """A density over the maps of all levels that can be drawn from."""

    dims: dict[str, int]

    def sample(
        self,
        shapes: Mapping[str, Shape],
        n: int = 1,
        *,
        fixed: Mapping[str, Tensor] | None = None,
        keep: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
    ) -> dict[str, Tensor]:
        """Draw maps (n, D_l, H_l, W_l), keeping those of `fixed` where `keep` says so."""
        ...


@dataclass(frozen=True)
class Synthesis:
    """Images, and where what they show comes from.

    Attributes:
        images: (n, C, H, W) in [0, 1].
        features: the maps that were decoded, (n, D_l, H_l, W_l).
        replaced: for each decoded level the positions (H_l, W_l) that were drawn or come from elsewhere. At all others
            the features are the given ones, bit for bit.
        may_differ: the pixels (H, W) that these positions can reach. All others are those of the given features, bit
            for bit where these are decoded in a batch of the same size, and else to the rounding of sums.
        progressive: an image for each level, coarse to fine, with the finer ones absent; None unless asked for.
    """

    images: Float[Tensor, "count channels height width"]
    features: dict[str, Tensor]
    replaced: dict[str, Tensor]
    may_differ: Bool[Tensor, "height width"]
    progressive: dict[str, Tensor] | None = None


def synthesize(
    decoder: FeatureDecoder,
    features: Mapping[str, Tensor] | None = None,
    *,
    levels: Collection[str] | None = None,
    region: Bool[Tensor, "height width"] | None = None,
    density: Sampler | None = None,
    other: Mapping[str, Tensor] | None = None,
    n: int = 1,
    size: Shape | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    progressive: bool = False,
    geometry: Mapping[str, MapGeometry] | None = None,
) -> Synthesis:
    r"""x' = d(f') with f'_l = m_l g_l + (1 − m_l) f_l: given features f, and others g in their place where m_l = 1.

    g is drawn from a density given what is kept, or is `other`. What the arguments make of it (eq. 7.13 in the book):

    | arguments | image |
    |---|---|
    | `features` | all of them decoded |
    | `features, levels` | these levels alone; the others are absent |
    | `features, levels, density` | these levels kept, the others drawn |
    | `features, region, density` or `…, other` | the region drawn anew, or taken from `other`; the rest kept |
    | `features, region, levels, …` | in the region these levels kept, the others replaced; the rest kept |
    | `density, size` | everything drawn |

    A region is replaced inside; to keep its inside and draw the rest, give `~region`. What is drawn depends on what the
    density has before it: a chain from coarse to fine draws a fine level given the coarser one, at the borders of the
    region too, and does not infer a coarse level from a finer one that is kept.

    Args:
        decoder: of all levels that may appear.
        features: maps (B, D_l, H_l, W_l); None to draw everything.
        levels: those that come from `features`, in the region too. By default all of them, or none in a region.
        region: pixels (H, W) where features are replaced, as `region_positions` reads them.
        density: draws what is replaced.
        other: maps of all levels that are replaced, one example or as many as there are.
        n: how many draws of one example; with more examples each is drawn once.
        size: (H, W) of the images; by default what the finest given map covers.
        temperature: factor on the standard deviations of what is drawn.
        seed: of what is drawn. The caller's random state is left alone.
        progressive: also the images of the coarse levels alone.
        geometry: where the maps' positions lie in the image, from `FeatureBundle.geometry`; tiles by default.

    Raises:
        ValueError: where the arguments do not fit, or say nothing about where the features come from.
    """
    given = dict(features or {})
    size, masks = _plan(decoder, given, levels, region, density, other, size, geometry)
    if n < 1:
        raise ValueError(f"n: expected at least 1, got {n}")
    count = max((len(f) for f in [*given.values(), *(other or {}).values()]), default=1)
    if count > 1 and n > 1:
        raise ValueError(f"n: expected 1 for a batch of {count} examples, got {n}")
    count = max(count, n)
    if density is not None:
        maps = _drawn(decoder, density, given, masks, size, count, temperature, seed)
    else:
        maps = _mixed(given, other or {}, masks, count)
    with eval_mode(decoder):
        images = decoder(maps, size, progressive)
        final = list(images.values())[-1] if progressive else images
    return Synthesis(final, maps, masks, decoder.influence(masks, size), images if progressive else None)


def interpolate_features(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], steps: int = 9, levels: Collection[str] | None = None
) -> dict[str, Tensor]:
    """f(t) = (1 − t) f_a + t f_b at t = 0 … 1: the straight way from one example's features to another's.

    Args:
        a: maps (1, D_l, H_l, W_l), where the way begins.
        b: maps of the same levels and shapes, where it ends.
        steps: points on the way, both ends included.
        levels: those that move; the others stay at `a`. All by default.

    Returns:
        Maps (steps, D_l, H_l, W_l).

    Raises:
        ValueError: for levels or shapes that differ, more than one example, or fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"steps: expected at least 2, got {steps}")
    if a.keys() != b.keys() or not a:
        raise ValueError(f"b: expected the levels of a, {list(a)}, got {list(b)}")
    moving = set(a if levels is None else levels)
    if not moving <= a.keys():
        raise ValueError(f"levels: expected some of {list(a)}, got {sorted(moving)}")
    path = {}
    for level, f in a.items():
        if f.shape != b[level].shape or len(f) != 1 or f.ndim != 4 or f.dtype != b[level].dtype:
            raise ValueError(
                f"{level}: expected one example of the same shape and dtype, (1, D, H, W), got {tuple(f.shape)} "
                f"{f.dtype} and {tuple(b[level].shape)} {b[level].dtype}"
            )
        t = torch.linspace(0, 1, steps, dtype=f.dtype, device=f.device)[:, None, None, None]
        path[level] = torch.lerp(f, b[level], t) if level in moving else f.expand(steps, -1, -1, -1)
    return path


def _plan(
    decoder: FeatureDecoder,
    given: Mapping[str, Tensor],
    levels: Collection[str] | None,
    region: Tensor | None,
    density: Sampler | None,
    other: Mapping[str, Tensor] | None,
    size: Shape | None,
    geometry: Mapping[str, MapGeometry] | None = None,
) -> tuple[Shape, dict[str, Tensor]]:
    """The image's size, and for every decoded level where its features are replaced."""
    if density is not None and other is not None:
        raise ValueError("other: expected None with a density, which draws what is replaced; got both")
    if not given and density is None:
        raise ValueError("features: expected maps, or a density to draw them from, got neither")
    if region is not None and density is None and other is None:
        raise ValueError("region: expected a density or other features to replace it with, got neither")
    for name, found in {"features": given, "levels": levels or (), "other": other or {}}.items():
        if unknown := [level for level in found if level not in decoder.dims]:
            raise ValueError(f"{name}: expected levels among {list(decoder.levels)}, got {unknown}")
    for level, f in [*given.items(), *(other or {}).items()]:
        if not isinstance(f, Tensor) or f.ndim != 4:
            raise ValueError(f"{level}: expected maps (B, D, H, W), got {in_words(f).removeprefix('shape ')}")
    if density is not None and dict(density.dims) != decoder.dims:
        raise ValueError(f"density: expected the dimensions of the decoder, {decoder.dims}, got {dict(density.dims)}")
    kept = set(given if levels is None and region is None else levels or ())
    if missing := [level for level in kept if level not in given]:
        raise ValueError(f"levels: expected levels of the features, {list(given)}, got {missing}")
    if size is None and not given:
        raise ValueError("size: expected height and width of what is to be drawn, got None")
    if size is None:
        finest = next(level for level in decoder.levels if level in given)
        size = tuple(edge * decoder.strides[finest] for edge in given[finest].shape[2:])
    shapes = decoder.shapes(size)
    whole = torch.ones(size, dtype=torch.bool) if region is None else region
    if not isinstance(whole, Tensor) or tuple(whole.shape) != tuple(size):
        raise ValueError(f"region: expected a mask of the image's {tuple(size)} pixels, got {in_words(whole)}")
    inside = region_positions(whole.cpu(), decoder.strides, geometry and checked_geometry(geometry, shapes, size))
    # Without anything to replace them with, levels that are not kept are absent.
    decoded = decoder.levels if density is not None or other is not None else [n for n in decoder.levels if n in kept]
    masks = {
        level: inside[level] if level not in kept else torch.zeros(shapes[level], dtype=torch.bool) for level in decoded
    }
    if not masks:
        raise ValueError("levels: expected at least one level, got none")
    for level, mask in masks.items():
        if not mask.all() and level not in given:
            raise ValueError(f"features: expected {level} too, which is kept in places, got {list(given)}")
        if mask.any() and other is not None and level not in other:
            raise ValueError(f"other: expected {level} too, which is replaced in places, got {list(other)}")
    if (density is not None or other is not None) and not any(mask.any() for mask in masks.values()):
        raise ValueError("levels, region: expected something to replace, but every position of every level is kept")
    return tuple(size), masks


def _drawn(
    decoder: FeatureDecoder,
    density: Sampler,
    given: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    size: Shape,
    count: int,
    temperature: float,
    seed: int,
) -> dict[str, Tensor]:
    fixed = {level: given[level] for level, mask in masks.items() if not mask.all()}
    keep = {level: ~masks[level].to(f.device) for level, f in fixed.items() if masks[level].any()}
    visited = density if isinstance(density, nn.Module) else decoder
    with eval_mode(visited, seed):
        maps = density.sample(decoder.shapes(size), count, fixed=fixed, keep=keep, temperature=temperature)
    return {level: maps[level] for level in decoder.levels}


def _mixed(
    given: Mapping[str, Tensor], other: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int
) -> dict[str, Tensor]:
    maps = {}
    for level, mask in masks.items():
        here, there = given.get(level), other.get(level) if mask.any() else None
        if here is not None and there is not None and here.shape[1:] != there.shape[1:]:
            raise ValueError(f"other: expected {level} of shape {tuple(here.shape)}, got {tuple(there.shape)}")
        f = here if there is None else there
        if here is not None and there is not None:
            f = torch.where(mask.to(here.device), there, here)
        if len(f) not in (1, count):
            raise ValueError(f"{level}: expected 1 or {count} examples, got {len(f)}")
        maps[level] = f.expand(count, -1, -1, -1)
    return maps
