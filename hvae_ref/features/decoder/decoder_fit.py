"""Fitting a decoder of features: images from random sets of levels, so that each set is decoded as well as can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.features.decoder.feature_decoder import FeatureDecoder

MAX_NORM = 1.0
"""Bound on the norm of a step's gradient."""
WARM_UP = 50
"""Steps over which the learning rate rises to its full value."""
ROUNDING = 1e-5
"""How far outside of [0, 1] a pixel may lie: resizing leaves white at 1.0000001."""


@dataclass(frozen=True)
class DecoderStep:
    """Where a fit was after some steps; losses as `decoder_loss` has them, mean over images.

    Attributes:
        step: steps taken.
        train: mean loss of the steps since the last record, each for its own set of levels.
        validation: loss of the validation images from all levels; None without them.
    """

    step: int
    train: float
    validation: float | None


def level_sets(levels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All sets of at least one level, small ones first: 2^L − 1 of them.

    >>> level_sets(("fine", "coarse"))
    [('fine',), ('coarse',), ('fine', 'coarse')]
    """
    return [chosen for size in range(1, len(levels) + 1) for chosen in combinations(levels, size)]


def decoder_loss(
    decoded: Float[Tensor, "batch channels height width"],
    images: Float[Tensor, "batch channels height width"],
    edges: float = 1.0,
) -> Float[Tensor, " batch"]:
    r"""mean |x̂ − x| + edges · (mean |∂_y x̂ − ∂_y x| + mean |∂_x x̂ − ∂_x x|), with differences of neighbours for ∂.

    The absolute error asks for medians, which are less blurred than means; the differences ask for edges. Eq. 7.11 in
    the book is its expectation over images and sets of levels.
    """
    error = decoded - images
    loss = error.abs().mean((1, 2, 3))
    for axis in (-2, -1):
        if images.shape[axis] > 1:
            loss = loss + edges * error.diff(dim=axis).abs().mean((1, 2, 3))
    return loss


def fit_decoder(
    decoder: FeatureDecoder,
    features: Mapping[str, Tensor],
    images: Float[Tensor, "count channels height width"],
    validation: tuple[Mapping[str, Tensor], Tensor] | None = None,
    *,
    steps: int = 2000,
    batch_size: int = 16,
    learning_rate: float = 4e-3,
    edges: float = 1.0,
    every: int = 100,
    seed: int = 0,
) -> list[DecoderStep]:
    r"""Minimise E_S[loss(d(f_S), x)] over images x and sets S of levels; the decoder is changed in place.

    Each step takes all levels with probability ½, and otherwise a set drawn evenly from all sets that are not empty:
    what is coarse then has to do without what is fine, and the other way round. Adam, with a learning rate that rises
    for a few steps and falls to zero along half a cosine.

    Args:
        decoder: with the levels of the features.
        features: maps (N, D_l, H_l, W_l) of all levels.
        images: (N, C, H, W) in [0, 1] that they came from; grey ones (N, 1, H, W) are repeated for a colour decoder.
        validation: features and images that are only looked at.
        steps: how many.
        batch_size: images a step.
        learning_rate: the highest.
        edges: weight of the differences of neighbouring pixels.
        every: steps between two records.
        seed: of batches and sets. The caller's random state is left alone.

    Returns:
        A record after every `every` steps, and after the last.

    Raises:
        ValueError: where features, images or an argument do not fit.
        FloatingPointError: where the loss is no longer finite.
    """
    for name, value in {"steps": steps, "batch_size": batch_size, "every": every}.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    if not 0 <= edges < math.inf or not learning_rate > 0:
        raise ValueError(f"edges, learning_rate: expected 0 or more and above 0, got {edges} and {learning_rate}")
    images = _checked("images", decoder, features, images)
    if validation is not None:
        validation = validation[0], _checked("validation", decoder, *validation)
    generator = torch.Generator().manual_seed(seed)
    sets, device = level_sets(decoder.levels), decoder.head.weight.device
    optimizer = torch.optim.Adam(decoder.parameters(), lr=learning_rate)
    history, losses = [], []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1, step / WARM_UP) * (1 + math.cos(math.pi * (step - 1) / steps)) / 2
        rows = torch.randint(len(images), (batch_size,), generator=generator)
        whole, number = torch.rand((), generator=generator) < 0.5, torch.randint(len(sets), (), generator=generator)
        chosen = decoder.levels if whole else sets[number]
        x = images[rows.to(images.device)].to(device)
        maps = {level: features[level][rows.to(features[level].device)].to(device) for level in chosen}
        loss = decoder_loss(decoder(maps, size=tuple(x.shape[2:])), x, edges).mean()
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is no longer finite at step {step}: {loss.item()}")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), MAX_NORM)
        optimizer.step()
        losses.append(loss.item())
        if step % every == 0 or step == steps:
            held_out = None if validation is None else _mean_loss(decoder, *validation, batch_size, edges)
            history.append(DecoderStep(step, sum(losses) / len(losses), held_out))
            losses = []
    return history


@torch.no_grad()
def decode(
    decoder: FeatureDecoder,
    features: Mapping[str, Tensor],
    size: tuple[int, int] | None = None,
    batch_size: int = 16,
) -> Tensor:
    """The images of many maps, a batch at a time and without gradients: (N, C, H, W)."""
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    n = max((len(f) for f in features.values()), default=0)
    if n <= batch_size:
        return decoder(features, size)
    parts = (
        {level: f[start : start + batch_size] for level, f in features.items()} for start in range(0, n, batch_size)
    )
    return torch.cat([decoder(part, size) for part in parts])


def _mean_loss(
    decoder: FeatureDecoder, features: Mapping[str, Tensor], images: Tensor, batch_size: int, edges: float
) -> float:
    decoded = decode(decoder, features, tuple(images.shape[2:]), batch_size)
    return decoder_loss(decoded, images.to(decoded.device), edges).mean().item()


def _checked(name: str, decoder: FeatureDecoder, features: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The images, in as many channels as the decoder makes, or what does not fit."""
    if not images.is_floating_point():
        raise ValueError(f"{name}: expected floating-point values in [0, 1], got {images.dtype}; divide by 255")
    if images.ndim != 4 or images.shape[1] not in (1, decoder.channels) or not images.numel():
        raise ValueError(
            f"{name}: expected at least one image (N, {decoder.channels}, H, W) or (N, 1, H, W), "
            f"got {tuple(images.shape)}"
        )
    if not (images.min() >= -ROUNDING and images.max() <= 1 + ROUNDING):
        raise ValueError(f"{name}: expected finite values in [0, 1]")
    if features.keys() != decoder.dims.keys():
        raise ValueError(f"features: expected the levels {list(decoder.levels)}, got {list(features)}")
    shapes = decoder.shapes(tuple(images.shape[2:]))
    for level, f in features.items():
        wanted = (len(images), decoder.dims[level], *shapes[level])
        if tuple(f.shape) != wanted:
            raise ValueError(f"{level}: expected maps {wanted} for these images, got {tuple(f.shape)}")
        if not f.isfinite().all():
            raise ValueError(f"{level}: expected finite numbers, got NaN or infinity")
    return images.expand(-1, decoder.channels, -1, -1)
