"""What live figures ask of a dense top-down model with two levels: its numbers for a page, and images by PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from hvae_ref.data import Dataset
from hvae_ref.nn import LogisticMixture, RelativePosterior, eval_mode
from hvae_ref.viz.live.figure import LiveFigure, drawn
from hvae_ref.viz.live.weights import dequantised, fingerprint, packed

NEEDS = ("top_down",)
"""The script that computes what such a model computes."""
NORMS = ("side_path.z1.1.norm", "side_path.z2.norm", "descent.z2.1.norm", "descent.z1.1.norm", "p_x_given_state.net.0")
LINEAR = (
    "side_path.z1.0.0",
    *(f"{block}.net.{n}" for block in ("side_path.z1.1", "side_path.z2") for n in (0, 3)),
    *(f"{head}.net.{n}" for head in ("prior.z1", "posterior.z2", "posterior.z1") for n in (0, 2)),
    *(f"descent.{level}.{n}" for level in ("z2", "z1") for n in ("0", "1.net.0", "1.net.3")),
    *(f"p_x_given_state.net.1.{n}" for n in (0, 2)),
)
TENSORS = {f"{name}.{part}" for name in (*NORMS, *LINEAR) for part in ("weight", "bias")}
"""What `top_down.js` reads: the state of `TopDownVAE.dense(64, (D2, D1), hidden, LogisticMixture(V))`."""


def check_top_down(model: nn.Module, data: Dataset) -> None:
    """Refuse a model that `top_down.js` would compute wrongly, or data without ten classes.

    Raises:
        ValueError: for other arrows than those of `TopDownVAE.dense` with two levels, the residual path, relative
            posteriors and a mixture of logistics, or data that the model does not take.
    """
    likelihood = getattr(model, "likelihood", None)
    posteriors = getattr(model, "posterior", {})
    usual = isinstance(likelihood, LogisticMixture) and getattr(model, "residual", False)
    usual = usual and all(isinstance(q, RelativePosterior) and not q.sees_state for q in posteriors.values())
    if not usual or set(model.state_dict()) != TENSORS:
        raise ValueError(
            "model: expected TopDownVAE.dense(…) with two levels, the residual path, relative posteriors and "
            f"LogisticMixture(V), got {type(model).__name__} with {likelihood!r}"
        )
    side = round(data.x[0].numel() ** 0.5)
    if tuple(data.x.shape[1:]) != tuple(model.x_shape) or side**2 != data.x[0].numel():
        raise ValueError(f"data: expected square images of shape {tuple(model.x_shape)}, got {tuple(data.x.shape[1:])}")
    if missing := sorted(set(range(10)) - set(data.y.tolist())):
        raise ValueError(f"data: expected images of all ten digits, got none of {missing}")


def stored_top_down(model: nn.Module, data: Dataset) -> dict[str, Any]:
    """What a page is given: weights, images in a plane of z2, ten to start from, the error of rounding."""
    check_top_down(model, data)
    return packed(
        model.state_dict(),
        levels=list(model.levels),
        values=model.likelihood.num_values,
        components=model.likelihood.components,
        images=[[int(value) for value in data.x[index].flatten()] for index in one_of_each(data)],
        **plane(model, data),
        means=means(model, data),
        error=rounding_error(model, given(model, data)),
    )


def top_down_figure(kind: str, model: nn.Module, data: Dataset, still: Figure, alt: str, caption: str) -> LiveFigure:
    """The live figure of a kind that shows such a model, with its still picture."""
    picture, size = drawn(still)
    weights = fingerprint(model.state_dict())
    return LiveFigure(kind, lambda: stored_top_down(model, data), picture, size, alt, caption, NEEDS, weights=weights)


def given(model: nn.Module, data: Dataset) -> Tensor:
    """The images of the data (N, …), where the model's parameters are and of their type."""
    return data.x.to(next(model.parameters()))


