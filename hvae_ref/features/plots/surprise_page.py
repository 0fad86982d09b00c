"""A foreign patch that moves over a texture, and the surprise of each level: a live figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from hvae_ref.features.data.foreign_patches import matched
from hvae_ref.features.data.textures import crops
from hvae_ref.features.measures.texture_surprise import ALL, KEPT, SIDE, WHAT, TextureSurprise
from hvae_ref.viz.live.figure import LiveFigure, drawn
from hvae_ref.viz.live.weights import fingerprint, packed

FOREIGN = ("brick", "gravel", "grass")
SHOWN = {"brick": (26, 22, 10), "gravel": (26, 22, 10)}
"""Middle (across, down) and half the side of the squares in the picture, in pixels."""
CAPTION = (
    "A square of another texture in grass, with the brightness and contrast of what it covers, and how surprising "
    "each place is on two levels: in the leading components, which the mixtures know, and in those left out. "
    "Where scripts run, move the square yourself. The network is the first two stages of the chapter's, on 48 × "
    "48 pixels; the coarser levels are too heavy for a page."
)
ALT = (
    "Two rows, brick in grass and gravel in grass: the image with a square in it, and four maps of surprise. In "
    "the leading components of level 1 the face of the brick is bright, less surprising than the grass; in the "
    "components left out it is dark on both levels. The gravel shows little, most in those left out of level 2."
)


def live_surprise(found: TextureSurprise, name: str | None = None) -> LiveFigure:
    """A square of brick, gravel or other grass to move over a crop of grass, and four maps of surprise.

    Args:
        found: fitted to grass.
        name: what the site calls its data.
    """
    texture, others = images()
    figure, axes = plt.subplots(len(SHOWN), 5, figsize=(8.4, 3.6), layout="constrained")
    for row, (kind, (x, y, size)) in zip(axes, SHOWN.items(), strict=True):
        image = patched(texture, others[kind], x, y, size)
        row[0].imshow(image.numpy(), cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(f"{kind} in grass")
        surprise = found(image[None, None])
        for ax, (level, what) in zip(row[1:], panels(), strict=True):
            ax.imshow(surprise[what][level][0].numpy(), cmap="gray_r", vmin=-1.5, vmax=3.5, extent=(0, SIDE, SIDE, 0))
            ax.add_patch(plt.Rectangle((x - size, y - size), 2 * size, 2 * size, fill=False, color="#c04a00"))
            ax.set_title(f"{level},\n{what}")
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
    picture, size_of = drawn(figure)
    weights = whose(found)
    return LiveFigure("surprise", lambda: stored(found), picture, size_of, ALT, CAPTION, (), name, weights)


def panels() -> list[tuple[str, str]]:
    """Levels and kinds of components, in the order of the page."""
    return [(level, what) for level in ALL for what in WHAT]


def images() -> tuple[Tensor, dict[str, Tensor]]:
    """A test crop of grass (48, 48), and as large ones of `FOREIGN`."""
    return crops("grass", SIDE, 16, 5, "test")[7, 0], {name: crops(name, SIDE, 16, 6, "test")[7, 0] for name in FOREIGN}


def patched(texture: Tensor, foreign: Tensor, x: int, y: int, size: int) -> Tensor:
    """The texture (48, 48) with a square of another one, which has mean and standard deviation of what it covers."""
    inside = torch.zeros(texture.shape, dtype=torch.bool)
    inside[max(0, y - size) : y + size, max(0, x - size) : x + size] = True
    image = texture.clone()
    image[inside] = matched(foreign[inside][None], texture[inside][None])[0]
    return image


def blocks(found: TextureSurprise) -> Iterator[tuple[list[tuple[nn.Conv2d, nn.Module]], bool]]:
    """The convolutions of each block with the batch norms that follow them, and whether the block's input is added."""
    stem, norm, *rest = found.pyramid.stages[0]
    yield [(stem, norm)], False
    for group in (*rest, found.pyramid.stages[1]):
        for block in group:
            pairs = (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3"))
            if not hasattr(block, "conv_pwl"):
                pairs = (("conv_dw", "bn1"), ("conv_pw", "bn2"))
            yield [(getattr(block, conv), getattr(block, bn)) for conv, bn in pairs], block.has_skip


def whose(found: TextureSurprise) -> str:
    """Fingerprint of the numbers as they are read: what is computed from them may differ in a last digit elsewhere."""
    late = ("pyramid.stages.2.", "pyramid.stages.3.")
    return fingerprint({name: value for name, value in found.state_dict().items() if not name.startswith(late)})


def folded(found: TextureSurprise) -> dict[str, Tensor]:
    """What a page is given, in rows of float32, which are not rounded: convolutions, components and mixtures.

    A batch norm of fixed statistics is one factor and one shift for each channel, and goes into its convolution. The
    weights of a convolution lie by place in the kernel, then by output, then by input. Images are grey, so the three
    inputs of the first one are the same, and their weights are added.
    """
    state = {}
    for n, (layers, _) in enumerate(blocks(found)):
        for i, (conv, norm) in enumerate(layers):
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight = conv.weight if n else conv.weight.sum(1, keepdim=True)
            state[f"{n}.{i}.weight"] = (weight * factor[:, None, None, None]).permute(2, 3, 0, 1).flatten()
            state[f"{n}.{i}.bias"] = norm.bias - factor * norm.running_mean
    for level, part in found.reduction.components.items():
        mixture = found.mixture(level)
        state[f"{level}.mean"], state[f"{level}.matrix"] = part.mean, (part.directions / part.scale).T.flatten()
        state[f"{level}.weights"] = mixture.logits.log_softmax(-1)
        state[f"{level}.loc"], state[f"{level}.tril"] = mixture.loc.flatten(), mixture.scale_tril.flatten()
    return {name: value.detach() for name, value in state.items()}


def stored(found: TextureSurprise) -> dict[str, Any]:
    """What a page is given: numbers, how layers follow each other, where maps lie, and images as bytes."""
    table, texture, others = [], *images()
    for layers, skip in blocks(found):
        convs = [(conv, isinstance(norm.act, nn.ReLU6)) for conv, norm in layers]
        table.append({"layers": [layer(conv, relu) for conv, relu in convs], "skip": bool(skip)})
    ends = len(table) - len(found.pyramid.stages[1]) - 1, len(table) - 1
    geometry, normal = found.pyramid.geometry((SIDE, SIDE)), found.normal.tolist()
    levels = {
        level: {
            "after": ends[n],
            "channels": ALL[level],
            "kept": KEPT[level],
            "stride": geometry[level].stride[0],
            "offset": sum(geometry[level].first) / 2,
            "normal": [normal[n], normal[len(ALL) + n]],
        }
        for n, level in enumerate(ALL)
    }
    return packed(
        folded(found),
        weights=whose(found),
        side=SIDE,
        mean=float(found.pyramid.mean[0]),
        spread=float(found.pyramid.std[0]),
        blocks=table,
        levels=levels,
        texture=as_bytes(texture),
        foreign={name: as_bytes(image) for name, image in others.items()},
        error={"mean": 0.0, "largest": 0.0},
    )


def layer(conv: nn.Conv2d, relu: bool) -> dict[str, Any]:
    """One convolution in words."""
    kind = "depthwise" if conv.groups > 1 else "grey" if conv.in_channels == 3 else "full"
    sizes = {"inputs": 1 if kind == "grey" else conv.in_channels, "outputs": conv.out_channels}
    return {"kind": kind, **sizes, "kernel": conv.kernel_size[0], "stride": conv.stride[0], "relu": relu}


def as_bytes(image: Tensor) -> list[int]:
    """Grey levels 0 … 255 of an image in [0, 1], row by row."""
    return (255 * image).round().int().flatten().tolist()
