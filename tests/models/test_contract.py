"""The contract of every model, apart from the bounds: shapes, randomness, clamping, saving, gradients, devices."""

import copy

import pytest
import torch

from hvae_ref.elbo import Elbo, sampled_kl
from hvae_ref.models import BottomUpVAE, LadderVAE, TopDownVAE
from tests.models.conftest import latents, repeated


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two results are the same up to rounding; conversely, "not close" is a difference that is none of it."""
    return torch.allclose(a, b, rtol=1e-9, atol=1e-9)


def test_every_parameter_gets_a_finite_gradient(case) -> None:
    model, x = case.build(), case.data(16)
    (-model.elbo(x, **case.beside(16)).value.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


def test_shapes(case) -> None:
    model, batch = case.build(), 7
    x, beside, one = case.data(batch), case.beside(batch), case.beside(1)
    assert model.elbo(x[:1], **one).value.shape == (1,) and model.log_weight(x[:1], 3, **one).shape == (3, 1)
    assert model.reconstruct(x[:1], **one).shape == model.sample(1, **one).shape == (1, *case.x_shape)
    bound = model.elbo(x, **beside)
    assert isinstance(bound, Elbo) and bound.value.shape == bound.log_px.shape == (batch,)
    assert tuple(bound.kl) == model.levels == tuple(model.shapes) == tuple(model.dims) == tuple(model.priors)
    assert model.x_shape == case.x_shape and model.likelihood == case.likelihood
    assert model.log_weight(x, 3, **beside).shape == (3, batch)
    latent, p_x = model.infer(x, **beside)
    assert (p_x.batch_shape, p_x.event_shape) == ((batch,), case.x_shape)
    q = model.encode(x, **beside)
    assert tuple(q) == tuple(latent) == model.levels
    for level, shape in model.shapes.items():
        for distribution in (q[level], latent[level].q, latent[level].p):
            assert (distribution.batch_shape, distribution.event_shape) == ((batch,), shape)
        assert latent[level].z.shape == (batch, *shape) and model.dims[level] == shape.numel()
    assert model.reconstruct(x, **beside).shape == model.sample(batch, **beside).shape == (batch, *case.x_shape)
    z = model.sample_latents(batch, **beside)
    assert tuple(z) == model.levels and all(z[level].shape == (batch, *shape) for level, shape in model.shapes.items())
    assert model.decode(z, **beside).sample().shape == (batch, *case.x_shape)
    assert not model.sample(batch, **beside).requires_grad and not model.reconstruct(x, **beside).requires_grad


def test_samples_lie_in_the_support(net_case) -> None:
    model, beside = net_case.build(), net_case.beside(50)
    x = model.sample(50, **beside)
    assert net_case.likelihood.support.check(x).all() and torch.isfinite(model.elbo(x, **beside).value).all()
    assert len(x.unique(dim=0)) > 5
    mean = model.reconstruct(x, **beside)
    assert torch.isfinite(mean).all()
    assert net_case.values is None or ((mean >= 0) & (mean <= net_case.values - 1)).all()


def test_the_same_seed_gives_the_same_numbers(kind) -> None:
    model, x, three = kind.build(), kind.data(4), kind.beside(3)
    runs = []
    for seed in (9, 9, 10):
        torch.manual_seed(seed)
        beside = kind.beside(4)
        runs.append(
            (
                model.elbo(x, **beside).value,
                model.log_weight(x, 2, **beside),
                model.sample_latents(3, **three)[model.levels[0]],
                model.reconstruct(x, keep=(), **beside),
            )
        )
    for one, again, other in zip(*runs, strict=True):
        torch.testing.assert_close(one, again)
        assert not close(one, other)


def test_a_generator_is_all_that_samples_depend_on(kind) -> None:
    """Neither torch's own random state nor its use between two calls matters, and it is left as it was."""
    model, beside = kind.build(), kind.beside(4)
    for call in (model.sample, lambda n, **k: model.sample_latents(n, **k)["z1"]):
        drawn = []
        for seed, own in ((5, 0), (5, 1), (6, 0)):
            torch.manual_seed(own)
            state = torch.get_rng_state()
            generator = torch.Generator().manual_seed(seed)
            drawn.append((call(4, generator=generator, **beside), call(4, generator=generator, **beside)))
            assert torch.equal(torch.get_rng_state(), state)
        (first, second), (again, again_second), (other, _) = drawn
        torch.testing.assert_close(first, again)
        torch.testing.assert_close(second, again_second)
        assert not close(first, second) and not close(first, other), "a generator goes on, and its seed matters"


def test_a_saved_and_loaded_model_gives_the_same_numbers(kind, tmp_path) -> None:
    model, other, x, beside = kind.build(seed=1), kind.build(seed=2), kind.data(4), kind.beside(4)

    def numbers(m):
        torch.manual_seed(9)
        drawn = m.elbo(x, **beside).value, m.log_weight(x, 2, **beside), m.sample(4, **beside)
        return torch.cat([value.flatten() for value in drawn])

    expected = numbers(model)
    assert kind.kind == "linear-gaussian" or not close(expected, numbers(other))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    torch.testing.assert_close(numbers(other), expected)
    copied = copy.deepcopy(model)
    torch.testing.assert_close(numbers(copied), expected)
    # What a model has found out about itself is as good in a copy.
    z = {level: latents(model, level, 3).float().double() for level in model.levels}
    torch.testing.assert_close(
        copied.decode(z, **kind.beside(3)).mean.detach(), model.decode(z, **kind.beside(3)).mean.detach()
    )


