"""Exercise 6.3: a layer that listens.

Asked for is FiLM, (1 + γ) h + β, of features (B, F), where one linear layer of z (B, d) gives γ and β. The gradients
are compared too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How does one latent steer the other?"


def _gamma_beta(z: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    gamma, beta = linear(z, weight, bias).chunk(2, -1)
    return gamma, beta


def _film(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    gamma, beta = _gamma_beta(z, weight, bias)
    return (1 + gamma) * h + beta


def _features_and_layer(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, features, dim = size(rng), size(rng, low=2), size(rng)
    h, z = normal(rng, batch, features, dtype=torch.float64), normal(rng, batch, dim, dtype=torch.float64)
    weight = normal(rng, 2 * features, dim, scale=0.5, dtype=torch.float64)
    return h, z, weight, normal(rng, 2 * features, scale=0.3, dtype=torch.float64)


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One feature and thirty; a latent wider than the features; no latent, no features; one example; float32."""
    rng = np.random.default_rng(63)

    def drawn(batch: int, features: int, dim: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        shapes = ((batch, features), (batch, dim), (2 * features, dim), (2 * features,))
        return tuple(normal(rng, *shape, dtype=dtype) for shape in shapes)

    h, z, weight, bias = drawn(3, 2, 2)
    sizes = ((1, 1, 1), (1, 30, 2), (2, 1, 9), (4, 4, 4), (2, 4, 8), (140, 3, 1), (1, 3, 40))
    return [
        *(drawn(*each) for each in sizes),
        drawn(5, 3, 2, torch.float32),
        (h, 0 * z, weight, bias),
        (0 * h, z, weight, bias),
        (h, z, 0 * weight, 0 * bias),
        (1e4 * h, 30 * z, weight, bias),
    ]


wrong = Misconceptions(_SECTION)


@wrong("C5")
def _film_without_one(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Where z says nothing, γ and β are zero, and this makes every feature zero: the layer below is switched off. It
    should go through as it is.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return gamma * h + beta


@wrong("C5")
def _film_scale_only(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The features are stretched, never moved. A feature that is zero stays zero whatever z says."""
    return (1 + _gamma_beta(z, weight, bias)[0]) * h


@wrong("C5")
def _film_shift_only(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The features are moved, never stretched. That is concatenation: a linear layer that reads z beside h can do as
    much.
    """
    return h + _gamma_beta(z, weight, bias)[1]


@wrong("C5")
def _film_swapped(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The two halves are exchanged: γ comes first, then β. After training from scratch nobody would notice; with
    weights from elsewhere, everything would be off.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return (1 + beta) * h + gamma


@wrong("C5")
def _film_swapped_without_one(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Two slips: the halves are exchanged (γ comes first), and where both are zero the features vanish instead of going
    through.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return beta * h + gamma


@wrong("C5")
def _film_shift_first(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Here the shift is stretched along with h. In equation 6.6 β is added last, so that it is the same
    whatever γ is.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return (1 + gamma) * (h + beta)


@wrong("C5")
def _film_interleaved(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """γ and β are taken in turns from the layer's outputs. Its first F outputs are γ, the other F are β."""
    both = linear(z, weight, bias)
    return (1 + both[:, ::2]) * h + both[:, 1::2]


@wrong("C5")
def _film_one_for_the_batch(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All examples share one γ and one β, a mean over the batch. Each example has a z of its own."""
    gamma, beta = _gamma_beta(z, weight, bias)
    return (1 + gamma.mean(0)) * h + beta.mean(0)


@wrong("C5")
def _film_one_for_the_features(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All features of an example share one γ and one β. That they need not is what *feature-wise* means."""
    gamma, beta = _gamma_beta(z, weight, bias)
    return (1 + gamma.mean(-1, keepdim=True)) * h + beta.mean(-1, keepdim=True)


@wrong("C5")
def _film_over_the_batch(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """h is normalised over the batch first, as in conditional batch normalisation. Then a response depends on who else
    is in its batch, and a batch of one loses h altogether.
    """
    centred = h - h.mean(0)
    return _film(centred / (centred.square().mean(0) + 1e-5).sqrt(), z, weight, bias)


@wrong("C5")
def _film_over_the_features(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """h is normalised over its features first, as in adaptive instance or layer normalisation. Equation 6.6 takes h as
    it is.
    """
    return _film(layer_norm(h, h.shape[-1:]), z, weight, bias)


@wrong("C5")
def _film_exponential(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """e to the power of γ also begins at one, but it can neither switch a feature off nor turn its sign, and it grows
    fast. Equation 6.6 is linear in γ.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return gamma.exp() * h + beta


@wrong("C5")
def _film_gated(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A sigmoid makes γ a gate between 0 and 1. It halves every feature where z says nothing, and can never make one
    larger.
    """
    gamma, beta = _gamma_beta(z, weight, bias)
    return gamma.sigmoid() * h + beta


@wrong("C5")
def _film_without_bias(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The layer has a bias too, in γ and in β; it is what remains at z = 0."""
    return _film(h, z, weight, 0 * bias)


@wrong("C5")
def _film_one_more(h: Tensor, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The one is added at the end. It belongs to the factor: stretching by one is what leaves h alone."""
    gamma, beta = _gamma_beta(z, weight, bias)
    return gamma * h + beta + 1


EXERCISE = Exercise(
    id="6.3",
    title="A layer that listens",
    kind="implement",
    section=_SECTION,
    reference=_film,
    inputs=_features_and_layer,
    edge_cases=_edges,
    check_gradient=True,
    misconceptions=wrong,
)
