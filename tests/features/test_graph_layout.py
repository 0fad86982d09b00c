"""The graph is acyclic, holds the edges it says and no more, and costs what positions cost."""

import pytest
import torch

from hvae_ref.features.density.graph_layout import LEVEL, SPACE, graph_layout
from tests.features.graph_reference import edges_of

SHAPES = {"level1": (6, 8), "level2": (3, 4), "level3": (2, 2)}


def places_of(layout):
    """(level, row by row position) of each node."""
    return {node: (level, at) for level, nodes in layout.node_of.items() for at, node in enumerate(nodes.tolist())}


@pytest.mark.parametrize("colours", [1, 2, 4])
@pytest.mark.parametrize("shapes", [SHAPES, {"a": (1, 1)}, {"a": (7, 5), "b": (3, 3), "c": (4, 1)}, {"a": (2, 9)}])
def test_every_edge_goes_from_an_earlier_to_a_later_group(shapes, colours):
    layout = graph_layout(shapes, colours)
    sizes = [h * w for h, w in shapes.values()]
    assert layout.nodes == sum(sizes) == sum(len(group.positions) for group in layout.groups)
    assert sorted(places_of(layout)) == list(range(sum(sizes)))
    group_of = torch.full((layout.nodes,), -1)
    for number, group in enumerate(layout.groups):
        group_of[group.nodes] = number
        assert (layout.node_of[group.level][group.positions] == torch.arange(layout.nodes)[group.nodes]).all()
        assert layout.colour[group.nodes].unique().numel() == layout.rank[group.nodes].unique().numel() == 1
    source, target = layout.edge_index
    assert (group_of >= 0).all() and (group_of.diff() >= 0).all()
    assert (group_of[source] < group_of[target]).all()
    assert (layout.edge_index.mT.unique(dim=0).shape[0]) == layout.edge_index.shape[1]
    assert [group.level for group in layout.groups] == sorted(
        (group.level for group in layout.groups), key=list(shapes)[::-1].index
    )


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_edges_are_those_of_a_plain_loop(colours):
    layout, wanted = graph_layout(SHAPES, colours), edges_of(SHAPES, colours)
    levels = list(SHAPES)
    places, found = places_of(layout), {}
    for (source, target), kind in zip(layout.edge_index.mT.tolist(), layout.edge_type.tolist(), strict=True):
        ends = []
        for level, at in (places[source], places[target]):
            ends.append((level, at // SHAPES[level][1], at % SHAPES[level][1]))
        rank = len(levels) - 1 - levels.index(ends[1][0])
        relation = {SPACE: "space", LEVEL: "level"}[int(layout.relation[kind]) - 2 * rank]
        found[tuple(ends)] = (relation, *layout.offset[kind].tolist())
    assert found.keys() == wanted.keys()
    for ends, (kind, *offset) in wanted.items():
        assert found[ends][0] == kind and found[ends][1:] == pytest.approx(offset)


def test_two_colours_are_a_checkerboard_and_of_four_none_touch():
    board = graph_layout({"a": (5, 4)}, 2)
    colour = board.colour[board.node_of["a"]].view(5, 4)
    assert (colour == (torch.arange(5)[:, None] + torch.arange(4)) % 2).all()
    four = graph_layout({"a": (5, 4)}, 4)
    colour = four.colour[four.node_of["a"]].view(5, 4)
    assert [len(colour[i : i + 2, j : j + 2].unique()) for i in range(4) for j in range(3)] == [4] * 12
    heard = torch.bincount(four.edge_index[1], minlength=20)[four.node_of["a"]].view(5, 4)
    inner = {int(colour[i, j]): int(heard[i, j]) for i in (1, 2, 3) for j in (1, 2)}
    assert inner == {0: 0, 1: 4, 2: 4, 3: 8}


def test_places_reach_from_border_to_border():
    layout = graph_layout({"a": (4, 2)}, 2)
    place = layout.place[layout.node_of["a"]].view(4, 2, 2)
    assert place[..., 0].tolist() == [[-0.75] * 2, [-0.25] * 2, [0.25] * 2, [0.75] * 2]
    assert place[0, :, 1].tolist() == [-0.5, 0.5]


def test_edges_into_a_run_of_nodes():
    layout = graph_layout(SHAPES, 2)
    for start, stop in ((0, layout.nodes), (3, 17), (5, 5), (60, 64)):
        (source, target), kinds = layout.edges_into(start, stop)
        inside = (layout.edge_index[1] >= start) & (layout.edge_index[1] < stop)
        assert (source == layout.edge_index[0, inside]).all() and (kinds == layout.edge_type[inside]).all()
        assert (target + start == layout.edge_index[1, inside]).all()


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_edges_grow_with_positions_and_types_do_not(colours):
    counted = []
    for side in (16, 32, 64):
        layout = graph_layout({"level1": (side, side), "level2": (side // 2,) * 2, "level3": (side // 4,) * 2}, colours)
        counted.append((layout.nodes, layout.edge_index.shape[1], len(layout.offset)))
        assert counted[-1][1] <= 17 * counted[-1][0]
    (small, middle, large) = counted
    assert 3.9 < middle[1] / small[1] < 4.5 and 3.9 < large[1] / middle[1] < 4.3
    assert small[2] == middle[2] == large[2] < 100


def test_a_truncated_pyramid_is_the_beginning_of_the_whole_one():
    whole, coarse = graph_layout(SHAPES, 2), graph_layout({name: SHAPES[name] for name in ("level2", "level3")}, 2)
    edges = coarse.edge_index.shape[1]
    assert torch.equal(whole.edge_index[:, :edges], coarse.edge_index)
    assert torch.equal(whole.relation[whole.edge_type][:edges], coarse.relation[coarse.edge_type])
    assert torch.equal(whole.offset[whole.edge_type][:edges], coarse.offset[coarse.edge_type])
    assert torch.equal(whole.rank[: coarse.nodes], coarse.rank)


@pytest.mark.parametrize(
    ("shapes", "colours", "message"),
    [
        (SHAPES, 3, "colours: expected 1, 2 or 4, got 3"),
        ({}, 2, "shapes: expected at least one level"),
        ({"a": (0, 4)}, 2, r"each with at least one position, got {'a': \(0, 4\)}"),
    ],
)
def test_what_is_no_graph_is_named(shapes, colours, message):
    with pytest.raises(ValueError, match=message):
        graph_layout(shapes, colours)
