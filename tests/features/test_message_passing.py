"""Messages are what a plain loop says, and no node ever hears of itself or of what heard of it."""

import subprocess
import sys
from itertools import product

import pytest
import torch

from hvae_ref.features.density.graph_layout import graph_layout
from hvae_ref.features.density.message_passing import GraphContexts, MessageLayer, ValueEmbedding
from tests.features.graph_reference import contexts_of

DIMS = {"level1": 2, "level2": 3}
SHAPES = {"level1": (4, 8), "level2": (2, 4)}
WIDTH = 6


def random_contexts(layers=2, colours=2, dims=DIMS):
    contexts = GraphContexts(dims, WIDTH, layers, colours).double()
    with torch.no_grad():
        for parameter in contexts.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return contexts.requires_grad_(False)


def random_maps(n=2, dims=DIMS, shapes=SHAPES):
    return {level: torch.randn(n, dim, *shapes[level], dtype=torch.float64) for level, dim in dims.items()}


@pytest.mark.parametrize(("layers", "colours"), [(1, 2), (2, 2), (2, 4), (3, 1)])
def test_contexts_are_what_a_loop_over_edges_says(layers, colours):
    contexts, maps, layout = random_contexts(layers, colours), random_maps(), graph_layout(SHAPES, colours)
    found, wanted = contexts(layout, maps), contexts_of(contexts, maps, colours)
    assert len(found) == len(wanted)
    for (level, y, x), context in wanted.items():
        node = layout.node_of[level][y * SHAPES[level][1] + x]
        torch.testing.assert_close(found[node], context, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("colours", [1, 2, 4])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_context_depends_on_ancestors_as_far_as_layers_reach_and_on_nothing_else(layers, colours):
    contexts, layout = random_contexts(layers, colours), graph_layout(SHAPES, colours)
    maps = random_maps(1)
    for f in maps.values():
        f.requires_grad_()
    context = contexts(layout, maps)[:, 0]
    reached = torch.zeros(layout.nodes, layout.nodes, dtype=torch.bool)
    for i, c in product(range(layout.nodes), range(2)):
        # Two random directions of c_i: one alone could be blind to something by chance.
        direction = torch.randn(WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(c))
        gradients = torch.autograd.grad(context[i] @ direction, list(maps.values()), retain_graph=True)
        for (level, nodes), gradient in zip(((level, layout.node_of[level]) for level in maps), gradients, strict=True):
            assert gradient.shape == maps[level].shape
            reached[i, nodes] |= gradient[0].flatten(1).ne(0).any(0)
    parents = torch.zeros(layout.nodes, layout.nodes, dtype=torch.long)
    parents[layout.edge_index[1], layout.edge_index[0]] = 1
    within, ancestors = torch.eye(layout.nodes, dtype=torch.long), torch.zeros_like(parents)
    for _ in range(layers):
        within = (within @ parents).clamp_max(1)
        ancestors |= within
    assert torch.equal(reached, ancestors.bool())
    assert not reached.diagonal().any() and not reached.triu().any()


def test_edges_both_ways_would_let_a_node_hear_of_itself():
    """What the directed edges are for: the same nets on the graph with both directions know f_i."""
    contexts, layout = random_contexts(2), graph_layout(SHAPES, 2)
    maps = random_maps(1)
    f = maps["level1"].requires_grad_()
    rows = [maps[group.level].flatten(2)[..., group.positions].permute(2, 0, 1) for group in layout.groups]
    value = torch.cat([contexts.values[group.level](f) for group, f in zip(layout.groups, rows, strict=True)])
    both = torch.cat([layout.edge_index, layout.edge_index.flip(0)], 1)
    kinds = layout.edge_type.repeat(2)
    context = contexts.first(layout).unsqueeze(1)
    for layer in contexts.layers:
        context = layer(context, layer.sent(value, context), both, kinds, layer.gates(layout))
    at = int(layout.node_of["level1"][7])
    (gradient,) = torch.autograd.grad(context[at].sum(), f)
    assert gradient.flatten(2)[0, :, 7].abs().sum() > 0


@pytest.mark.parametrize("colours", [1, 2, 4])
def test_a_walk_over_groups_gives_the_contexts_of_one_pass(colours):
    contexts, maps, layout = random_contexts(2, colours), random_maps(3), graph_layout(SHAPES, colours)
    whole, walk = contexts(layout, maps), contexts.walk(layout, 3)
    for group in layout.groups:
        context = walk.enter(group)
        torch.testing.assert_close(context, whole[group.nodes], atol=1e-12, rtol=1e-12)
        walk.leave(group, maps[group.level].flatten(2)[..., group.positions].mT)


def test_chunks_do_not_change_contexts(monkeypatch):
    from hvae_ref.features.density import message_passing

    contexts, maps, layout = random_contexts(), random_maps(), graph_layout(SHAPES, 2)
    whole, sizes, plain = contexts(layout, maps), [], MessageLayer.forward

    def counted(self, context, *rest):
        sizes.append(len(context))
        return plain(self, context, *rest)

    monkeypatch.setattr(MessageLayer, "forward", counted)
    for bound, least in ((1, 2 * layout.nodes), (500, 6), (10**9, 2)):
        monkeypatch.setattr(message_passing, "NUMBERS_AT_ONCE", bound)
        sizes.clear()
        torch.testing.assert_close(contexts(layout, maps), whole, atol=1e-12, rtol=1e-12)
        assert len(sizes) >= least and sum(sizes) == 2 * layout.nodes


def test_what_a_picture_hears_does_not_depend_on_the_others_in_its_batch():
    contexts, maps, layout = random_contexts(), random_maps(3), graph_layout(SHAPES, 2)
    alone = contexts(layout, {level: f[1:2] for level, f in maps.items()})
    torch.testing.assert_close(contexts(layout, maps)[:, 1:2], alone, atol=1e-12, rtol=1e-12)


def test_values_start_on_a_common_scale_and_constant_coordinates_stay_finite():
    embedding = ValueEmbedding(2, WIDTH)
    rows = torch.stack([100 + 5 * torch.randn(500), torch.full((500,), 7.0)], 1)
    embedding.init_from_rows(rows, 1e-3)
    assert embedding.shift.tolist() == pytest.approx(rows.mean(0).tolist())
    assert embedding.scale.tolist() == pytest.approx([rows[:, 0].std(correction=0).item(), 1.0])
    assert embedding(rows).isfinite().all() and embedding(rows).abs().max() < 50


def test_a_graph_needs_no_compiled_extension_and_others_do_not_pay_for_it():
    code = (
        "import sys, hvae_ref.features as features; assert 'torch_geometric' not in sys.modules; "
        "features.SpatialGraphDensity({'a': 1}, 1); assert 'torch_geometric' in sys.modules; "
        "print(sorted({'torch_scatter', 'torch_sparse', 'pyg_lib', 'torch_cluster'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
