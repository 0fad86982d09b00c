"""The contracts of every conditional model: bounds, shapes, conditions, latents held, targets, devices."""

import copy
import dataclasses

import pytest
import torch

from hvae_ref.abr import HierarchicalResponseCVAE, ResponseCVAE, ResponseModel
from hvae_ref.abr.data import STATIC_NAMES
from hvae_ref.elbo import Elbo, log_mean_exp, sampled_kl
from hvae_ref.models import LatentVariableModel
from tests.abr.models.responses import KINDS, SOME, L, build, conditions, own, signals, targets

PARTS = ("static", "peak", "presence", "alignment")


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("batch", [1, 7])
def test_shapes(kind, batch: int) -> None:
    model, x, c = build(kind), signals(batch), conditions(batch)
    assert isinstance(model, ResponseModel) and isinstance(model, LatentVariableModel)
    assert model.levels == tuple(model.dims) == (("z_global",) if kind == "cvae" else ("z_global", "z_local"))
    bound = model.elbo(x, condition=c)
    assert isinstance(bound, Elbo) and bound.value.shape == (batch,) and tuple(bound.kl) == model.levels
    assert dict(bound.auxiliary) == {}
    assert model.log_weight(x, 3, condition=c).shape == (3, batch)
    q = model.encode(x, condition=c)
    assert tuple(q) == model.levels
    for level, size in model.dims.items():
        assert (q[level].batch_shape, q[level].event_shape) == ((batch,), (size,))
    z = model.sample_latents(batch, condition=c)
    assert tuple(z) == model.levels and all(z[level].shape == (batch, size) for level, size in model.dims.items())
    assert model.decode(z, condition=c).sample().shape == model.sample(batch, condition=c).shape == (batch, L)
    assert model.reconstruct(x, condition=c).shape == (batch, L)
    heads = model.heads(z, condition=c)
    assert heads.static.shape == (batch, len(model.covariates))
    assert heads.peak_latency.shape == heads.peak_amplitude.shape == heads.peak_present.shape == (batch, 5)