def test_looking_at_a_model_changes_nothing(kind) -> None:
    model, x, beside = kind.build().eval(), kind.data(4), kind.beside(4)
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    assert model.shapes and model.dims
    assert torch.equal(torch.get_rng_state(), state)
    model.elbo(x, **beside), model.log_weight(x, 3, **beside), model.sample(4, **beside)
    model.reconstruct(x, **beside), model.encode(x, **beside)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module.training for module in model.modules())


def test_fixed_levels_are_kept_bit_for_bit(kind) -> None:
    model, beside = kind.build(), kind.beside(6)
    for level in model.levels:
        z = latents(model, level, 6)
        drawn = model.sample_latents(6, fixed={level: z}, **beside)
        assert torch.equal(drawn[level], z)
        one = model.sample_latents(6, fixed={level: z[:1]}, **beside)[level]
        assert torch.equal(one, z[:1].expand(6, *model.shapes[level]))
        again = model.sample_latents(6, fixed={level: z}, **beside)
        for other in set(model.levels) - {level}:
            assert not close(drawn[other], again[other])


def test_sampling_with_all_levels_fixed_is_sampling_from_decode(kind) -> None:
    model, beside = kind.build(), kind.beside(6)
    z = {level: latents(model, level, 6) for level in model.levels}
    torch.manual_seed(3)
    x = model.sample(6, fixed=z, **beside)
    torch.manual_seed(3)
    torch.testing.assert_close(x, model.decode(z, **beside).sample())


