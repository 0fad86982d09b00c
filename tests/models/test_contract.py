"""The contract of every model, apart from the bounds: shapes, randomness, clamping, saving, gradients, devices."""

import copy

import pytest
import torch

from hvae_ref.elbo import Elbo
from hvae_ref.models import BottomUpVAE, LadderVAE, TopDownVAE
from tests.models.conftest import latents


def test_every_parameter_gets_a_finite_gradient(case) -> None:
    model, x = case.build(), case.data(16)
    (-model.elbo(x).value.mean()).backward()
    # A mixture with nothing behind the bar has a matrix of weights without columns.
    for name, parameter in ((name, parameter) for name, parameter in model.named_parameters() if parameter.numel()):
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("batch", [1, 7])
def test_shapes(case, batch: int) -> None:
    model, x = case.build(), case.data(batch)
    bound = model.elbo(x)
    assert isinstance(bound, Elbo) and bound.value.shape == bound.log_px.shape == (batch,)
    assert tuple(bound.kl) == model.levels == tuple(model.dims)
    assert model.log_weight(x, 3).shape == (3, batch)
    q = model.encode(x)
    assert tuple(q) == model.levels
    for level, size in model.dims.items():
        assert (q[level].batch_shape, q[level].event_shape) == ((batch,), (size,))
    assert model.reconstruct(x).shape == model.sample(batch).shape == (batch, 5)
    z = model.sample_latents(batch)
    assert tuple(z) == model.levels and all(z[level].shape == (batch, size) for level, size in model.dims.items())
    assert model.decode(z).sample().shape == (batch, 5)
    assert not model.sample(batch).requires_grad and not model.reconstruct(x).requires_grad


def test_samples_lie_in_the_support(net_case) -> None:
    model = net_case.build()
    x = model.sample(50)
    assert torch.isfinite(model.elbo(x).value).all()
    assert len(x.unique(dim=0)) > 5
    assert ((model.reconstruct(x) >= 0) & (model.reconstruct(x) <= model.num_values - 1)).all()


def test_the_same_seed_gives_the_same_numbers(kind) -> None:
    model, x = kind.build(), kind.data(4)
    runs = []
    for _ in range(2):
        torch.manual_seed(9)
        runs.append((model.elbo(x).value, model.log_weight(x, 2), model.sample(3), model.reconstruct(x, keep=())))
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_a_saved_and_loaded_model_gives_the_same_numbers(kind, tmp_path) -> None:
    model, other, x = kind.build(seed=1), kind.build(seed=2), kind.data(4)

    def numbers(m):
        torch.manual_seed(9)
        return torch.cat([m.elbo(x).value, m.log_weight(x, 2).flatten(), m.sample(3).flatten()])

    assert not torch.equal(numbers(model), numbers(other))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert torch.equal(numbers(model), numbers(other))
    assert torch.equal(numbers(copy.deepcopy(model)), numbers(model))