@torch.no_grad()
def test_log_weights_and_bounds_have_the_same_expectation_and_more_samples_a_tighter_bound(kind) -> None:
    model, x, c, n = build(kind), signals(3), conditions(3), 4000
    weights = model.log_weight(x, n, condition=c)
    bounds = model.elbo(x.repeat(n, 1), condition=c.repeat(n, 1)).value.view(n, 3)
    error = ((weights.var(0) + bounds.var(0)) / n).sqrt()
    assert ((weights.mean(0) - bounds.mean(0)).abs() < 4 * error).all()
    assert (error < 0.2).all() and (error > 0).all()
    tighter = log_mean_exp(weights.view(50, n // 50, 3))
    gain = tighter.mean(0) - weights.mean(0)
    assert (gain > 3 * (tighter.var(0) / len(tighter)).sqrt()).all()


@torch.no_grad()
def test_the_kl_of_each_level_is_the_expectation_of_its_estimate(kind) -> None:
    model, x, c, n = build(kind), signals(2), conditions(2), 3000
    exact = model.elbo(x, condition=c).kl
    sampled = model.elbo(x.repeat(n, 1), condition=c.repeat(n, 1), kl=sampled_kl).kl
    for level in model.levels:
        draws = sampled[level].view(n, 2)
        assert ((draws.mean(0) - exact[level]).abs() < 4 * (draws.var(0) / n).sqrt()).all(), level


@torch.no_grad()
def test_log_weight_is_log_joint_minus_log_posterior(kind) -> None:
    model, x, c = build(kind), signals(4), conditions(4)
    torch.manual_seed(5)
    weight = model.log_weight(x, 1, condition=c)[0]
    torch.manual_seed(5)
    inference = model.infer(x, condition=c)
    q, z = inference.q, inference.z
    log_prior = {}

    def visit(level, prior, state):
        log_prior[level] = prior.log_prob(z[level])
        return z[level]

    log_px = model.ancestral_pass(visit, len(x), model.observe.given(c, len(x))).log_prob(x)
    log_q = sum(q[level].log_prob(z[level]) for level in model.levels)
    assert tuple(log_prior) == model.levels
    torch.testing.assert_close(weight, log_px + sum(log_prior.values()) - log_q)
    torch.testing.assert_close(model.decode(z, condition=c).log_prob(x), log_px)


@torch.no_grad()
def test_each_example_has_its_own_terms(kind) -> None:
    model, x, c, (peaks, present) = build(kind), signals(4), conditions(4), targets(4)
    other = x.clone()
    other[0] += torch.linspace(-0.3, 0.4, L)
    bounds = []
    for rows in (x, other):
        torch.manual_seed(5)
        bounds.append(model.elbo_with_targets(rows, condition=c, peaks=peaks, present=present))
    before, after = (bound.kl | bound.auxiliary | {"log_px": bound.log_px} for bound in bounds)
    for name in before:
        torch.testing.assert_close(before[name][1:], after[name][1:], rtol=1e-12, atol=1e-12)
        assert before[name][0] != after[name][0], name


def test_targets_are_trained_with_beside_the_same_bound(kind) -> None:
    model, x, c, (peaks, present) = build(kind), signals(5), conditions(5), targets(5)
    torch.manual_seed(6)
    bound = model.elbo(x, condition=c)
    torch.manual_seed(6)
    more = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    torch.testing.assert_close(bound.value, more.value)
    torch.testing.assert_close(bound.log_px, more.log_px)
    assert tuple(more.auxiliary) == PARTS
    assert all(value.shape == (5,) and (value >= 0).all() for value in more.auxiliary.values())


@pytest.mark.parametrize("which", ["some", "all", "none", "one row without"])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("constant", [False, True])
def test_gradients_are_finite_under_all_masks(kind, which: str, batch: int, constant: bool) -> None:
    model, x, c, (peaks, present) = build(kind), signals(batch), conditions(batch), targets(batch)
    if which == "all":
        peaks, present = torch.ones(batch, 5, 2).double(), torch.ones(batch, 5, dtype=torch.bool)
    elif which == "none":
        peaks, present = torch.full((batch, 5, 2), float("nan")).double(), torch.zeros(batch, 5, dtype=torch.bool)
    elif which == "one row without":
        present = present.clone()
        present[0] = False
    if constant:
        x = torch.full_like(x, 0.25)
    bound = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    assert all(torch.isfinite(value).all() for value in (bound.value, *bound.auxiliary.values()))
    if constant:
        assert (bound.auxiliary["alignment"] == 0).all()
    if which == "none":
        assert (bound.auxiliary["peak"] == 0).all()
    loss = -bound.value.mean() + sum(value.mean() for value in bound.auxiliary.values())
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


def test_with_no_peak_present_the_peak_part_has_no_gradient(kind) -> None:
    model, x, c = build(kind), signals(3), conditions(3)
    none = torch.zeros(3, 5, dtype=torch.bool)
    part = model.elbo_with_targets(
        x, condition=c, peaks=torch.full((3, 5, 2), float("nan")).double(), present=none
    ).auxiliary["peak"]
    gradients = torch.autograd.grad(part.sum(), list(model.parameters()), allow_unused=True)
    assert all(gradient is None or (gradient == 0).all() for gradient in gradients)


def test_every_parameter_of_the_bound_gets_a_gradient(kind) -> None:
    model = build(kind, static_reads=(), predict_peaks=False)
    (-model.elbo(signals(16), condition=conditions(16)).value.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all() and (parameter.grad != 0).any(), name


def test_heads_can_be_left_out(kind) -> None:
    model, (peaks, present) = build(kind, static_reads=(), predict_peaks=False), targets(3)
    bound = model.elbo_with_targets(signals(3), condition=conditions(3), peaks=peaks, present=present)
    assert tuple(bound.auxiliary) == ("alignment",)
    assert model.heads(model.sample_latents(3, condition=conditions(3)), condition=conditions(3)) == (
        None,
        None,
        None,
        None,
    )


def test_the_static_head_sees_the_latents_that_it_is_given_and_no_condition(kind) -> None:
    model, c, other = build(kind), conditions(6), conditions(6, seed=9)
    z = {level: torch.randn(6, size).double().requires_grad_() for level, size in model.dims.items()}
    said, said_other = model.heads(z, condition=c), model.heads(z, condition=other)
    torch.testing.assert_close(said.static, said_other.static)
    assert not torch.allclose(said.peak_latency, said_other.peak_latency, rtol=1e-3)
    said.static.sum().backward()
    assert (z["z_global"].grad != 0).any()
    assert "z_local" not in z or z["z_local"].grad is None


def test_a_condition_of_one_row_stands_for_all_rows(kind) -> None:
    model, x, c = build(kind), signals(4), conditions(1)
    (peaks, present), z = targets(4), model.sample_latents(4, condition=c)
    calls = (
        lambda c: model.elbo(x, condition=c).value,
        lambda c: model.elbo_with_targets(x, condition=c, peaks=peaks, present=present).auxiliary["static"],
        lambda c: model.log_weight(x, 3, condition=c),
        lambda c: model.sample(4, condition=c),
        lambda c: model.decode(z, condition=c).mean,
        lambda c: model.reconstruct(x, keep=(), condition=c),
        lambda c: model.heads(z, condition=c).peak_amplitude,
        lambda c: model.encode(x, condition=c)["z_global"].mean,
    )
    for call in calls:
        numbers = []
        for condition in (c, c.repeat(4, 1)):
            torch.manual_seed(7)
            numbers.append(call(condition))
        torch.testing.assert_close(*numbers, rtol=1e-12, atol=1e-12)


def test_a_model_of_some_covariates_reads_them_alone_out_of_a_whole_condition() -> None:
    model, x, c = build("some-covariates"), signals(4), conditions(4)
    assert model.covariates == SOME and model.observe.condition.low.shape == (len(SOME),)
    other = conditions(4, seed=9)
    columns = [STATIC_NAMES.index(name) for name in SOME]
    other[:, columns] = c[:, columns]
    values = []
    for condition in (c, own(model, c), other):
        torch.manual_seed(7)
        values.append(model.elbo(x, condition=condition).value)
    # Parts of a batch may be computed in another order each.
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])
    assert model.heads(model.sample_latents(4, condition=c), condition=c).static.shape == (4, 3)


def test_an_encoder_that_is_blind_to_the_covariates(kind) -> None:
    model, x = build(kind), signals(4)
    a, b = (model.encode(x, condition=conditions(4, seed=seed)) for seed in (3, 9))
    same = [torch.allclose(a[level].mean, b[level].mean, rtol=1e-4, atol=1e-6) for level in model.levels]
    assert all(same) if kind == "blind-encoder" else not any(same)


@torch.no_grad()
def test_the_condition_moves_the_mean_and_the_noise_level(kind) -> None:
    model = build(kind)
    a, b = conditions(1), conditions(1)
    z = model.sample_latents(1, condition=a)
    b[:, STATIC_NAMES.index("sweeps")] = 8000.0 if a[0, -1] < 4000 else 500.0
    p_a, p_b = model.decode(z, condition=a), model.decode(z, condition=b)
    assert not torch.equal(p_a.mean, p_b.mean) and not torch.equal(p_a.stddev, p_b.stddev)
    other = {level: torch.randn_like(value) for level, value in z.items()}
    torch.testing.assert_close(model.decode(other, condition=a).stddev, p_a.stddev)  # no latent may choose σ


def test_fixed_levels_are_kept_bit_for_bit(kind) -> None:
    model, c = build(kind), conditions(6)
    for level in model.levels:
        z = torch.randn(6, model.dims[level], dtype=torch.float64)
        drawn, again = (model.sample_latents(6, fixed={level: z}, condition=c) for _ in range(2))
        assert torch.equal(drawn[level], z)
        assert torch.equal(model.sample_latents(6, fixed={level: z[:1]}, condition=c)[level], z[:1].expand(6, -1))
        for other in set(model.levels) - {level}:
            assert not torch.equal(drawn[other], again[other])


def test_sampling_with_all_levels_fixed_is_sampling_from_decode(kind) -> None:
    model, c = build(kind), conditions(6)
    z = {level: torch.randn(6, size, dtype=torch.float64) for level, size in model.dims.items()}
    torch.manual_seed(3)
    x = model.sample(6, fixed=z, condition=c)
    torch.manual_seed(3)
    torch.testing.assert_close(x, model.decode(z, condition=c).sample())
    assert torch.isfinite(model.elbo(x, condition=c).value).all()


def test_temperature_scales_the_latents(kind) -> None:
    model, c, n = build(kind), conditions(1), 4000
    cold, none = (model.sample_latents(rows, None, t, condition=c) for rows, t in ((n, 0.5), (3, 0.0)))
    # In the hierarchy z_local counts from a mean that z_global moves.
    for level in model.levels[: 1 if kind == "top-down" else None]:
        assert ((cold[level].std(0) - 0.5).abs() < 4 * 0.5 / (2 * n) ** 0.5).all()
        assert (none[level] == 0).all()


@torch.no_grad()
def test_reconstructing_keeps_the_levels_that_it_is_told_to_keep(kind) -> None:
    model, x, c = build(kind), signals(4), conditions(4)
    torch.manual_seed(3)
    expected = model.decode(model.infer(x, condition=c).z, condition=c).mean
    torch.manual_seed(3)
    torch.testing.assert_close(model.reconstruct(x, condition=c), expected)
    torch.manual_seed(3)
    assert not torch.allclose(model.reconstruct(x, keep=(), condition=c), expected, rtol=1e-3)


def test_a_saved_and_loaded_model_gives_the_same_numbers(kind, tmp_path) -> None:
    model, other, x, c = build(kind), build(kind, seed=2), signals(4), conditions(4)

    def numbers(m):
        torch.manual_seed(9)
        z = m.sample_latents(4, condition=c)
        return torch.cat(
            [
                m.elbo(x, condition=c).value,
                m.sample(3, condition=c[:3]).flatten(),
                m.heads(z, condition=c).static.flatten(),
            ]
        )

    assert not torch.allclose(numbers(model), numbers(other), rtol=1e-3)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    torch.testing.assert_close(numbers(model), numbers(other))
    torch.testing.assert_close(numbers(copy.deepcopy(model)), numbers(model))


def test_looking_at_a_model_changes_nothing(kind) -> None:
    model, x, c = build(kind).eval(), signals(4), conditions(4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (
        model.elbo(x, condition=c),
        model.log_weight(x, 3, condition=c),
        model.sample(4, condition=c),
        model.reconstruct(x, condition=c),
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())


def test_dropout_works_while_training_only(kind) -> None:
    model, c = build(kind, dropout=0.5), conditions(4)
    z = model.sample_latents(4, condition=c)
    assert not torch.equal(model.decode(z, condition=c).mean, model.decode(z, condition=c).mean)
    model.eval()
    assert torch.equal(model.decode(z, condition=c).mean, model.decode(z, condition=c).mean)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_models_run_where_they_are_moved_and_keep_their_dtype(kind, device, dtype: torch.dtype) -> None:
    model = build(kind, dtype=dtype).to(device)
    x, c = signals(4, dtype=dtype).to(device), conditions(4, dtype=dtype).to(device)
    peaks, present = (target.to(device) for target in targets(4, dtype=dtype))
    bound = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    bound.value.sum().backward()
    tensors = [
        bound.value,
        *bound.auxiliary.values(),
        model.sample(4, condition=c),
        model.log_weight(x, 2, condition=c),
    ]
    tensors += [*model.heads(model.sample_latents(4, condition=c), condition=c), model.reconstruct(x, condition=c)]
    assert {(tensor.dtype, tensor.device.type) for tensor in tensors} == {(dtype, device.type)}


def test_bf16_autocast_gives_full_precision_records(kind, device) -> None:
    model = build(kind, dtype=torch.float32).to(device)
    x, c = signals(400, dtype=torch.float32).to(device), conditions(400, dtype=torch.float32).to(device)
    peaks, present = (target.to(device) for target in targets(400, dtype=torch.float32))
    with torch.autocast(device.type, torch.bfloat16):
        torch.manual_seed(1)
        bound = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    torch.manual_seed(1)
    full = model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)
    for low, high in ((bound.value, full.value), *((bound.auxiliary[k], full.auxiliary[k]) for k in PARTS)):
        assert low.dtype == torch.float32
        assert abs(low.mean() - high.mean()) < 0.05 * high.abs().mean() + 4 * high.std() * (2 / 400) ** 0.5
    (sum(part.mean() for part in bound.auxiliary.values()) - bound.value.mean()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked")
def test_signals_that_cannot_be_are_refused(kind) -> None:
    model, x, c = build(kind), signals(3), conditions(3)
    for wrong in (x[:, :-1], torch.cat((x, x), 1), x[0], x[:0]):
        with pytest.raises(ValueError, match=rf"x: expected a tensor of shape \(batch, {L}\)"):
            model.elbo(wrong, condition=c)
    with pytest.raises(ValueError, match="x: expected torch.float64 on cpu.* got torch.float32"):
        model.encode(x.float(), condition=c)
    with pytest.raises(ValueError, match="x: expected torch.float64"):
        model.encode(torch.ones(3, L, dtype=torch.long), condition=c)
    with pytest.raises(ValueError, match="x: expected torch.float64 on cpu.* got torch.float64 on meta"):
        model.encode(x.to("meta"), condition=c)
    for value in (float("nan"), float("inf")):
        broken = x.clone()
        broken[2, 4] = value
        with pytest.raises(
            ValueError, match=rf"x: expected finite values in µV, got {value} in row 2, sample 4 \(0.20"
        ):
            model.log_weight(broken, 2, condition=c)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("level", 120.0, r"row 1: level \(dB nHL\): expected 10 to 90, got 120"),
        ("sweeps", 0.0, r"row 1: sweeps \(count\): expected 500 to 8000, got 0"),
        ("rate", float("nan"), r"row 1: rate \(clicks/s\): expected 8 to 90, got nan"),
    ],
)
def test_conditions_out_of_range_are_refused(kind, column: str, value: float, message: str) -> None:
    model, x, c = build(kind), signals(3), conditions(3)
    (peaks, present), z = targets(3), model.sample_latents(3, condition=c)
    c[1, STATIC_NAMES.index(column)] = value
    calls = (
        lambda: model.elbo(x, condition=c),
        lambda: model.elbo_with_targets(x, condition=c, peaks=peaks, present=present),
        lambda: model.log_weight(x, 2, condition=c),
        lambda: model.encode(x, condition=c),
        lambda: model.sample(3, condition=c),
        lambda: model.decode(z, condition=c),
        lambda: model.reconstruct(x, condition=c),
        lambda: model.heads(z, condition=c),
    )
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.usefixtures("unchecked")
def test_conditions_of_a_wrong_shape_or_type_are_refused(kind) -> None:
    model, x, c = build(kind), signals(3), conditions(3)
    for wrong in (c[:2], c[0], c[:, :5], c.tolist()):
        with pytest.raises(
            ValueError, match=r"condition: expected a tensor of shape \(3, .*columns level, rate.*; got"
        ):
            model.elbo(x, condition=wrong)
    with pytest.raises(ValueError, match="condition: expected torch.float64 on cpu.* got torch.float32"):
        model.sample(3, condition=c.float())
    for call in (lambda: model.sample(3), lambda: model.elbo(x), lambda: model.sample_latents(3)):
        with pytest.raises(ValueError, match="condition: expected one.* got None"):
            call()


