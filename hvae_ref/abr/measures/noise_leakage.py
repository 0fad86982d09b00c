"""How much of a recording's noise a model's latents carry over into its reconstruction."""

from __future__ import annotations

import torch
from torch import nn

from hvae_ref.abr.data import AbrDataset
from hvae_ref.abr.measures.conditional_generation import without_noise
from hvae_ref.evaluation.utilisation import posterior_means
from hvae_ref.nn.eval_mode import eval_mode


def noise_leakage(model: nn.Module, data: AbrDataset) -> float:
    """Share of the noise of generated responses that their reconstructions repeat.

    Σ_n (x̂_n − s_n)ᵀ ε_n ÷ Σ_n ε_nᵀ ε_n,  x_n = s_n + ε_n,  x̂_n = E[x|z, c] at the posterior means

    The slope of what a reconstruction adds to the response s on the noise ε: 0 where the latents hold of the noise
    nothing, 1 where they hold all of it, and the reconstruction is the recording.

    Args:
        model: with `encode(x, condition=…)` and `decode(z, condition=…)`.
        data: generated responses, whose noise is known.

    Raises:
        ValueError: for recordings, of which nobody knows it, or responses without noise.
    """
    response = without_noise(data)
    noise = data.x - response
    power = noise.square().sum().item()
    if not power > 0:
        raise ValueError(f"data: expected responses with noise, got {len(data)} without")
    with eval_mode(model), torch.no_grad():
        means = posterior_means(model, data.x, condition=data.condition)
        added = model.decode(means, condition=data.condition).mean - response
    return (added * noise).sum().item() / power
