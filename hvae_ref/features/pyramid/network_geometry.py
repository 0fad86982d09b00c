"""Where a network's maps lie in its input: followed through paddings, strides and kernels, without computing any value.

The network runs once on tensors that have shapes and no content. Each convolution moves the centre of a position by
stride × (centre of its kernel − padding), each pooling likewise; what works at each position alone changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hvae_ref.features.pyramid.map_geometry import MapGeometry, tiles

aten = torch.ops.aten


class _Axis(NamedTuple):
    """One axis of a map: the pixel of position 0's centre, and pixels between two centres."""

    first: float
    stride: float

    def moved(self, steps: float, factor: float = 1.0) -> _Axis:
        """Centres `steps` positions further, and `factor` positions apart."""
        return _Axis(self.first + self.stride * steps, self.stride * factor)


_Grid = tuple[_Axis, _Axis]


def kernel_centre(weight: Tensor) -> tuple[float, float]:
    """The centre of a kernel (O, I, h, w), counted from its first tap: each tap weighs as the square of its weights.

    Of a kernel with random weights it is near the middle one, ((h − 1)/2, (w − 1)/2). Trained weights may lie on one
    side of it: those of a network that always was given even sizes, padded on one side, do.
    """
    energy = weight.detach().float().square().sum(1).double()
    whole = energy.sum((1, 2), keepdim=True)
    share = torch.where(whole > 0, energy / whole.clamp_min(1e-300), torch.tensor(1.0 / energy[0].numel()).to(energy))
    share = share.mean(0)
    rows, columns = (torch.arange(edge).to(share) for edge in share.shape)
    return float(share.sum(1) @ rows), float(share.sum(0) @ columns)


class _Followed(TorchDispatchMode):
    """Keeps the grid of each tensor while a network runs."""

    def __init__(self, image: Tensor, centres: Mapping[int, tuple[float, float]]) -> None:
        super().__init__()
        start = (_Axis(0.0, 1.0), _Axis(0.0, 1.0))
        self.centres = centres
        self.known: dict[int, tuple[Tensor, _Grid]] = {id(image): (image, start)}
        self.by_shape: dict[tuple[int, int], _Grid] = {tuple(image.shape[-2:]): start}

    def grid_of(self, tensor: Tensor) -> _Grid | None:
        """Of this tensor; of the last one with as many rows and columns where it was made by moving axes."""
        if id(tensor) in self.known:
            return self.known[id(tensor)][1]
        return self.by_shape.get(tuple(tensor.shape[-2:])) if tensor.ndim == 4 else None

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        if function.overloadpacket in _IN_PLACE:
            result = args[0]
        elif function.overloadpacket in _AT_EACH_POSITION:
            # Shapes alone are asked for: what torch does to find them takes a hundred times longer.
            like = torch.empty_like(args[0])
            result = (like, *[like.new_empty(0)] * 3)[: len(function._schema.returns)]
            result = result[0] if len(result) == 1 else result
        else:
            result = function(*args, **(kwargs or {}))
        rule = _RULES.get(function.overloadpacket)
        for out in tree_leaves(result):
            if not isinstance(out, Tensor) or out.ndim != 4:
                continue
            grid = self._moved(rule, args, out) if rule else self._kept(args, out)
            if grid is not None:
                self.known[id(out)] = (out, grid)
                self.by_shape[tuple(out.shape[-2:])] = grid
        return result

    def _moved(self, rule: Callable[..., _Grid], args: Sequence[Any], out: Tensor) -> _Grid | None:
        grid = self.grid_of(args[0])
        return None if grid is None else rule(self, grid, args, out)

    def _kept(self, args: Sequence[Any], out: Tensor) -> _Grid | None:
        """The mean of the grids of all arguments that have the result's rows and columns."""
        shape = out.shape[-2:]
        grids = [self.known[id(a)][1] for a in tree_leaves(args) if id(a) in self.known and a.shape[-2:] == shape]
        if not grids:
            return None
        down, right = ([grid[axis] for grid in grids] for axis in (0, 1))
        return tuple(
            _Axis(sum(a.first for a in axes) / len(axes), sum(a.stride for a in axes) / len(axes))
            for axes in (down, right)
        )


def _each(grid: _Grid, move: Callable[[int, _Axis], _Axis]) -> _Grid:
    return move(0, grid[0]), move(1, grid[1])


def _pair(value: Sequence[int], default: Sequence[int] = (0, 0)) -> tuple[int, int]:
    value = list(value) or list(default)
    return (value[0], value[-1])


