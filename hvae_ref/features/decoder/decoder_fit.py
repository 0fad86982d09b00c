"""Fitting a decoder of features, and decoding many maps with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.data import Examples
from hvae_ref.features.decoder.decoder_step import DecoderStep
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.training import History, TrainConfig, fit

MAX_NORM = 1.0
"""Bound on the norm of a step's gradient."""
WARM_UP = 0.05
"""Share of the run over which the learning rate rises to its full value."""
ROUNDING = 1e-5
"""How far outside of [0, 1] a pixel may lie: resizing leaves white at 1.0000001."""


def fit_decoder(
    decoder: FeatureDecoder,
    features: Mapping[str, Tensor],
    images: Float[Tensor, "count channels height width"],
    validation: tuple[Mapping[str, Tensor], Tensor] | None = None,
    *,
    epochs: int = 20,
    batch_size: int = 16,
    learning_rate: float = 4e-3,
    edges: float = 1.0,
    seed: int = 0,
) -> History:
    """Train a decoder with `fit` and a `DecoderStep`; the decoder is changed in place.

    The learning rate rises at first, and falls to zero along half a cosine.

    Args:
        decoder: with the levels of the features.
        features: maps (N, D_l, H_l, W_l) of all levels.
        images: (N, C, H, W) in [0, 1] that they came from; grey ones (N, 1, H, W) are repeated for a colour decoder.
        validation: features and images that are only looked at.
        epochs: passes over the images.
        batch_size: images a step.
        learning_rate: the highest.
        edges: weight of the differences of neighbouring pixels.
        seed: of batches and sets of levels. The caller's random state is left alone.

    Returns:
        A record for each epoch; "train.terms.error" is the mean loss over the sets that were drawn,
        "validation.terms.error" that from all levels.

    Raises:
        ValueError: where features, images or an argument do not fit.
        NonFiniteLoss: where the loss is no longer finite.
    """
    step = DecoderStep(edges)
    config = TrainConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule="cosine",
        warmup=WARM_UP,
        gradient_clip=MAX_NORM,
        seed=seed,
        progress=False,
    )
    held_out = None if validation is None else _examples("validation", decoder, *validation)
    return fit(decoder, _examples("images", decoder, features, images), held_out, step=step, config=config)


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


def _examples(name: str, decoder: FeatureDecoder, features: Mapping[str, Tensor], images: Tensor) -> Examples:
    """Images and their maps as a data set, checked."""
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
    return Examples(images, targets=features)
