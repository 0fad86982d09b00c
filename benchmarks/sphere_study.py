"""Latents on spheres beside Gaussian ones, over seeds.

Parts, each with a table of its own:

- `digits` and `mnist5k`: Gaussian and hyperspherical VAE of equal nets, d = 2 … 128 coordinates
  (sphere_digits.json, sphere_mnist5k.json), and for MNIST-5k spheres of 6 and 11 coordinates, which have the degrees of
  freedom of Gaussians of 5 and 10;
- `collapse`: why hyperspherical VAEs collapse: how κ is read from the encoder, how the gradient reaches μ, and whether
  the decoder sees z or √m z; without KL annealing (sphere_collapse.json);
- `products`: 40 coordinates as one sphere, several, or many (sphere_products.json);
- `hierarchy`: a sphere as the top level of a top-down model (sphere_hierarchy.json).

A run that is recorded is not repeated.

    python benchmarks/sphere_study.py digits mnist5k collapse products hierarchy
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from recipe_runs import RecipeRun, measure, study
from torch import Tensor

from hvae_ref.distributions.sphere import von_mises_fisher
from hvae_ref.distributions.sphere.sphere_sampling import place_around, sample_von_mises_fisher

SIZES = (2, 3, 5, 8, 10, 16, 20, 40, 64, 128)
# Spheres with as many degrees of freedom as Gaussians of 5 and 10 coordinates (of 2: m = 3, which is there); the larger
# one with the other reading of κ, too.
EQUAL_FREEDOM = (6, 11)
# The other reading of κ, where it makes the most difference.
SCALED, SCALED_SIZES = "sphere, κ = m/σ²", (16, 64, 128)
MODELS = {
    "Gaussian": (),
    "sphere": ('model.name="HypersphericalVAE"',),
    SCALED: ('model.name="HypersphericalVAE"', 'model.concentration="scaled"'),
}
# As public code has it, then one change at a time.
WAYS = (
    ("softplus", "reflection", "z"),
    ("softplus", "reflection", "√m z"),
    ("softplus", "field", "√m z"),
    ("scaled", "reflection", "√m z"),
    ("scaled", "field", "√m z"),
    ("natural", "reflection", "√m z"),
    ("natural", "field", "√m z"),
)
PATIENT = ("training.epochs={0}", "training.patience={0}")
DIGITS = "digits, 17 grey levels, 1000/350/447 in file order, 19 deformed copies beside each training image"
SETTINGS = {
    "digits": {"data": DIGITS, "recipe": "digits-vae without free bits, 1,000 steps", "iwae_samples": 128},
    "mnist5k": {
        "data": "mnist5k, dynamic binarisation",
        "recipe": "mnist5k-vae, learning rate 3e-3, 1,600 steps",
        "iwae_samples": 128,
    },
    "collapse": {
        "data": DIGITS,
        "recipe": "digits-vae without free bits and without annealing, 1,000 steps",
        "iwae_samples": 512,
    },
    "products": {"data": DIGITS, "recipe": "digits-vae without free bits, 1,000 steps", "iwae_samples": 512},
    "hierarchy": {"data": DIGITS, "recipe": "digits-top-down, 1,000 steps", "iwae_samples": 512},
}
LABELS = {
    "digits": ("model", "d"),
    "mnist5k": ("model", "d"),
    "collapse": ("d", "concentration", "gradient", "decoder_sees"),
    "products": ("spheres", "d"),
    "hierarchy": ("top",),
}


def tasks(part: str) -> Iterator[RecipeRun]:
    """The runs of one part, for one seed."""
    evaluation = {"iwae_samples": SETTINGS[part]["iwae_samples"], "information_examples": 2}
    epochs = 40 if part == "mnist5k" else 5
    shared = tuple(text.format(epochs) for text in PATIENT)
    plain = (*shared, "objective.free_bits=none")
    if part == "mnist5k":
        shared += ("training.learning_rate=3e-3",)
    if part in ("digits", "mnist5k"):
        for size in (*SIZES, *(EQUAL_FREEDOM if part == "mnist5k" else ())):
            for model, changes in MODELS.items():
                if model == SCALED and size not in (SCALED_SIZES if part == "digits" else EQUAL_FREEDOM[1:]):
                    continue
                if model == "Gaussian" and size in EQUAL_FREEDOM:
                    continue
                overrides = (*(plain if part == "digits" else shared), f"model.latent_dims=[{size}]", *changes)
                yield RecipeRun({"model": model, "d": size}, f"{part}-vae", overrides, evaluation)
    elif part == "collapse":
        for size in (16, 64):
            for concentration, gradient, sees in WAYS:
                overrides = (
                    *plain,
                    "objective.beta=1.0",
                    *MODELS["sphere"],
                    f"model.latent_dims=[{size}]",
                    f'model.concentration="{concentration}"',
                    f"model.rescale={'true' if sees == '√m z' else 'false'}",
                )
                labels = {"d": size, "concentration": concentration, "gradient": gradient, "decoder_sees": sees}
                yield RecipeRun(labels, "digits-vae", overrides, evaluation)
    elif part == "products":
        for spheres in (1, 2, 4, 8, 20):
            overrides = (*plain, *MODELS["sphere"], "model.latent_dims=[40]", f"model.spheres={spheres}")
            yield RecipeRun({"spheres": spheres, "d": 40 // spheres}, "digits-vae", overrides, evaluation)
    else:
        for top in ("gaussian", "sphere"):
            yield RecipeRun({"top": top}, "digits-top-down", (*shared, f'model.top="{top}"'), evaluation)


def through_the_reflection(loc: Tensor, concentration: Tensor, sample_shape: Sequence[int] = ()) -> Tensor:
    """The package's draw with the customary gradient in μ, that of the reflection which carries e₁ to it."""
    first = torch.zeros_like(loc)
    first[..., 0] = 1
    z = sample_von_mises_fisher(first, concentration, sample_shape)
    return place_around(loc, z[..., 0], z[..., 1:].norm(dim=-1), torch.randn_like(z))


def with_gradient(part: str, task: RecipeRun, seed: int) -> dict[str, Any]:
    """`measure`, with the gradient in μ that the task's labels name."""
    if task.labels.get("gradient") != "reflection":
        return measure(task, seed)
    with mock.patch.object(von_mises_fisher, "sample_von_mises_fisher", through_the_reflection):
        return measure(task, seed)


if __name__ == "__main__":
    study("sphere_study", __doc__, SETTINGS, LABELS, tasks, with_gradient)
