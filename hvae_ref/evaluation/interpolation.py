"""Walks between two images in one level of a hierarchy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hvae_ref.errors import whole_number
from hvae_ref.evaluation.conditions import on_spheres, spheres_of
from hvae_ref.nn.eval_mode import eval_mode

SAME_DIRECTION = 1e-4
"""Below this sine of the angle the spherical formula divides 0 by 0, and the straight line is equal to it."""


def _check_endpoints(a: Tensor, b: Tensor, steps: int) -> None:
    if a.shape != b.shape:
        raise ValueError(f"a, b: expected the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    for name, end in (("a", a), ("b", b)):
        if not end.is_floating_point():
            raise ValueError(f"{name}: expected floating-point values, between which there are others, got {end.dtype}")
    whole_number("steps", steps, least=2)


def linear(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Straight line (1 − t) a + t b with t = 0 … 1.

    Args:
        a: (..., d), start.
        b: (..., d), end.
        steps: points, both ends included.

    Returns:
        (steps, ..., d).

    Raises:
        ValueError: for different shapes, whole numbers, or fewer than two steps.
    """
    _check_endpoints(a, b, steps)
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device).view(-1, *(1,) * a.ndim)
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Arc [sin((1 − t) ω) a + sin(t ω) b] / sin ω, where ω is the angle between a and b.

    Points of a high-dimensional Gaussian lie near a sphere; the arc stays at their distance from the origin,
    where the straight line cuts through the thinly populated middle.

    Args:
        a: (..., d), start.
        b: (..., d), end.
        steps: points, both ends included.

    Returns:
        (steps, ..., d).

    Raises:
        ValueError: for different shapes, fewer than two steps, or opposite directions, between which no arc
            is the shortest.

    Reference:
        White (2016), Sampling Generative Networks, https://arxiv.org/abs/1609.04468
    """
    _check_endpoints(a, b, steps)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1).unsqueeze(-1)
    omega = torch.acos(cosine)
    sine = torch.sin(omega)
    if ((sine < SAME_DIRECTION) & (cosine < 0)).any():
        raise ValueError("a, b: expected directions that are not opposite; no single arc joins them")
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device).view(-1, *(1,) * a.ndim)
    safe = torch.where(sine < SAME_DIRECTION, torch.ones_like(sine), sine)
    arc = (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / safe
    return torch.where(sine < SAME_DIRECTION, linear(a, b, steps), arc)


OTHERS = ("prior", "posterior")
WALKS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {"linear": linear, "spherical": spherical}


def interpolate(
    model: nn.Module,
    x_a: Tensor,
    x_b: Tensor,
    level: str,
    steps: int = 9,
    others: str = "prior",
    walk: str | None = None,
    seed: int = 0,
    condition: Tensor | None = None,
    condition_b: Tensor | None = None,
) -> Tensor:
    """Mean images along a walk in one level, from the posterior mean of x_a to that of x_b.

    The other levels must come from somewhere. With `others="prior"` those below are drawn from the model given
    the walked level, and those above from their prior, which does not know it; with the same noise at every
    step, so that whatever changes comes from the walk. With
    `others="posterior"` they are held where x_a has them; where x depends on z1 alone, a walk in z2 then
    shows *nothing*, by construction.

    Args:
        model: with `levels`, `encode`, `sample_latents` and `decode`.
        x_a: (*shape) or (B, *shape), start.
        x_b: the same shape, end.
        level: name of the walked level, such as "z2".
        steps: images, both ends included.
        others: "prior" or "posterior".
        walk: "linear" or "spherical"; by default a straight line, and the arc for a level on a sphere, which no
            straight line stays on.
        seed: of all draws.
        condition: that of x_a, for a model of p(x|c); without a batch dimension where x_a has none, else (B, …) or
            (1, …). The whole walk is decoded under it, so that what changes comes from the walk and not from the
            condition.
        condition_b: the same shape, under which x_b is encoded; `condition` by default.

    Returns:
        (steps, *shape) or (steps, B, *shape), E[x|z] in grey levels, or E[x|z, c] in the unit of x.

    Raises:
        ValueError: for an unknown level, walk or source of the other levels, a straight walk on a sphere, images of
            different shapes, or `condition_b` without `condition`.
    """
    if condition is None and condition_b is not None:
        raise ValueError("condition: expected that of x_a beside condition_b, got None")
    single = x_a.shape == model.x_shape
    rows_a, rows_b = (x_a[None], x_b[None]) if single else (x_a, x_b)
    beside = {} if condition is None else {"condition": condition[None] if single else condition}
    beside_b = beside if condition_b is None else {"condition": condition_b[None] if single else condition_b}
    spheres = spheres_of(model)
    walk = walk or ("spherical" if level in spheres else "linear")
    for name, value, known in (
        ("level", level, model.levels),
        ("walk", walk, ("spherical",) if level in spheres else WALKS),
        ("others", others, OTHERS),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    _check_endpoints(x_a, x_b, steps)
    with eval_mode(model, seed):
        start = {name: q.mean for name, q in model.encode(rows_a, **beside).items()}
    with eval_mode(model, seed):
        end = model.encode(rows_b, **beside_b)[level].mean
    start |= {name: on_spheres(start[name]) for name in spheres}
    if level in spheres:
        path = spherical(on_spheres(start[level]), on_spheres(end), steps)
    else:
        path = WALKS[walk](start[level], end, steps)
    images = []
    for z in path:
        with eval_mode(model, seed):
            held = {**start, level: z} if others == "posterior" else {level: z}
            latents = model.sample_latents(len(z), fixed=held, **beside)
            images.append(model.decode(latents, **beside).mean)
    return torch.stack(images).view(steps, *x_a.shape)
