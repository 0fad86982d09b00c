"""Attention to a window of the neighbouring level: the right cells, the same numbers as a loop, nothing quadratic."""

import math

import numpy as np
import pytest
import torch

from hvae_ref.features.density.attention import LocalAttention, window


def cells_in_view(place, size, other):
    """The cells along an axis, and the own place, by looking at intervals: a twin of the integer arithmetic."""
    ratio = max(1, math.ceil(other / size))
    own = (place + 0.5) * other / size - 0.5
    first = math.floor(own - (ratio + 1) / 2 + 0.5 + 1e-9)
    return list(range(first, first + ratio + 2)), own


GRIDS = [((8, 8), (4, 4)), ((4, 4), (8, 8)), ((7, 5), (4, 3)), ((4, 3), (7, 5)), ((5, 5), (5, 5)), ((8, 2), (2, 1)),
         ((2, 1), (8, 2)), ((1, 1), (1, 1)), ((1, 1), (3, 7)), ((6, 9), (1, 1)), ((3, 4), (4, 3))]  # fmt: skip


@pytest.mark.parametrize(("shape", "neighbour"), GRIDS)
def test_a_window_holds_what_a_position_covers_and_a_ring_around_it(shape, neighbour):
    found = window(shape, neighbour, torch.arange(shape[0] * shape[1]))
    for position, (i, j) in enumerate(np.ndindex(*shape)):
        rows, y = cells_in_view(i, shape[0], neighbour[0])
        columns, x = cells_in_view(j, shape[1], neighbour[1])
        seen = found.inside[position]
        expected = [(a, b) for a in rows for b in columns]
        valid = [(0 <= a < neighbour[0]) and (0 <= b < neighbour[1]) for a, b in expected]
        assert seen.tolist() == valid
        assert found.index[position][seen].tolist() == [
            a * neighbour[1] + b for (a, b), ok in zip(expected, valid, strict=True) if ok
        ]
        unit = [max(1, neighbour[axis] / shape[axis]) for axis in range(2)]
        offsets = torch.tensor([[(a - y) / unit[0], (b - x) / unit[1]] for a, b in expected])
        torch.testing.assert_close(found.offset[position], offsets, atol=1e-5, rtol=0)
        # The cell that the centre lies in is in view, and everything covered is.
        assert found.nearest[position] in found.index[position][seen]
        covered = range(math.floor(i * neighbour[0] / shape[0] + 1e-9), math.ceil((i + 1) * neighbour[0] / shape[0]))
        if shape[0] % neighbour[0] == 0 or neighbour[0] % shape[0] == 0:
            assert set(covered) <= set(rows)


def test_parents_and_children_are_the_ones_meant():
    child = window((4, 4), (2, 2), torch.tensor([5]))  # row 1, column 1: in parent (0, 0)
    assert child.nearest.item() == 0
    parent = window((2, 2), (4, 4), torch.tensor([3]))  # row 1, column 1: children in rows and columns 2 and 3
    assert {10, 11, 14, 15} <= set(parent.index[0][parent.inside[0]].tolist())
    assert parent.index[0][parent.inside[0]].tolist() == [5, 6, 7, 9, 10, 11, 13, 14, 15]


def written_out(attention, neighbour, shape):
    """The same context for each position, in loops over examples, positions, heads and cells."""
    a, (_, _, rows, columns) = attention, neighbour.shape
    size = a.width // a.heads
    out = torch.zeros(len(neighbour), shape[0] * shape[1], a.width, dtype=neighbour.dtype)
    unit = [max(1, rows / shape[0]), max(1, columns / shape[1])]
    for b, i, j in np.ndindex(len(neighbour), *shape):
        cells_y, y = cells_in_view(i, shape[0], rows)
        cells_x, x = cells_in_view(j, shape[1], columns)
        near = (math.floor(y + 0.5 + 1e-9), math.floor(x + 0.5 + 1e-9))

        def token(r, c, b=b):
            return a.embed((neighbour[b, :, r, c] - a.shift) / a.scale)

        place = torch.tensor([(near[0] - y) / unit[0], (near[1] - x) / unit[1]], dtype=neighbour.dtype)
        h = token(*near) + a.place(place)
        cells = [(r, c) for r in cells_y for c in cells_x if 0 <= r < rows and 0 <= c < columns]
        seen = []
        for head in range(a.heads):
            part = slice(head * size, (head + 1) * size)
            scores = []
            for r, c in cells:
                dy, dx = (r - y) / unit[0], (c - x) / unit[1]
                quadratic = torch.tensor([dy, dx, dy * dy, dx * dx, dy * dx], dtype=neighbour.dtype)
                score = (a.query(h)[part] * a.keys(token(r, c))[part]).sum() / math.sqrt(size)
                scores.append(score + a.position[head] @ quadratic)
            weights = torch.stack(scores).softmax(0)
            seen.append(sum(w * a.values(token(r, c))[part] for w, (r, c) in zip(weights, cells, strict=True)))
        out[b, i * shape[1] + j] = a.block(h + a.join(torch.cat(seen)))
    return out


@pytest.mark.parametrize(
    ("shape", "neighbour"), [((4, 6), (2, 3)), ((2, 3), (4, 6)), ((3, 3), (2, 2)), ((1, 1), (1, 1))]
)
def test_it_is_what_the_loops_say(shape, neighbour):
    attention = LocalAttention(3, 8, 2).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_(std=0.5)
        attention.shift.normal_()
        attention.scale.uniform_(0.5, 2)
        f = torch.randn(2, 3, *neighbour).double()
        found = attention(attention.memory(f), shape, torch.arange(shape[0] * shape[1]))
        torch.testing.assert_close(found, written_out(attention, f, shape), atol=1e-6, rtol=0)


def test_positions_asked_for_alone_are_the_same():
    attention, f = LocalAttention(3, 8, 2), torch.randn(2, 3, 4, 4)
    memory, some = attention.memory(f), torch.tensor([40, 3, 3, 17])
    whole = attention(memory, (8, 8), torch.arange(64))
    torch.testing.assert_close(attention(memory, (8, 8), some), whole[:, some])


def test_only_cells_in_the_window_matter():
    attention = LocalAttention(2, 8, 2)
    f = torch.randn(1, 2, 8, 8, requires_grad=True)
    attention(attention.memory(f), (16, 16), torch.tensor([16 * 6 + 9])).sum().backward()
    touched = (f.grad[0].abs().sum(0) > 0).nonzero()
    assert touched.min(0).values.tolist() == [2, 3] and touched.max(0).values.tolist() == [4, 5]
    assert len(touched) == 9


def test_children_of_one_parent_are_told_apart():
    attention, f = LocalAttention(2, 8, 2), torch.randn(1, 2, 4, 4)
    h = attention(attention.memory(f), (8, 8), torch.arange(64)).unflatten(1, (8, 8))[0, 2:4, 2:4].flatten(0, 1)
    assert torch.pdist(h).min() > 1e-3


def test_every_parameter_gets_a_gradient():
    attention, f = LocalAttention(3, 8, 2), torch.randn(2, 3, 4, 4)
    out = attention(attention.memory(f), (8, 8), torch.arange(64))
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad.isfinite().all(), name
        # A constant added to all keys changes no weight.
        assert (parameter.grad.abs().sum() > 1e-6) == (name != "keys.bias"), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 8, 2), "dim: expected at least 1, got 0"),
        ((3, 8, 3), "width: expected a multiple of heads = 3"),
        ((3, 8, 0), "width: expected a multiple of heads = 0"),
        ((3, 0, 1), "width: expected a multiple"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention(*arguments)