@pytest.mark.usefixtures("unchecked")
def test_targets_that_cannot_be_are_refused(kind) -> None:
    model, x, c, (peaks, present) = build(kind), signals(3), conditions(3), targets(3)
    for wrong in (peaks[:, :4], peaks[:2], peaks[..., 0], torch.ones(3, 5, 2, dtype=torch.long)):
        with pytest.raises(ValueError, match=r"peaks: expected floats .* of shape \(3, 5, 2\), got"):
            model.elbo_with_targets(x, condition=c, peaks=wrong, present=present)
    for wrong in (present[:2], present.double(), present[:, :2]):
        with pytest.raises(ValueError, match=r"present: expected booleans of shape \(3, 5\), got"):
            model.elbo_with_targets(x, condition=c, peaks=peaks, present=wrong)
    present, peaks = torch.ones_like(present), torch.ones_like(peaks)
    peaks[2, 4, 1] = float("nan")
    with pytest.raises(
        ValueError, match=r"peaks: expected finite values where present, got .*nan.* for wave V in row 2"
    ):
        model.elbo_with_targets(x, condition=c, peaks=peaks, present=present)


def test_latents_and_numbers_that_make_no_sense_are_refused(kind) -> None:
    model, x, c = build(kind), signals(3), conditions(3)
    z = model.sample_latents(3, condition=c)
    for call in (
        lambda z: model.decode(z, condition=c),
        lambda z: model.heads(z, condition=c),
        lambda z: model.sample(3, fixed=z, condition=c),
    ):
        with pytest.raises(ValueError, match="unknown .*'z1'"):
            call(z | {"z1": z["z_global"]})
        with pytest.raises(ValueError, match="z_global: expected shape"):
            call(z | {"z_global": z["z_global"][:, :1]})
    with pytest.raises(ValueError, match="missing .*'z_global'"):
        model.decode({}, condition=c)
    with pytest.raises(ValueError, match="n: expected at least one sample, got 0"):
        model.log_weight(x, 0, condition=c)
    with pytest.raises(ValueError, match="temperature: expected a finite number ≥ 0"):
        model.sample(3, temperature=-1.0, condition=c)
    with pytest.raises(ValueError, match=r"keep: expected a collection of names among z_global.*, got \('z9',\)"):
        model.reconstruct(x, keep=("z9",), condition=c)