def _conv(mode: _Followed, grid: _Grid, args: Sequence[Any], out: Tensor) -> _Grid:
    _, weight, _, stride, padding, dilation, transposed, *_ = args
    stride, padding, dilation = (_pair(value) for value in (stride, padding, dilation))
    centre = mode.centres.get(id(weight), tuple((edge - 1) / 2 for edge in weight.shape[-2:]))
    if transposed:
        return _each(grid, lambda d, a: a.moved((padding[d] - dilation[d] * centre[d]) / stride[d], 1 / stride[d]))
    return _each(grid, lambda d, a: a.moved(dilation[d] * centre[d] - padding[d], stride[d]))


def _pool(mode: _Followed, grid: _Grid, args: Sequence[Any], out: Tensor) -> _Grid:
    kernel = _pair(args[1])
    stride = _pair(args[2] if len(args) > 2 else [], kernel)
    padding = _pair(args[3]) if len(args) > 3 else (0, 0)
    return _each(grid, lambda d, a: a.moved((kernel[d] - 1) / 2 - padding[d], stride[d]))


def _padded(mode: _Followed, grid: _Grid, args: Sequence[Any], out: Tensor) -> _Grid:
    # Torch names the last axis first: (left, right, top, bottom).
    pads = [*args[1], 0, 0, 0, 0]
    return grid[0].moved(-pads[2]), grid[1].moved(-pads[0])


def _sliced(mode: _Followed, grid: _Grid, args: Sequence[Any], out: Tensor) -> _Grid:
    _, dim, start, _, step = [*args, *[0, None, None, 1][len(args) - 1 :]]
    if dim % 4 < 2:
        return grid
    start = start or 0
    start = start if start >= 0 else start + args[0].shape[dim]
    return _each(grid, lambda d, a: a.moved(start, step) if dim % 4 == d + 2 else a)


def _resized(mode: _Followed, grid: _Grid, args: Sequence[Any], out: Tensor) -> _Grid:
    ratios = [args[0].shape[d - 2] / out.shape[d - 2] for d in (0, 1)]
    return _each(grid, lambda d, a: a.moved((ratios[d] - 1) / 2, ratios[d]))


_AT_EACH_POSITION = {
    *(aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten.relu, aten.hardtanh, aten.silu),
    *(aten.hardswish, aten.gelu, aten.leaky_relu, aten.elu, aten.sigmoid, aten.tanh, aten.hardsigmoid),
}
_IN_PLACE = {aten.relu_, aten.hardtanh_, aten.silu_, aten.hardswish_, aten.leaky_relu_, aten.elu_}

_RULES: dict[Any, Callable[[_Followed, _Grid, Sequence[Any], Tensor], _Grid]] = {
    aten.convolution: _conv,
    **dict.fromkeys((aten.max_pool2d, aten.max_pool2d_with_indices, aten.avg_pool2d), _pool),
    **dict.fromkeys((aten.constant_pad_nd, aten.reflection_pad2d, aten.replication_pad2d), _padded),
    aten.slice: _sliced,
    **dict.fromkeys(
        (aten.upsample_nearest2d, aten.upsample_bilinear2d, aten.upsample_bicubic2d, aten._adaptive_avg_pool2d),
        _resized,
    ),
}


def network_geometry(net: nn.Module, size: Sequence[int], channels: int = 3) -> list[MapGeometry]:
    """Where the maps lie that a network makes of images.

    Kernels are followed through their weights, see `kernel_centre`; where branches meet, the mean of their centres
    counts. A map whose way is lost, as behind attention over tokens, counts as tiles of the image, which is what the
    positions of a patch embedding are.

    Args:
        net: called with images (1, channels, H, W), returns a list of maps (1, C, h, w).
        size: (H, W).
        channels: of the images.

    Raises:
        ValueError: for a network that returns no list of maps.
    """
    parts = [*net.named_parameters(), *net.named_buffers()]
    empty = {name: part.detach().to("meta") for name, part in parts}
    centres = {
        id(empty[name]): kernel_centre(part)
        for name, part in parts
        if part.ndim == 4 and max(part.shape[-2:]) > 1 and part.is_floating_point() and not part.is_meta
    }
    image = torch.empty(1, channels, *size, device="meta", dtype=next((p.dtype for _, p in parts), torch.float32))
    with torch.no_grad(), _Followed(image, centres) as followed:
        maps = functional_call(net, empty, (image,))
    found = []
    for f in maps:
        if not isinstance(f, Tensor) or f.ndim != 4:
            raise ValueError(f"net: expected a list of maps (1, C, h, w), got {getattr(f, 'shape', type(f).__name__)}")
        shape, grid = tuple(f.shape[-2:]), followed.grid_of(f)
        if grid is None:
            found.append(tiles(shape, size))
        else:
            down, right = grid
            found.append(MapGeometry(shape, tuple(size), (down.stride, right.stride), (down.first, right.first)))
    return found
