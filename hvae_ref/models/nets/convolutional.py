"""The nets of a convolutional top-down model: maps at the lower levels, and vectors above them if wanted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from hvae_ref.errors import whole_number
from hvae_ref.models.base import Shape
from hvae_ref.models.nets import dense
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.convolutions import BottleneckBlock, Enlarge, halved, shrink
from hvae_ref.nn.heads import ConditionalNormal, LadderPosterior, RelativePosterior, StandardNormal
from hvae_ref.nn.layers import Joined, mlp
from hvae_ref.nn.likelihoods import ConditionalLikelihood, Likelihood, check_likelihood, event_shape

Size = tuple[int, ...]
"""(H, W) of a map, () of a vector."""

VECTOR_STATE = 4
"""A state that is a vector has this many times the channels of one that is a map."""


def convolutional_nets(
    x_shape: Sequence[int],
    latent_shapes: Sequence[Shape],
    hidden: int,
    blocks: int,
    posterior: str,
    likelihood: Likelihood,
    condition: Condition | None,
) -> dict[str, Any]:
    """Arguments of `TopDownModel`; arguments as in `TopDownVAE.convolutional`.

    Raises:
        ValueError: for shapes that halving does not lead to, or sizes below 1.
    """
    if isinstance(latent_shapes, str) or not isinstance(latent_shapes, Iterable):
        raise ValueError(f"latent_shapes: expected a sequence of shapes such as ((4, 7, 7), 16), got {latent_shapes!r}")
    given, blocks = (latent_shapes, hidden), whole_number("blocks", blocks, least=0)
    try:
        shapes = [tuple(event_shape(shape)) for shape in latent_shapes]
        hidden = dense.check_width("hidden", hidden)
    except ValueError:
        shapes = []
    check_likelihood(likelihood)
    x_shape = event_shape(x_shape)
    if len(x_shape) != 3:
        raise ValueError(f"x_shape: expected (channels, height, width), got {tuple(x_shape)}")
    if posterior not in ("relative", "ladder"):
        raise ValueError(f"posterior: expected 'relative' or 'ladder', got {posterior!r}")
    if not shapes:
        raise ValueError(f"latent_shapes, hidden: expected sizes of at least 1, got {given[0]!r} and {given[1]!r}")
    if wrong := [shape for shape in shapes if len(shape) not in (1, 3)]:
        raise ValueError(f"latent_shapes: expected (channels, height, width) or the size of a vector, got {wrong[0]}")
    sizes = [tuple(x_shape[1:]), *(shape[1:] for shape in shapes)]
    c = dense.size_of(condition)
    nets: dict[str, dict[str, nn.Module]] = {key: {} for key in ("side_path", "prior", "posterior", "descent", "path")}
    for number, shape in enumerate(shapes, 1):
        level, below, size, top = f"z{number}", sizes[number - 1], sizes[number], number == len(shapes)
        width = state_width(size, hidden)
        up = upwards(below, size, x_shape[0] + c if number == 1 else state_width(below, hidden), hidden, blocks)
        nets["side_path"][level] = Joined(up) if number == 1 and c else up
        if not top:
            nets["path"][level] = downwards(sizes[number + 1], size, hidden, blocks)
            nets["prior"][level] = ConditionalNormal(Joined(head_net(width + c, 2 * shape[0], size)))
        if posterior == "relative":
            net = Joined(head_net(width if top else 2 * width, 2 * shape[0], size))
            nets["posterior"][level] = RelativePosterior(net, sees_state=True)
        else:
            nets["posterior"][level] = LadderPosterior(ConditionalNormal(head_net(width, 2 * shape[0], size)))
        nets["descent"][level] = nn.Conv2d(shape[0], width, 1) if size else nn.Linear(shape[0], width)
    nets["prior"][f"z{len(shapes)}"] = StandardNormal(shapes[-1])
    pixels = to_pixels(sizes[1], sizes[0], hidden, blocks, c, x_shape[0] * likelihood.outputs)
    return {**nets, "p_x_given_state": ConditionalLikelihood(Joined(pixels) if c else pixels, likelihood)}


def steps(fine: Size, coarse: Size) -> list[Size]:
    """The sizes that halving (rounded up) goes through from `fine` to `coarse`, both included; () is a vector.

    Raises:
        ValueError: where halving does not lead there.

    >>> steps((28, 28), (4, 4))
    [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    way = [tuple(fine)]
    while way[-1] != tuple(coarse):
        if not way[-1] or not coarse:
            way.append(())
        else:
            way.append(halved(way[-1]))
        if way[-1] != tuple(coarse) and (not way[-1] or way[-1] < tuple(coarse) or way[-1] == way[-2]):
            raise ValueError(f"latent_shapes: expected sizes that halving {fine} (rounding up) leads to, got {coarse}")
    return way


def upwards(fine: Size, coarse: Size, channels: int, hidden: int, blocks: int) -> nn.Sequential:
    """From features at one size to features at a coarser one, or to a vector; residual blocks at the last size."""
    if not coarse:
        flat = [nn.SiLU(), nn.Flatten(), nn.Linear(channels * math.prod(fine), state_width((), hidden))] if fine else []
        return nn.Sequential(*flat, nn.SiLU(), nn.Linear(state_width((), hidden), state_width((), hidden)))
    factor = 2 ** (len(steps(fine, coarse)) - 1)
    first = [shrink(channels, hidden, factor)] if factor > 1 or channels != hidden else []
    return nn.Sequential(*first, *(BottleneckBlock(hidden) for _ in range(blocks)))


def downwards(coarse: Size, fine: Size, hidden: int, blocks: int) -> nn.Sequential:
    """From a state at one size, or a vector, to one at a finer size; residual blocks at the last size."""
    factor, width = 2 ** (len(steps(fine, coarse)) - 1), state_width((), hidden)
    if not fine:
        return nn.Sequential(nn.SiLU(), nn.Linear(width, width))
    if not coarse:
        first = [nn.SiLU(), nn.Linear(width, hidden * math.prod(fine)), nn.Unflatten(1, (hidden, *fine))]
    else:
        first = [nn.SiLU(), Enlarge(hidden, hidden, factor, fine)] if factor > 1 else []
    return nn.Sequential(*first, *(BottleneckBlock(hidden) for _ in range(blocks)))


def to_pixels(coarse: Size, fine: Size, hidden: int, blocks: int, more: int, outputs: int) -> nn.Sequential:
    """From the last state (and `more` channels of a condition) to a net's output at x's size."""
    width = state_width(coarse, hidden)
    layers: list[nn.Module] = []
    if more:
        layers.append(nn.Conv2d(width + more, width, 1) if coarse else nn.Linear(width + more, width))
    if not coarse:
        layers.append(downwards(coarse, fine, hidden, blocks))
    else:
        layers += [BottleneckBlock(hidden) for _ in range(blocks)]
    factor = 2 ** (len(steps(fine, coarse)) - 1) if coarse else 1
    layers += [nn.SiLU(), nn.Conv2d(hidden, 2 * hidden, 3, padding=1), nn.SiLU()]
    return nn.Sequential(*layers, Enlarge(2 * hidden, outputs, factor, fine, kernel=3))


def state_width(size: Size, hidden: int) -> int:
    """Channels of a map, features of a vector."""
    return hidden if size else VECTOR_STATE * hidden


def head_net(inputs: int, outputs: int, size: Size) -> nn.Sequential:
    """The last layers before a distribution: a 1×1 and a 3×3 convolution on maps, two linear layers on vectors."""
    if not size:
        return mlp([inputs, inputs, outputs])
    inner = max(inputs // 2, 1)
    return nn.Sequential(nn.SiLU(), nn.Conv2d(inputs, inner, 1), nn.SiLU(), nn.Conv2d(inner, outputs, 3, padding=1))
