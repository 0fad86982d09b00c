"""What all distributions do the same way: larger batches, draws of no points, errors, and half precision."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, Independent, Normal, biject_to, constraints, transform_to
from torch.nn.functional import normalize

from hvae_ref.distributions import (
    Autoregressive,
    CorrelatedNormal,
    DiscretizedLogisticMixture,
    GreyLevels,
    HypersphericalUniform,
    VonMisesFisher,
)
from hvae_ref.distributions.diagonal_normal import DiagonalNormal, TransformedNormal
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.flows import FLOWS, FlowDistribution, build_flow


def _autoregressive(batch, dtype, checked):
    x = torch.zeros(batch, dtype=dtype)
    return Autoregressive(lambda v: Normal(v.cumsum(-1) - v, 1.0), batch, 3, like=x, validate_args=checked)


def _flow(family):
    def make(batch, dtype, checked):
        base = Independent(Normal(torch.zeros(*batch, 3, dtype=dtype), 1.0), 1)
        return FlowDistribution(base, build_flow(family, 3, 2, 2).to(dtype), torch.ones(*batch, 2, dtype=dtype))

    return make


def full(value, *shape, dtype):
    return torch.full(shape, value, dtype=dtype)


MAKE = {
    "vMF": lambda b, d, c: VonMisesFisher(
        torch.eye(3, dtype=d)[0].expand(*b, 3), full(2.0, *b, dtype=d), validate_args=c
    ),
    "uniform": lambda b, d, c: HypersphericalUniform(3, b, d, validate_args=c),
    "correlated": lambda b, d, c: CorrelatedNormal(
        full(0.0, *b, 3, dtype=d), full(1.0, *b, 3, dtype=d), full(0.5, 3, 1, dtype=d), validate_args=c
    ),
    "logistic": lambda b, d, c: DiscretizedLogisticMixture(
        full(0.0, *b, 2, dtype=d), full(1.0, *b, 2, dtype=d), full(1.0, *b, 2, dtype=d), 9, validate_args=c
    ),
    "grey levels": lambda b, d, c: GreyLevels(logits=full(0.0, *b, 5, dtype=d), validate_args=c),
    "Gaussians": lambda b, d, c: GaussianMixture(
        full(0.0, *b, 2, dtype=d), full(1.0, *b, 2, 3, dtype=d), torch.eye(3, dtype=d).expand(*b, 2, 3, 3), c
    ),
    "autoregressive": _autoregressive,
} | {f"flow {family}": _flow(family) for family in FLOWS}


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


@pytest.mark.parametrize("checked", [True, False])
def test_a_larger_batch_keeps_class_checks_and_values(make, checked):
    p = make((3, 1), torch.float64, checked)

    class Own(type(p)):
        """A subclass, with something of its own."""

    p.__class__, p.note = Own, "kept"
    q = p.expand((4, 3, 2))
    assert type(q) is Own and q.note == "kept" and q._validate_args == p._validate_args
    assert q.batch_shape == (4, 3, 2) and q.event_shape == p.event_shape and p.batch_shape == (3, 1)
    z = q.sample()
    assert z.shape == (4, 3, 2, *p.event_shape)
    torch.testing.assert_close(q.log_prob(z), p.log_prob(z))
    for wrong in ((4, 3), (3, 2, 2), ()):
        with pytest.raises((ValueError, RuntimeError), match="batch_shape|expand"):
            p.expand(wrong)


def test_no_draws_are_drawn(make):
    for batch in ((), (2,)):
        p = make(batch, torch.float64, True)
        for shape in ((0,), (2, 0)):
            z = p.sample(shape)
            assert z.shape == (*shape, *batch, *p.event_shape) and p.log_prob(z).shape == (*shape, *batch)
            if p.has_rsample:
                assert p.rsample(shape).shape == z.shape
            if isinstance(p, FlowDistribution):
                assert p.log_prob(z).shape == p.rsample_and_log_prob(shape)[1].shape == (*shape, *batch)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["vMF", "uniform", "correlated", "logistic", "grey levels", "Gaussians"])
def test_half_precision_has_draws_and_densities(name, dtype):
    p = MAKE[name]((2,), dtype, True)
    z = p.sample((3,))
    exact = MAKE[name]((2,), torch.float32, False).log_prob(z.float())
    assert z.dtype == dtype and p.log_prob(z).dtype == dtype
    torch.testing.assert_close(p.log_prob(z).float(), exact, rtol=0.03, atol=0.03)


def test_a_copy_is_another_distribution(make):
    p = make((2,), torch.float64, False)
    z = p.sample()
    torch.testing.assert_close(copy.deepcopy(p).log_prob(z), p.log_prob(z))


@pytest.mark.usefixtures("unchecked")
def test_errors_name_the_parameter_that_does_not_fit():
    one = torch.ones(3, 2)
    for wrong, name in (
        ((one, torch.ones(4, 2), one), "loc: expected a shape that broadcasts with"),
        ((one, one, torch.ones(3, 5)), "scale: expected a shape that broadcasts with"),
        ((one.long(), one, one), "logits: expected a floating-point tensor"),
        ((one, one, 1.0), "scale: expected a floating-point tensor"),
        ((one, torch.tensor(1.0), one), "loc: expected at least one dimension"),
    ):
        with pytest.raises(ValueError, match=f"^{name}"):
            DiscretizedLogisticMixture(*wrong, 9)
    with pytest.raises(ValueError, match="^num_values: expected a whole number of at least 2, got 1"):
        DiscretizedLogisticMixture(one, one, one, 1)
    with pytest.raises(ValueError, match="^loc, scale, coefficients: expected"):
        CorrelatedNormal(torch.tensor(0.0), torch.tensor(1.0), torch.zeros(3, 1))


def test_a_unit_vector_of_a_narrower_type_is_one_in_a_wider_type():
    z = normalize(torch.randn(100, 5, dtype=torch.float64), dim=-1)
    for narrow in (torch.float32, torch.float16, torch.bfloat16):
        for wide in (torch.float32, torch.float64):
            p = VonMisesFisher(z.to(narrow).to(wide), 2.0, validate_args=True)
            assert p.log_prob(z.to(narrow).to(wide)).isfinite().all()
    for wrong in (z * 1.001, z * 0.99, z * 0):
        with pytest.raises(ValueError, match="loc"):
            VonMisesFisher(wrong, 2.0, validate_args=True)


def test_numbers_of_draws_that_are_no_shape_are_named(make, unchecked):
    p = make((2,), torch.float64, True)
    for wrong in (5, (-1,), (1.5,), "ab", None):
        for draw in (p.sample, p.rsample) if p.has_rsample else (p.sample,):
            with pytest.raises(ValueError, match="^sample_shape: expected a sequence of whole numbers"):
                draw(wrong)


def test_values_that_fit_no_batch_are_refused_and_others_have_the_shape_of_both(make, unchecked):
    p = make((3,), torch.float64, True)
    z = p.sample()
    assert p.log_prob(z[0]).shape == (3,) and p.log_prob(z[:, None]).shape == (3, 3)
    for wrong in (z[:2], z.tolist()):
        with pytest.raises(ValueError, match="[Vv]alue"):
            p.log_prob(wrong)


def test_what_is_known_of_the_class_is_said_by_it(make):
    """As torch's and Pyro's generic code asks for it: supports by the class, event dimensions of parameters."""
    p = make((2,), torch.float64, True)
    assert isinstance(type(p).support, constraints.Constraint)
    assert type(p).support.event_dim == p.support.event_dim == len(p.event_shape)
    for name, constraint in p.arg_constraints.items():
        assert constraint.event_dim <= getattr(p, name).ndim
        if not constraints.is_dependent(constraint) and type(constraint) in transform_to._registry:
            value = transform_to(constraint)(torch.randn(4, 3, 3, dtype=torch.float64))
            assert constraint.check(value).all()


@pytest.mark.parametrize("normal", [DiagonalNormal, TransformedNormal])
def test_parameters_that_are_not_looked_at_have_event_dimensions_too(normal):
    assert [c.event_dim for c in normal.arg_constraints.values()] == [0, 0]


def test_a_concentration_can_be_made_of_any_number():
    raw = torch.linspace(-20, 20, 9)
    for transforms in (transform_to, biject_to):
        kappa = transforms(VonMisesFisher.arg_constraints["concentration"])(raw)
        assert (kappa > 0).all() and kappa.isfinite().all()


@pytest.mark.parametrize("name", ["correlated", "Gaussians"])
def test_parameters_of_two_precisions_are_taken_in_the_wider_one(name):
    narrow, wide = (MAKE[name]((2,), dtype, True) for dtype in (torch.float32, torch.float64))
    x = wide.sample((3,))
    for mixed in itertools.product((narrow, wide), repeat=3):
        names = list(wide.arg_constraints)
        p = type(wide)(*(getattr(q, n) for q, n in zip(mixed, names, strict=True)))
        dtype = torch.float32 if all(q is narrow for q in mixed) else torch.float64
        assert p.sample().dtype == p.variance.dtype == p.log_prob(x.to(dtype)).dtype == dtype
        torch.testing.assert_close(p.log_prob(x.to(dtype)).double(), wide.log_prob(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=f"^{names[0]}: expected a floating-point tensor, got torch.int64"):
        type(wide)(*(getattr(wide, n).long() for n in names))


def test_every_distribution_is_one():
    assert all(isinstance(make((2,), torch.float64, True), Distribution) for make in MAKE.values())


@pytest.mark.parametrize("name", [name for name in MAKE if not name.startswith(("flow", "autoregressive"))])
def test_stated_moments_are_those_of_draws(name):
    p = MAKE[name]((2,), torch.float64, True)
    torch.manual_seed(0)
    x = p.sample((20_000,))
    mean, variance = x.mean(0), x.var(0)
    torch.testing.assert_close(p.mean.expand_as(mean), mean, rtol=0, atol=6 * float((variance / len(x)).max()) ** 0.5)
    torch.testing.assert_close(p.variance.expand_as(variance), variance, rtol=0.1, atol=1e-9)


@pytest.mark.parametrize("p", [HypersphericalUniform(3), VonMisesFisher(torch.eye(3)[0], 2.0)])
def test_points_that_are_no_floats_of_the_sphere_are_named(p, unchecked) -> None:
    for value, got in (
        (torch.tensor([1, 0, 0]), r"torch.int64 \(3,\)"),
        ([1.0, 0.0, 0.0], "list"),
        (torch.eye(4)[0], r"torch.float32 \(4,\)"),
    ):
        with pytest.raises(ValueError, match=rf"value: expected a floating-point tensor \(…, 3\), got {got}"):
            p.log_prob(value)


def test_sizes_and_concentrations_that_are_no_numbers_are_named(unchecked) -> None:
    with pytest.raises(ValueError, match=r"batch_shape: expected a sequence .*, such as \(4,\), got 4"):
        HypersphericalUniform(3, batch_shape=4)
    for wrong in (True, "2", torch.tensor(True), torch.tensor(1 + 2j), np.array(1j), np.array(True)):
        with pytest.raises(ValueError, match="concentration: expected a tensor or a number, got"):
            VonMisesFisher(torch.eye(3)[0], wrong)
    assert HypersphericalUniform(np.int64(3)).sample().shape == (3,)
    one = torch.ones(1)
    assert DiscretizedLogisticMixture(0 * one, one, one, np.int64(17)).log_probs.shape == (17,)