def test_temperature_zero_leaves_no_noise_in_the_latents(gaussian_kind) -> None:
    model, same = gaussian_kind.build(), repeated(gaussian_kind.beside(1), 4)
    a, b = (model.sample_latents(4, temperature=0.0, **same) for _ in range(2))
    for level, shape in model.shapes.items():
        torch.testing.assert_close(a[level], b[level], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(a[level], a[level][:1].expand(4, *shape), rtol=1e-12, atol=1e-12)
    assert (a[model.levels[0]] == 0).all()


def test_a_prior_without_a_scale_has_no_temperature(sphere_kind) -> None:
    model, beside = sphere_kind.build(), sphere_kind.beside(4)
    for call in (model.sample, model.sample_latents):
        with pytest.raises(ValueError, match="temperature: .* has no scale to multiply; expected 1.0, got 0.5"):
            call(4, temperature=0.5, **beside)
        call(4, temperature=1.0, **beside)


def test_temperature_scales_every_levels_spread(gaussian_kind) -> None:
    """Given the levels above, a level's standard deviation is multiplied by the temperature; its mean stays."""
    model, n = gaussian_kind.build(), 2000
    same = repeated(gaussian_kind.beside(1), n)
    above: dict[str, torch.Tensor] = {}
    for level in model.levels:
        cold = model.sample_latents(n, fixed=above, temperature=0.5, **same)[level]
        warm = model.sample_latents(n, fixed=above, **same)[level]
        ratio = cold.std(0) / warm.std(0)
        assert ((ratio - 0.5).abs() < 4.5 * 0.5 / n**0.5).all(), level
        assert ((cold.mean(0) - warm.mean(0)).abs() < 4.5 * (1.25 / n) ** 0.5 * warm.std(0)).all(), level
        above[level] = warm[:1]


@torch.no_grad()
def test_reconstructing_with_all_levels_is_decoding_the_posterior(kind) -> None:
    model, x, beside = kind.build(), kind.data(4), kind.beside(4)
    torch.manual_seed(3)
    expected = model.decode(model.infer(x, **beside).z, **beside).mean
    for keep in (None, model.levels, set(model.levels)):
        torch.manual_seed(3)
        torch.testing.assert_close(model.reconstruct(x, keep=keep, **beside), expected)


@torch.no_grad()
def test_levels_not_kept_come_from_the_prior_given_those_above(kind) -> None:
    """In expectation: keep=() forgets x altogether; keep=(top,) is generation from the posterior of the top level."""
    model, n = kind.build(), 500
    x, top = kind.data(2).repeat_interleave(n, 0), model.levels[0]
    same, both = repeated(kind.beside(1), n), repeated(kind.beside(1), 2 * n)

    def agree(a: torch.Tensor, b: torch.Tensor) -> bool:
        gap, error = a.mean(0) - b.mean(0), ((a.var(0) + b.var(0)) / n).sqrt()
        return bool((gap.abs() < 4.5 * error + 1e-12).all())

    free = model.decode(model.sample_latents(n, **same), **same).mean
    nothing = model.reconstruct(x, keep=(), **both)
    assert agree(nothing[:n], free) and agree(nothing[n:], free)
    kept = model.reconstruct(x, keep=(top,), **both)
    z_top = {top: model.infer(x, **both).z[top]}
    generated = model.decode(model.sample_latents(len(x), fixed=z_top, **both), **both).mean
    assert agree(kept[:n], generated[:n]) and agree(kept[n:], generated[n:])


@torch.no_grad()
@pytest.mark.parametrize("build", [BottomUpVAE, LadderVAE, TopDownVAE])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_any_number_of_levels(build, depth: int) -> None:
    model = build.dense(5, latent_dims=(6, 5, 4, 3, 2)[:depth], hidden=8)
    x = torch.ones(3, 5)
    assert model.levels == tuple(f"z{level}" for level in range(depth, 0, -1))
    assert [model.dims[f"z{level}"] for level in range(1, depth + 1)] == [6, 5, 4, 3, 2][:depth]
    assert tuple(model.elbo(x).kl) == model.levels
    assert model.reconstruct(x, keep=model.levels[:1]).shape == model.sample(3, temperature=0.7).shape == (3, 5)
    n = 2000
    weights, bounds = model.log_weight(x[:1], n), model.elbo(x[:1].expand(n, -1)).value
    assert abs(weights.mean() - bounds.mean()) < 4 * ((weights.var() + bounds.var()) / n) ** 0.5


def test_the_bound_says_which_divergences_were_sampled(kind) -> None:
    """Where prior and posterior meet in one place and a closed form is known it is taken; flows have none."""
    model, x, beside = kind.build(), kind.data(3), kind.beside(3)
    bottom_up = kind.kind.startswith(("two-level", "bottom-up", "linear-gaussian"))
    below = set(model.levels[1:]) if bottom_up else set()
    flows = {
        "vae-triangular": {"z1"}, "autoregressive-planar": {"z1"}, "two-level-householder": {"z2", "z1"},
        "bottom-up-iaf": {"z2"}, "ladder-orthogonal": {"z1"}, "top-down-planar": {"z2", "z1"},
        "ladder-sphere-planar": {"z1"},
    }  # fmt: skip
    assert model.elbo(x, **beside).sampled == below | flows.get(kind.kind, set())
    assert model.elbo(x, kl=sampled_kl, **beside).sampled == set(model.levels)


def test_single_and_double_precision_agree(net_case) -> None:
    """At the same latents: log p(x|z) of a float32 model is the float64 one's to float32 precision."""
    double, x, beside = net_case.build(), net_case.data(6), net_case.beside(6)
    single = net_case.build(dtype=torch.float32)
    z = double.infer(x, **beside).z
    low_beside = net_case.beside(6, dtype=torch.float32)
    low = single.decode({level: value.float() for level, value in z.items()}, **low_beside).log_prob(x.float())
    torch.testing.assert_close(low.double(), double.decode(z, **beside).log_prob(x), rtol=1e-4, atol=1e-4)


def test_bf16_autocast_gives_full_precision_records(net_case, device) -> None:
    model, x = net_case.build(dtype=torch.float32).to(device), net_case.data(200, dtype=torch.float32).to(device)
    beside = {name: value.to(device) for name, value in net_case.beside(200, dtype=torch.float32).items()}
    four = {name: value[:4] for name, value in beside.items()}
    with torch.autocast(device.type, torch.bfloat16):
        bound, weight = model.elbo(x, **beside), model.log_weight(x, 2, **beside)
        sample, mean = model.sample(4, **four), model.reconstruct(x, **beside)
    assert {t.dtype for t in (bound.value, *bound.kl.values(), weight, sample, mean)} == {torch.float32}
    full = model.elbo(x, **beside)
    allowed = 4 * full.value.std() * (2 / len(x)) ** 0.5 + 0.02 * abs(full.value.mean())
    assert abs(bound.value.mean() - full.value.mean()) < allowed
    bound.value.mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_models_run_where_they_are_moved(kind) -> None:
    device = torch.device("cuda")
    model, x = kind.build().to(device), kind.data(4).to(device)
    beside = {name: value.to(device) for name, value in kind.beside(4).items()}
    model.elbo(x, **beside).value.sum().backward()
    z = model.sample_latents(4, temperature=0.5 if kind.tempered else 1.0, **beside)
    tensors = [model.log_weight(x, 2, **beside), model.sample(4, **beside), model.reconstruct(x, keep=(), **beside)]
    tensors.append(model.decode(z, **beside).mean)
    assert all(tensor.device.type == device.type for tensor in tensors)
    assert all(parameter.grad.device.type == device.type for parameter in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize("residual", [True, False])
def test_x_sees_levels_above_z1_through_the_residual_path_alone(residual: bool) -> None:
    torch.manual_seed(0)
    model = TopDownVAE.dense(5, (3, 2), 8, residual=residual).double()
    z = {level: latents(model, level, 4) for level in model.levels}
    changed = z | {"z2": z["z2"] + 1}
    assert close(model.decode(z).mean, model.decode(changed).mean) is not residual