def rounding_error(model: nn.Module, x: Tensor) -> dict[str, float]:
    """By how many nats rounding the weights moves the bound of x at the same noise: on average, and at most."""
    coarse = copy.deepcopy(model)
    coarse.load_state_dict(dequantised(model.state_dict()))
    bounds = []
    for one in (model, coarse):
        with eval_mode(one, 0):
            bounds.append(one.elbo(x).value)
    difference = bounds[0] - bounds[1]
    return {"mean": float(difference.mean()), "largest": float(difference.abs().max())}


def means(model: nn.Module, data: Dataset) -> dict[str, Any]:
    """Over all images, at the posterior means: the KL of z2 and of z1, and log p(x|z), in nats."""
    x = given(model, data)
    with eval_mode(model, 0):
        seen = inferred(model, x)
        log_px = seen["p_x"].log_prob(x)
    return {"kl": [float(seen["kl"][level].mean()) for level in ("z2", "z1")], "logProb": float(log_px.mean())}


def first_images(model: nn.Module, data: Dataset) -> Tensor:
    """The images (10, …) that a page is given: the first of each digit."""
    return given(model, data)[one_of_each(data)]


def one_of_each(data: Dataset) -> list[int]:
    """Index of the first image of each digit, 0 to 9."""
    return [int((data.y == digit).nonzero()[0]) for digit in range(10)]


def plane(model: nn.Module, data: Dataset) -> dict[str, Any]:
    """Where z2 of images lies: its mean, two principal directions of one standard deviation, the images."""
    with eval_mode(model, 0):
        z = model.infer(given(model, data)).latents["z2"].q.mean
    z = z.cpu().float()
    center = z.mean(0)
    _, spread, axes = torch.linalg.svd(z - center, full_matrices=False)
    scaled = axes[:2] * spread[:2, None] / len(z) ** 0.5
    places = (z - center) @ scaled.T / scaled.square().sum(1)
    points = [
        [round(float(a), 2), round(float(b), 2), int(digit)] for (a, b), digit in zip(places, data.y, strict=True)
    ]
    return {"center": center.tolist(), "axes": scaled.tolist(), "points": points}


def decoded(model: nn.Module, z2: Tensor, noise: Tensor | None = None, z1: Tensor | None = None) -> Tensor:
    """Mean grey levels (B, D), on the CPU, from z2 (B, D2) and z1 (B, D1), or from the noise of z1 ~ p(z1|z2)."""
    like = next(model.parameters())

    def source(level: str, p: Distribution, state: Tensor | None) -> Tensor:
        """The z that is given."""
        if level == "z2":
            return z2.to(like)
        return p.base_dist.loc + p.base_dist.scale * noise.to(like) if z1 is None else z1.to(like)

    return model.ancestral_pass(source, len(z2)).mean.flatten(1).cpu()


def side_path(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each level is told of x (B, …), by level."""
    h, _ = model.observe(x, None, next(model.parameters()))
    r: dict[str, Tensor] = {}
    for level, f in model.side_path.items():
        r[level] = h = f(h)
    return r


def inferred(model: nn.Module, x: Tensor, noise: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """What inference says of x (B, …) at the noise given (0 where there is none): every level, and p(x|z).

    Returns:
        "q", "p", "z" and "kl" (nats, (B,)), each by level, and "p_x".
    """
    r = side_path(model, x)
    found: dict[str, Any] = {"q": {}, "p": {}, "z": {}, "kl": {}}

    def source(level: str, p: Distribution, state: Tensor | None) -> Tensor:
        """The posterior at the noise given, and a note of all that is asked."""
        q = model.posterior[level](p, r[level], state)
        z = q.base_dist.loc if noise is None else q.base_dist.loc + q.base_dist.scale * noise[level].to(x)
        for key, value in {"q": q, "p": p, "z": z, "kl": kl_divergence(q, p)}.items():
            found[key][level] = value
        return z

    return {**found, "p_x": model.ancestral_pass(source, len(x))}
