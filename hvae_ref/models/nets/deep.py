"""The nets of a deep convolutional top-down model: any number of levels at each size, every part an option."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from hvae_ref.errors import whole_number
from hvae_ref.models.nets import dense
from hvae_ref.models.nets.convolutional import downwards, head_net, to_pixels, upwards
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.convolutions import halved
from hvae_ref.nn.deep_blocks import NORMS, CrossAttention, DeepBlock
from hvae_ref.nn.heads import ConditionalNormal, DirectPosterior, LadderPosterior, RelativePosterior, StandardNormal
from hvae_ref.nn.layers import Joined
from hvae_ref.nn.likelihoods import ConditionalLikelihood, Likelihood, check_likelihood, event_shape

POSTERIORS = ("relative", "direct", "ladder")

Size = tuple[int, int]
"""(H, W) of a map."""


def sizes_of(x_shape: Sequence[int], levels: Iterable[Sequence[int]]) -> list[Size]:
    """The size of each level's map, from the top down.

    Args:
        x_shape: (channels, height, width).
        levels: pairs (height, how many levels), from the top down.

    Raises:
        ValueError: for what is no such pair, or a height that halving that of x (rounding up) does not lead to.

    >>> sizes_of((1, 28, 28), [(1, 1), (4, 2), (7, 1)])
    [(1, 1), (4, 4), (4, 4), (7, 7)]
    """
    way: list[Size] = [tuple(event_shape(x_shape)[1:])]
    while way[-1] != (1, 1):
        way.append(halved(way[-1]))
    heights = {size[0]: size for size in reversed(way)}
    if isinstance(levels, str) or not isinstance(levels, Iterable) or not (levels := list(levels)):
        raise ValueError(f"levels: expected pairs (height, how many) such as ((1, 1), (7, 4)), got {levels!r}")
    sizes: list[Size] = []
    for pair in levels:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"levels: expected pairs (height, how many) such as ((1, 1), (7, 4)), got {pair!r}")
        height, many = (whole_number("levels", number) for number in pair)
        if height not in heights:
            raise ValueError(f"levels: expected heights among {', '.join(map(str, heights))}, got {height}")
        sizes += [heights[height]] * many
    if any(below[0] < above[0] for above, below in pairwise(sizes)):
        raise ValueError(
            f"levels: expected heights that grow from the top down, got {[tuple(pair) for pair in levels]}"
        )
    return sizes


def deep_nets(
    x_shape: Sequence[int],
    levels: Iterable[Sequence[int]],
    latent_channels: int,
    hidden: int,
    inner: int | None,
    blocks: int,
    posterior: str,
    depth_scale: bool,
    zero_priors: bool,
    norm: str | None,
    squeeze_excite: bool,
    attention: bool,
    likelihood: Likelihood,
    condition: Condition | None,
) -> dict[str, Any]:
    """Arguments of `DeepTopDownVAE`; arguments as in `DeepTopDownVAE.convolutional`.

    Raises:
        ValueError: for sizes that halving does not lead to, an unknown name, or numbers below 1.
    """
    check_likelihood(likelihood)
    if len(event_shape(x_shape)) != 3:
        raise ValueError(f"x_shape: expected (channels, height, width), got {x_shape!r}")
    if posterior not in POSTERIORS:
        raise ValueError(f"posterior: expected one of {', '.join(POSTERIORS)}, got {posterior!r}")
    if norm not in (None, *NORMS):
        raise ValueError(f"norm: expected None or one of {', '.join(NORMS)}, got {norm!r}")
    hidden, channels = dense.check_width("hidden", hidden), whole_number("latent_channels", latent_channels)
    inner = max(hidden // 2, 1) if inner is None else dense.check_width("inner", inner)
    sizes, blocks = sizes_of(x_shape, levels), whole_number("blocks", blocks)
    scale = (len(sizes) * blocks) ** -0.5 if depth_scale else 1.0

    def stack(size: Size) -> list[nn.Module]:
        kernel = 1 if size == (1, 1) else 3
        return [DeepBlock(hidden, inner, scale, norm, squeeze_excite, kernel) for _ in range(blocks)]

    full, c = tuple(event_shape(x_shape)[1:]), dense.size_of(condition)
    nets: dict[str, dict[str, nn.Module]] = {
        key: {} for key in ("side_path", "prior", "posterior", "descent", "path", "attention")
    }
    for index, size in enumerate(sizes):  # from the top down
        level, top = f"z{len(sizes) - index}", index == 0
        fine = sizes[index + 1] if index + 1 < len(sizes) else full
        first = index + 1 == len(sizes)
        before = [] if first or fine == size else [nn.SiLU()]  # x itself comes as it is
        up = [*before, *upwards(fine, size, x_shape[0] + c if first else hidden, hidden, 0), *stack(size)]
        nets["side_path"][level] = Joined(nn.Sequential(*up)) if first and c else nn.Sequential(*up)
        nets["descent"][level] = nn.Conv2d(channels, hidden, 1)
        nets["posterior"][level] = _posterior(posterior, hidden, channels, size, top)
        if not top:
            nets["path"][level] = nn.Sequential(*downwards(sizes[index - 1], size, hidden, 0), *stack(size))
            head = head_net(hidden + c, 2 * channels, size)
            if zero_priors:
                for parameter in head[-1].parameters():
                    nn.init.zeros_(parameter)
            nets["prior"][level] = ConditionalNormal(Joined(head))
            if attention and size != sizes[0]:
                nets["attention"][level] = CrossAttention(hidden, heads=4 if hidden % 4 == 0 else 1)
    nets["prior"][f"z{len(sizes)}"] = StandardNormal((channels, *sizes[0]))
    joint = [nn.Conv2d(hidden + c, hidden, 1)] if c else []
    layers = to_pixels(sizes[-1], full, hidden, 0, 0, x_shape[0] * likelihood.outputs)
    pixels = nn.Sequential(*joint, *stack(sizes[-1]), *layers)
    return {**nets, "p_x_given_state": ConditionalLikelihood(Joined(pixels) if c else pixels, likelihood)}


def _posterior(kind: str, hidden: int, channels: int, size: Size, top: bool) -> nn.Module:
    if kind == "ladder":
        return LadderPosterior(ConditionalNormal(head_net(hidden, 2 * channels, size)))
    net = Joined(head_net(hidden if top else 2 * hidden, 2 * channels, size))
    return RelativePosterior(net, True) if kind == "relative" else DirectPosterior(ConditionalNormal(net), True)