@pytest.mark.parametrize("build_model", [ResponseCVAE.dense, HierarchicalResponseCVAE.dense])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"covariates": ("level", "tresh")}, "covariates: unknown 'tresh'; did you mean 'threshold'?"),
        ({"covariates": ("level", "qqq")}, "covariates: unknown 'qqq'; expected some of level, rate"),
        (
            {"covariates": ("rate", "level")},
            "covariates: expected each name once, in the order level, rate, got rate, level",
        ),
        ({"covariates": ("level", "level")}, "covariates: expected each name once"),
        ({"covariates": ()}, "covariates: expected a sequence of names"),
        ({"covariates": "level"}, "covariates: expected a sequence of names"),
        ({"x_shape": 0}, "x_shape: expected the samples of a signal"),
        ({"x_shape": (2, 100)}, "x_shape: expected the samples of a signal"),
        ({"static_reads": ("z1",)}, "static_reads: expected a sequence out of z_global"),
        ({"static_reads": "z_global"}, "static_reads: expected a sequence"),
    ],
)
def test_models_that_cannot_be_are_refused(build_model, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError) as error:
        build_model(**arguments)
    assert message in str(error.value)


def test_the_record_can_be_replaced_but_not_changed(kind) -> None:
    bound = build(kind).elbo(signals(2), condition=conditions(2))
    assert dataclasses.replace(bound, auxiliary={"peak": bound.log_px}).value.equal(bound.value)