def test_looking_at_a_model_changes_nothing(kind) -> None:
    model, x = kind.build().eval(), kind.data(4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.elbo(x), model.log_weight(x, 3), model.sample(3), model.reconstruct(x), model.encode(x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


def test_fixed_levels_are_kept_bit_for_bit(kind) -> None:
    model = kind.build()
    for level in model.levels:
        z = latents(model, level, 6)
        drawn = model.sample_latents(6, fixed={level: z})
        assert torch.equal(drawn[level], z)
        assert torch.equal(model.sample_latents(6, fixed={level: z[:1]})[level], z[:1].expand(6, -1))
        for other in set(model.levels) - {level}:
            assert not torch.equal(drawn[other], model.sample_latents(6, fixed={level: z})[other])


def test_sampling_with_all_levels_fixed_is_sampling_from_decode(kind) -> None:
    model = kind.build()
    z = {level: latents(model, level, 6) for level in model.levels}
    torch.manual_seed(3)
    x = model.sample(6, fixed=z)
    torch.manual_seed(3)
    assert torch.equal(x, model.decode(z).sample())


def test_temperature_zero_leaves_no_noise_in_the_latents(kind) -> None:
    model = kind.build()
    if model.spheres:
        with pytest.raises(ValueError, match="temperature: .* has no scale to multiply"):
            model.sample_latents(4, temperature=0.0)
        return
    if getattr(model, "density", None) is not None:
        with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
            model.sample_latents(4, temperature=0.0)
        return
    a, b = model.sample_latents(4, temperature=0.0), model.sample_latents(4, temperature=0.0)
    for level in model.levels:
        assert torch.equal(a[level], b[level])
        torch.testing.assert_close(a[level], a[level][:1].expand(4, -1), rtol=1e-12, atol=1e-12)
    assert (a[model.levels[0]] == 0).all()


def test_temperature_scales_every_levels_spread(kind) -> None:
    """Given the levels above, a level's standard deviation is multiplied by the temperature; its mean stays."""
    model, n = kind.build(), 4000
    if model.spheres or getattr(model, "density", None) is not None:
        return
    above: dict[str, torch.Tensor] = {}
    for level in model.levels:
        cold = model.sample_latents(n, fixed=above, temperature=0.5)[level]
        warm = model.sample_latents(n, fixed=above)[level]
        ratio = cold.std(0) / warm.std(0)
        assert ((ratio - 0.5).abs() < 4 * 0.5 / n**0.5).all(), level
        assert ((cold.mean(0) - warm.mean(0)).abs() < 4 * (1.25 / n) ** 0.5 * warm.std(0)).all(), level
        above[level] = warm[:1]


@torch.no_grad()
def test_reconstructing_with_all_levels_is_decoding_the_posterior(case) -> None:
    model, x = case.build(), case.data(4)
    torch.manual_seed(3)
    expected = model.decode(model.infer(x).z).mean
    for keep in (None, model.levels, set(model.levels)):
        torch.manual_seed(3)
        assert torch.equal(model.reconstruct(x, keep=keep), expected)


@torch.no_grad()
def test_levels_not_kept_come_from_the_prior_given_those_above(kind) -> None:
    """In expectation: keep=() forgets x altogether; keep=(top,) is generation from the posterior of the top level."""
    model, x, n = kind.build(), kind.data(2).repeat_interleave(2500, 0), 2500
    top = model.levels[0]

    def agree(a: torch.Tensor, b: torch.Tensor) -> bool:
        return bool(((a.mean(0) - b.mean(0)).abs() < 4 * ((a.var(0) + b.var(0)) / n).sqrt() + 1e-12).all())

    free = model.decode(model.sample_latents(n)).mean
    nothing = model.reconstruct(x, keep=())
    assert agree(nothing[:n], free) and agree(nothing[n:], free)
    kept = model.reconstruct(x, keep=(top,))
    z_top = {top: model.infer(x).z[top]}
    generated = model.decode(model.sample_latents(len(x), fixed=z_top)).mean
    assert agree(kept[:n], generated[:n]) and agree(kept[n:], generated[n:])


@torch.no_grad()
@pytest.mark.parametrize("build", [BottomUpVAE, LadderVAE, TopDownVAE])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_any_number_of_levels(build, depth: int) -> None:
    model = build(5, latent_dims=(6, 5, 4, 3, 2)[:depth], hidden=8)
    x = torch.ones(3, 5)
    assert model.levels == tuple(f"z{level}" for level in range(depth, 0, -1))
    assert [model.dims[f"z{level}"] for level in range(1, depth + 1)] == [6, 5, 4, 3, 2][:depth]
    assert tuple(model.elbo(x).kl) == model.levels
    assert model.reconstruct(x, keep=model.levels[:1]).shape == model.sample(3, temperature=0.7).shape == (3, 5)
    n = 2000
    weights, bounds = model.log_weight(x[:1], n), model.elbo(x[:1].expand(n, -1)).value
    error = ((weights.var() + bounds.var()) / n).sqrt()
    assert abs(weights.mean() - bounds.mean()) < 4 * error


@torch.no_grad()
def test_x_sees_levels_above_z1_only_on_the_residual_path() -> None:
    for build in (LadderVAE, TopDownVAE):
        for residual in (False, True):
            torch.manual_seed(1)
            model = build(5, (3, 2), 10, residual=residual)
            z1 = torch.randn(1, 3)
            a, b = (model.decode({"z2": z2, "z1": z1}).mean for z2 in (torch.zeros(1, 2), torch.ones(1, 2)))
            assert torch.equal(a, b) == (not residual)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_models_keep_their_dtype(net_case, dtype: torch.dtype) -> None:
    model, x = net_case.build(dtype=dtype), net_case.data(3, dtype=dtype)
    bound = model.elbo(x)
    tensors = [bound.value, model.log_weight(x, 2), model.sample(2), model.reconstruct(x), *bound.kl.values()]
    assert all(tensor.dtype == dtype for tensor in tensors)


def test_single_and_double_precision_agree(net_case) -> None:
    """At the same latents: log p(x|z) of a float32 model is the float64 one's to float32 precision."""
    double, x = net_case.build(), net_case.data(6)
    single = net_case.build(dtype=torch.float32)
    z = double.infer(x).z
    low = single.decode({level: value.float() for level, value in z.items()}).log_prob(x.float())
    torch.testing.assert_close(low.double(), double.decode(z).log_prob(x), rtol=1e-4, atol=1e-4)


def test_bf16_autocast_gives_full_precision_records(net_case, device) -> None:
    model, x = net_case.build(dtype=torch.float32).to(device), net_case.data(400, dtype=torch.float32).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        bound, weight, sample, mean = model.elbo(x), model.log_weight(x, 2), model.sample(4), model.reconstruct(x)
    assert {t.dtype for t in (bound.value, *bound.kl.values(), weight, sample, mean)} == {torch.float32}
    full = model.elbo(x)
    assert abs(bound.value.mean() - full.value.mean()) < 4 * full.value.std() * (2 / 400) ** 0.5 + 0.02 * abs(
        full.value.mean()
    )
    bound.value.mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_models_run_where_they_are_moved(kind, device) -> None:
    model, x = kind.build().to(device), kind.data(4).to(device)
    model.elbo(x).value.sum().backward()
    z = model.sample_latents(3, temperature=1.0 if model.spheres else 0.5)
    tensors = [model.log_weight(x, 2), model.sample(3), model.reconstruct(x, keep=()), model.decode(z).mean]
    assert all(tensor.device.type == device.type for tensor in tensors)
    assert all(parameter.grad.device.type == device.type for parameter in model.parameters())
