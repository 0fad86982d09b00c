"""What deep hierarchies have beside other top-down models: sizes, drawing together, attention, a start that holds."""

import pytest
import torch

from hvae_ref.models import DeepTopDownVAE
from hvae_ref.models.nets.deep import sizes_of
from hvae_ref.nn.deep_blocks import CrossAttention, DeepBlock, SqueezeExcite

X = (1, 8, 8)


def build(levels=((1, 1), (2, 2), (4, 3)), seed=0, **options):
    torch.manual_seed(seed)
    return DeepTopDownVAE.convolutional(X, levels, latent_channels=2, hidden=8, **options)


def images(n=6, seed=1):
    return torch.randint(0, 2, (n, *X), generator=torch.Generator().manual_seed(seed)).float()


def test_levels_have_the_sizes_that_were_asked_for():
    model = build()
    assert [tuple(shape) for shape in model.shapes.values()] == [(2, 1, 1), *[(2, 2, 2)] * 2, *[(2, 4, 4)] * 3]
    assert sizes_of((1, 28, 28), ((1, 1), (14, 1))) == [(1, 1), (14, 14)]
    assert sizes_of((3, 6, 10), ((1, 1), (3, 2))) == [(1, 2), (3, 5), (3, 5)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"levels": ((4, 1), (1, 1))}, "levels: expected heights that grow"),
        ({"levels": ((3, 1),)}, "levels: expected heights among"),
        ({"levels": (4, 1)}, "levels: expected pairs"),
        ({"levels": "41"}, "levels: expected pairs"),
        ({"levels": ()}, "levels: expected pairs"),
        ({"levels": ((4, 0),)}, "levels: expected a whole number"),
        ({"norm": "layer"}, "norm: expected None or one of batch, group"),
        ({"posterior": "absolute"}, "posterior: expected one of relative, direct, ladder"),
        ({"inner": 0}, "inner"),
        ({"blocks": 0}, "blocks"),
    ],
)
def test_what_does_not_fit_is_refused(options, error):
    with pytest.raises(ValueError, match=error):
        build(**options)


def test_attention_for_a_level_that_is_not_there_is_refused():
    parts = dict(build().named_children())
    nets = {name: dict(part) if isinstance(part, torch.nn.ModuleDict) else part for name, part in parts.items()}
    with pytest.raises(ValueError, match="attention: expected levels among z5"):
        DeepTopDownVAE(
            X,
            **{name: nets[name] for name in ("side_path", "prior", "posterior", "descent", "path", "p_x_given_state")},
            attention={"z6": CrossAttention(8)},
        )


def moved_by(model, level):
    """The levels whose priors change when z of one level does, with the same noise in all others."""
    priors = []

    def walk(other):
        found = {}

        def source(name, p, _):
            found[name] = p.base_dist.loc + p.base_dist.scale
            z = p.base_dist.loc + 0.1
            return z + other if name == level else z

        model.ancestral_pass(source, 1)
        priors.append(found)

    with torch.no_grad():
        walk(0.0)
        walk(1.0)
    return {name for name in model.levels if not torch.equal(priors[0][name], priors[1][name])}


@pytest.mark.parametrize("together", [False, True])
def test_levels_drawn_together_do_not_see_each_other(together):
    model = build(together=together, zero_priors=False)
    # z6 | z5 z4 | z3 z2 z1, by size
    assert moved_by(model, "z6") == {"z5", "z4", "z3", "z2", "z1"}
    assert moved_by(model, "z5") == ({"z3", "z2", "z1"} if together else {"z4", "z3", "z2", "z1"})
    assert moved_by(model, "z3") == (set() if together else {"z2", "z1"})


def test_drawing_together_changes_no_net():
    alone, together = build(together=False), build(together=True)
    assert alone.state_dict().keys() == together.state_dict().keys()
    x = images()
    with torch.no_grad():
        p_alone, p_together = (model.eval().infer(x).p_x.base_dist.logits for model in (alone, together))
    assert p_alone.shape == p_together.shape and not torch.equal(p_alone, p_together)


def test_attention_starts_as_nothing_and_reads_all_coarser_states():
    attend = CrossAttention(8, heads=2)
    x, above = torch.randn(3, 8, 4, 4), [torch.randn(3, 8, 1, 1), torch.randn(3, 8, 2, 2)]
    assert torch.equal(attend(x, above), x) and torch.equal(attend(x, []), x)
    torch.nn.init.normal_(attend.last.weight)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        key_value = attend.key_value.weight.squeeze(-1), attend.key_value.bias
        reference.in_proj_weight.copy_(torch.cat([attend.query.weight.flatten(1), key_value[0]]))
        reference.in_proj_bias.copy_(torch.cat([attend.query.bias, key_value[1]]))
        reference.out_proj.weight.copy_(attend.last.weight.flatten(1))
        reference.out_proj.bias.copy_(attend.last.bias)
        memory = torch.cat([state.flatten(2) for state in above], 2).mT
        expected = reference(x.flatten(2).mT, memory, memory)[0].mT.unflatten(2, (4, 4))
        torch.testing.assert_close(attend(x, above), x + expected)


def test_squeeze_and_excite_weighs_channels_by_the_whole_map():
    squeeze, h = SqueezeExcite(8), torch.randn(2, 8, 3, 3)
    weights = squeeze(h) / h
    torch.testing.assert_close(weights, weights[..., :1, :1].expand_as(weights))
    torch.testing.assert_close(squeeze(h.flip(2, 3)), squeeze(h).flip(2, 3))


def test_a_block_starts_near_the_identity_in_a_deep_net():
    x = torch.randn(4, 8, 4, 4)
    torch.manual_seed(0)
    whole = DeepBlock(8, 4)(x) - x
    torch.manual_seed(0)
    small = DeepBlock(8, 4, scale=0.25)(x) - x
    torch.testing.assert_close(small, 0.25 * whole)


def test_priors_start_at_the_standard_normal_and_learn():
    model = build()
    with torch.no_grad():
        latents = model.infer(images()).latents
    for latent in latents.values():
        torch.testing.assert_close(latent.p.mean, torch.zeros_like(latent.p.mean))
        torch.testing.assert_close(latent.p.stddev, torch.ones_like(latent.p.stddev), rtol=0.01, atol=0)
    (-model.elbo(images()).value.mean()).backward()
    assert all(float(prior.net.net[-1].weight.grad.abs().max()) > 0 for prior in list(model.prior.values())[1:])


@pytest.mark.parametrize("norm", [None, "group", "batch"])
def test_thirty_levels_train_without_breaking_down(norm):
    torch.manual_seed(0)
    model = DeepTopDownVAE.convolutional(X, ((1, 5), (2, 10), (4, 15)), 2, 8, norm=norm)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    x, losses = images(32), []
    for _ in range(30):
        loss = -model.elbo(x).value.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(torch.isfinite(torch.tensor(losses))) and losses[-1] < losses[0]
