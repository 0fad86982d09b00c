"""Raise β, the price of a nat, and watch the pictures stop depending on x."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn
from torch.distributions import kl_divergence

from hvae_ref.data import Dataset
from hvae_ref.nn import Bernoulli, ConditionalNormal, StandardNormal, eval_mode
from hvae_ref.viz.live.figure import LiveFigure, drawn, put_image
from hvae_ref.viz.live.top_down import one_of_each
from hvae_ref.viz.live.weights import dequantised, fingerprint, packed

SHOWN = 5
CAPTION = (
    "One small model of chapter 1's kind, trained at six prices β of a nat (recipe digits-beta, one seed each). "
    "Each block of the picture belongs to one β: test images, their reconstructions from a draw of q(z|x), and "
    "images drawn from the prior. Where scripts run, move β yourself. The curve shows means over all test images."
)
ALT = (
    "Six blocks of small digit images, for β from 0.1 to 6. At 0.1 reconstructions resemble their images, a little "
    "blurred; they lose more as β grows, and at 6 all five are the same grey smudge, as are the draws from the prior."
)
ARROWS = ("q_z1_given_x.net", "p_x_given_z1.net")


def beta(models: Mapping[float, nn.Module], data: Dataset) -> LiveFigure:
    """A slider over models that were trained at rising β: reconstructions, draws, KL and distortion.

    Args:
        models: β to `VAE.dense(…)` with `Bernoulli()` pixels, from the least β to the greatest, two or more.
        data: square binary images of all ten digits.

    Raises:
        ValueError: for other models, or data that they do not take.
    """
    check(models, data)
    joined = joined_state(models)
    x = data.x[one_of_each(data)[:SHOWN]].flatten(1)
    generator = torch.Generator().manual_seed(0)
    latent = next(iter(models.values())).shapes["z1"][0]
    noise, prior = (torch.randn(SHOWN, latent, generator=generator) for _ in range(2))
    columns = 3
    rows = -(-len(models) // columns)
    figure = plt.figure(figsize=(7.4, 1.95 * rows), layout="constrained")
    for block, (price, model) in zip(figure.subfigures(rows, columns).flat, models.items(), strict=False):
        lines = [x, reconstructed(model, x, noise)["image"], images(model, prior)]
        for name, line, row in zip(("x", "rebuilt", "prior"), lines, block.subplots(3, SHOWN), strict=True):
            row[0].set_ylabel(name, fontsize=7.5, rotation=0, ha="right", va="center")
            for image, panel in zip(line, row, strict=True):
                put_image(panel, image, 1)
        block.suptitle(f"β = {price:g}", fontsize=9)
    picture, size = drawn(figure)
    weights = fingerprint(joined)
    return LiveFigure("beta", lambda: stored(models, data), picture, size, ALT, CAPTION, ("chart",), weights=weights)


def check(models: Mapping[float, nn.Module], data: Dataset) -> None:
    """Refuse models that the page would compute wrongly, and data that they do not take.

    Raises:
        ValueError: for fewer than two models, a β out of order, other nets or pixels, or other data.
    """
    if len(models) < 2 or list(models) != sorted(models):
        raise ValueError(f"models: expected two or more, from the least β to the greatest, got β = {list(models)}")
    for price, model in models.items():
        names = {f"{arrow}.{place}.{part}" for arrow in ARROWS for place in (0, 2) for part in ("weight", "bias")}
        usual = isinstance(getattr(model, "likelihood", None), Bernoulli) and isinstance(model.p_z1, StandardNormal)
        usual = usual and isinstance(model.q_z1_given_x, ConditionalNormal)
        if not usual or set(model.state_dict()) != names:
            raise ValueError(
                f"models[{price:g}]: expected VAE.dense(D, hidden=(H,)) with Bernoulli() pixels, got "
                f"{type(model).__name__}"
            )
    side = round(data.x[0].numel() ** 0.5)
    if side**2 != data.x[0].numel() or any(data.x[0].numel() != model.x_shape.numel() for model in models.values()):
        raise ValueError(f"data: expected square images of the models' size, got {tuple(data.x.shape[1:])}")
    if missing := sorted(set(range(10)) - set(data.y.tolist())):
        raise ValueError(f"data: expected images of all ten digits, got none of {missing}")


def joined_state(models: Mapping[float, nn.Module]) -> dict[str, Tensor]:
    """Weights of all models, each name with the place of its model in front."""
    return {f"{i}.{key}": v for i, model in enumerate(models.values()) for key, v in model.state_dict().items()}


def stored(models: Mapping[float, nn.Module], data: Dataset) -> dict[str, Any]:
    """What a page is given: weights, images to show, and means over the data by the models as the page has them."""
    check(models, data)
    curve, differences = [], []
    for price, model in models.items():
        noise = torch.randn(len(data), model.shapes["z1"][0], generator=torch.Generator().manual_seed(0))
        exact, found = (reconstructed(one, data.x, noise) for one in (model, as_a_page_has_it(model)))
        curve.append([float(price), float(found["kl"].mean()), -float(found["log_px"].mean())])
        differences.append(exact["log_px"] - exact["kl"] - found["log_px"] + found["kl"])
    difference = torch.cat(differences)
    return packed(
        joined_state(models),
        curve=curve,
        images=data.x[one_of_each(data)].flatten(1).int().tolist(),
        error={"mean": float(difference.mean()), "largest": float(difference.abs().max())},
    )


def as_a_page_has_it(model: nn.Module) -> nn.Module:
    """The same model with rounded weights."""
    coarse = copy.deepcopy(model)
    coarse.load_state_dict(dequantised(model.state_dict()))
    return coarse


def reconstructed(model: nn.Module, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """Images x (B, D) at the noise (B, d): "z", probabilities of ink "image", "kl" and "log_px" (B,) in nats."""
    x = x.to(next(model.parameters()))
    with eval_mode(model, 0):
        seen, _ = model.observe(x.view(-1, *model.x_shape), None, next(model.parameters()))
        q = model.q_z1_given_x(seen)
        z = q.base_dist.loc + q.base_dist.scale * noise
        p_x = model.p_x_given_z1(z)
        kl = kl_divergence(q, model.p_z1(len(x)))
        return {"z": z, "image": p_x.mean.flatten(1), "kl": kl, "log_px": p_x.log_prob(x.view(-1, *model.x_shape))}


def images(model: nn.Module, z: Tensor) -> Tensor:
    """Probabilities of ink (B, D) that the decoder gives at z (B, d)."""
    with eval_mode(model, 0):
        return model.decode({"z1": z}).mean.flatten(1)
