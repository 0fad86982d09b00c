"""DependencyGraph found by gradients are the arrows the models were written with."""

import pytest
import torch

from hvae_ref import viz
from hvae_ref.evaluation import dependency_graph
from hvae_ref.evaluation.dependency_graph import DependencyGraph
from hvae_ref.models import VAE, BottomUpVAE, LadderVAE, TopDownVAE, TwoLevelVAE
from hvae_ref.nn import Covariates

CHAIN = {("z2", "z1"), ("z1", "x")}
X = (torch.rand(6, 12, generator=torch.Generator().manual_seed(0)) < 0.5).float()


@pytest.mark.parametrize(
    ("model", "generative", "inference"),
    [
        (VAE.dense(12, (3,), hidden=(8,)), {("z1", "x")}, {("x", "z1")}),
        (TwoLevelVAE.dense(12, (3, 2), (8,), (8,)), CHAIN, {("x", "z1"), ("z1", "z2")}),
        (TwoLevelVAE.dense(12, (3, 2), (8,), (8,), z2_sees_x=True), CHAIN, {("x", "z1"), ("z1", "z2"), ("x", "z2")}),
        (LadderVAE.dense(12, (3, 2), hidden=8), CHAIN, {("x", "z2"), ("x", "z1"), ("z2", "z1")}),
        (TopDownVAE.dense(12, (3, 2), hidden=8, residual=False), CHAIN, {("x", "z2"), ("x", "z1"), ("z2", "z1")}),
        (TopDownVAE.dense(12, (3, 2), hidden=8), CHAIN | {("z2", "x")}, {("x", "z2"), ("x", "z1"), ("z2", "z1")}),
        (
            BottomUpVAE.dense(12, (4, 3, 2), hidden=8),
            CHAIN | {("z3", "z2")},
            {("x", "z1"), ("z1", "z2"), ("z2", "z3")},
        ),
        (
            TopDownVAE.dense(12, (4, 3, 2), hidden=8, residual=False),
            CHAIN | {("z3", "z2")},
            {("x", "z3"), ("x", "z2"), ("x", "z1"), ("z3", "z2"), ("z2", "z1")},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_arrows(model, generative, inference):
    found = dependency_graph(model, X)
    assert found.generative == generative
    assert found.inference == inference


def test_a_residual_path_joins_every_level_to_all_below():
    found = dependency_graph(TopDownVAE.dense(12, (4, 3, 2), hidden=8), X)
    below = ("z3", "z2", "z1", "x")
    everything = {(a, b) for i, a in enumerate(below) for b in below[i + 1 :]}
    assert found.generative == everything
    assert found.inference == {(a, b) for a, b in everything if b != "x"} | {("x", level) for level in below[:3]}


def test_a_condition_is_a_variable_too():
    model = TwoLevelVAE.dense(12, (3, 2), (8,), (8,), condition=Covariates(2))
    found = dependency_graph(model, X, torch.randn(6, 2))
    assert found.generative == CHAIN | {("c", "z1"), ("c", "x")}
    assert found.inference == {("x", "z1"), ("z1", "z2"), ("c", "z1"), ("c", "z2")}


def test_arrows_among_maps():
    model = TopDownVAE.convolutional((1, 4, 5), ((2, 2, 3), 3), 4)
    found = dependency_graph(model, torch.bernoulli(torch.full((6, 1, 4, 5), 0.5)))
    assert found.generative == CHAIN | {("z2", "x")}
    assert found.inference == {("x", "z2"), ("x", "z1"), ("z2", "z1")}


def test_looking_leaves_no_trace():
    model = TopDownVAE.dense(12, (3, 2), hidden=8)
    before = torch.get_rng_state()
    dependency_graph(model, X)
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and not X.requires_grad


def test_a_figure_has_a_panel_a_model_and_an_arrow_an_edge():
    models = {
        "two levels": TwoLevelVAE.dense(12, (3, 2), (8,), (8,)),
        "top-down": TopDownVAE.dense(12, (3, 2), hidden=8),
    }
    found = {name: dependency_graph(model, X) for name, model in models.items()}
    figure = viz.model_graphs(found)
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(found)
    for ax, one in zip(figure.axes, found.values(), strict=True):
        assert len(ax.patches) == len(one.generative) + len(one.inference)
    with pytest.raises(ValueError, match="models"):
        viz.model_graphs({})


def test_a_condition_stands_beside_the_levels():
    found = DependencyGraph(("z_global",), frozenset({("z_global", "x"), ("c", "x")}), frozenset({("x", "z_global")}))
    (ax,) = viz.model_graphs({"conditional": found}).axes
    assert len(ax.patches) == 3
    assert sorted(text.get_text() for text in ax.texts) == ["$z$", "$z$", "c", "p", "q", "x", "x"]  # one latent is z
