"""Distributions and Bessel functions under the transforms of torch: right, or refused in words."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch.autograd import forward_ad
from torch.distributions import Independent, kl_divergence
from torch.func import grad, hessian, jacfwd, jacrev, vmap
from torch.nn.functional import normalize

from hvae_ref.distributions import (
    CorrelatedNormal,
    DiscretizedLogisticMixture,
    HypersphericalUniform,
    VonMisesFisher,
    bessel_ratio,
    log_bessel_i,
    log_bessel_ive,
    log_bessel_normalized,
    log_bessel_scaled,
)
from hvae_ref.distributions.sphere.bessel import bessel_kl, bessel_ratio_complement, bessel_ratio_derivative

# Torch's own notes on what it does inside.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning"),
]

LOC = normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1)
KAPPA = torch.tensor([0.2, 3.0, 40.0], dtype=torch.float64)
POINT = torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.3, -0.2], [2.0, 1.0, 0.0]], dtype=torch.float64)
LAGS = torch.tensor([[0.0], [0.5], [-0.3]], dtype=torch.float64)

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Functions of one row (m) and one concentration.
ROWS: dict[str, tuple[Function, torch.Tensor]] = {
    "vMF log_prob": (lambda mu, k: VonMisesFisher(mu, k, validate_args=True).log_prob(mu.flip(-1)), LOC),
    "vMF entropy": (lambda mu, k: VonMisesFisher(mu, k).entropy(), LOC),
    "vMF variance": (lambda mu, k: VonMisesFisher(mu, k).variance.square().sum(-1), LOC),
    "vMF KL to vMF": (
        lambda mu, k: kl_divergence(VonMisesFisher(mu, k), VonMisesFisher(mu.flip(-1), 1.1 * k + 0.1)),
        LOC,
    ),
    "vMF KL to uniform": (
        lambda mu, k: kl_divergence(VonMisesFisher(mu, k), HypersphericalUniform(4, dtype=torch.float64)),
        LOC,
    ),
    "correlated normal": (lambda x, k: CorrelatedNormal(0 * x, k + x.exp(), LAGS).log_prob(x), POINT),
    "logistic mixture": (
        lambda x, k: DiscretizedLogisticMixture(x, 3 + x, k + x.square() + 0.1, 9).log_prob(torch.full_like(k, 4)),
        POINT,
    ),
}
BESSEL = {
    "log_i": log_bessel_i,
    "log_ive": log_bessel_ive,
    "log_normalized": log_bessel_normalized,
    "log_scaled": log_bessel_scaled,
    "ratio": bessel_ratio,
    "complement": bessel_ratio_complement,
    "ratio_derivative": bessel_ratio_derivative,
    "kl": bessel_kl,
}


@pytest.fixture(params=ROWS)
def row(request) -> tuple[Function, torch.Tensor]:
    return ROWS[request.param]


def differences(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    """The Jacobian of f at a vector, by central differences; x's dimension is the last one."""
    return torch.stack([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in torch.eye(len(x)).to(x)], -1)


def test_one_example_after_the_other_by_vmap(row) -> None:
    f, x = row
    torch.testing.assert_close(vmap(f)(x, KAPPA), torch.stack([f(a, k) for a, k in zip(x, KAPPA, strict=True)]))
    slopes = vmap(grad(f, argnums=1))(x, KAPPA)
    for a, k, slope in zip(x, KAPPA, slopes, strict=True):
        torch.testing.assert_close(differences(lambda k, a=a: f(a, k[0]), k[None])[0], slope, rtol=1e-6, atol=1e-8)


def test_derivatives_forwards_backwards_and_twice(row) -> None:
    f, x = row
    x, k = x[1], KAPPA[1]

    def both(joint: torch.Tensor) -> torch.Tensor:
        # The direction follows on the sphere where it is one.
        a = joint[:-1]
        return f(a / a.norm() if len(a) == 4 else a, joint[-1])

    joint = torch.cat([x, k[None]])
    expected = differences(both, joint)
    torch.testing.assert_close(jacrev(both)(joint), expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(jacfwd(both)(joint), expected, rtol=1e-6, atol=1e-8)
    expected = differences(jacrev(both), joint)
    torch.testing.assert_close(hessian(both)(joint), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("order", [0.0, 2.5, torch.tensor([0.0, 0.5, 7.0]).double()], ids=str)
@pytest.mark.parametrize("name", BESSEL)
def test_bessel_functions_have_every_derivative(name: str, order: float | torch.Tensor) -> None:
    f = BESSEL[name]
    x = torch.tensor([0.4, 3.0, 50.0], dtype=torch.float64)
    orders = order if isinstance(order, torch.Tensor) else torch.full_like(x, order)
    torch.testing.assert_close(vmap(f)(orders, x), f(order, x))
    torch.testing.assert_close(vmap(f, (None, 0))(2.0, x), f(2.0, x))
    derivative: Callable[[torch.Tensor], torch.Tensor] = lambda y: f(order, y)  # noqa: E731
    for _ in range(4):
        following = lambda y, d=derivative: grad(lambda t: d(t).sum())(y)  # noqa: E731
        torch.testing.assert_close(jacfwd(derivative)(x).diagonal(), following(x))
        step = 1e-3 * x
        fine = (derivative(x + step) - derivative(x - step)) * 8 - derivative(x + 2 * step) + derivative(x - 2 * step)
        torch.testing.assert_close(following(x), fine / (12 * step), rtol=1e-6, atol=1e-8)
        derivative = following


def test_forward_mode_inside_forward_mode_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="forward mode inside forward mode"):
        jacfwd(jacfwd(lambda y: bessel_ratio(0.5, y)))(KAPPA)


def drawn(loc: torch.Tensor, kappa: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return VonMisesFisher(loc, kappa, validate_args=False).rsample()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dim", [2, 3, 10])
def test_draws_follow_their_parameters_the_same_way_forwards_and_backwards(dim: int) -> None:
    loc = normalize(torch.randn(3, dim, dtype=torch.float64), dim=-1)
    for argument in (0, 1):
        backwards = jacrev(drawn, argnums=argument)(loc, KAPPA)
        assert backwards.abs().max() > 1e-3
        if argument == 0:
            # Of a change of μ, the part along μ is no change.
            tangent = normalize(torch.randn(3, dim, dtype=torch.float64), dim=-1)
            tangent = tangent - (tangent * loc).sum(-1, keepdim=True) * loc
            expected = (backwards * tangent).sum((-1, -2))
            forwards = torch.func.jvp(lambda m: drawn(m, KAPPA), (loc,), (tangent,))[1]
        else:
            expected = backwards.sum(-1)
            forwards = torch.func.jvp(lambda k: drawn(loc, k), (KAPPA,), (torch.ones(3).double(),))[1]
        torch.testing.assert_close(forwards, expected)


def test_a_derivative_of_a_draw_is_known_once_and_its_second_is_refused() -> None:
    def squares(mu: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return drawn(mu, k).pow(3).sum()

    for argument, name in ((0, "μ"), (1, "κ")):
        first = grad(squares, argument)
        torch.testing.assert_close(first(LOC, KAPPA), first(LOC, KAPPA))
        with pytest.raises(NotImplementedError, match=f"a draw of vMF by {name}: expected one derivative"):
            grad(lambda *a, f=first: f(*a).sum(), argument)(LOC, KAPPA)
        with pytest.raises(NotImplementedError, match=f"a draw of vMF by {name}: expected one derivative"):
            inputs = [LOC.clone().requires_grad_(), KAPPA.clone().requires_grad_()]
            (slope,) = torch.autograd.grad(squares(*inputs), inputs[argument], create_graph=True)
            torch.autograd.grad(slope.sum(), inputs[argument])


def test_forward_mode_without_torch_func_is_the_same_and_through_a_backward_pass_it_is_refused() -> None:
    kappa, tangent = KAPPA.clone().requires_grad_(), torch.ones(3).double()
    z = drawn(LOC, kappa)
    up = torch.randn_like(z)
    (expected,) = torch.autograd.grad(z, kappa, up)
    with forward_ad.dual_level():
        loc, dual = LOC.clone().requires_grad_(), forward_ad.make_dual(kappa, tangent)
        z = drawn(LOC, dual)
        torch.testing.assert_close((forward_ad.unpack_dual(z).tangent * up).sum(-1), expected)
        for draw, argument, name in ((drawn(loc, dual), loc, "μ"), (z, dual, "κ")):
            with pytest.raises(NotImplementedError, match=f"a draw of vMF by {name}: expected one derivative"):
                torch.autograd.grad(draw, argument, up)


def test_the_gradient_of_a_draw_can_be_differentiated_by_what_stands_above_it() -> None:
    kappa, weight = KAPPA.clone().requires_grad_(), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((weight * drawn(LOC, kappa)).sum(), kappa, create_graph=True)
    (by_weight,) = torch.autograd.grad(slope.sum(), weight)
    torch.testing.assert_close(by_weight, slope.detach().sum() / 2)


def test_vmap_draws_for_each_example() -> None:
    def draw(mu: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return VonMisesFisher(mu, k).rsample((5,))

    z = vmap(draw, randomness="different")(LOC, KAPPA)
    assert z.shape == (3, 5, 4)
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(3, 5, dtype=torch.float64))
    same = vmap(lambda _: (draw(LOC[0], KAPPA[0]) * LOC[0]).sum(-1), randomness="different")(KAPPA)
    assert (same[0] - same[1]).abs().min() > 0, "each example has cosines of its own"
    slopes = vmap(grad(lambda k, mu: (draw(mu, k) @ mu).sum()), randomness="different")(KAPPA, LOC)
    assert (slopes > 0).all()
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(draw)(LOC, KAPPA)
    with pytest.raises(NotImplementedError, match='expected randomness="different", got "same"'):
        vmap(draw, randomness="same")(LOC, KAPPA)


def test_checks_still_see_the_values_under_vmap(unchecked) -> None:
    with pytest.raises(ValueError, match="x: expected finite values of at least 0"):
        vmap(lambda x: bessel_ratio(0.5, x))(-KAPPA)


class Module(torch.nn.Module):
    """A function as a module, for export."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor, kappa: torch.Tensor) -> torch.Tensor:
        return self.function(x, kappa)


def test_exported_and_traced_they_are_the_same(row, unchecked) -> None:
    f, x = row
    exported = torch.export.export(Module(f), (x, KAPPA)).module()
    torch.testing.assert_close(exported(x, 2 * KAPPA), f(x, 2 * KAPPA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(f, (x, KAPPA))
    torch.testing.assert_close(traced(x, 2 * KAPPA), f(x, 2 * KAPPA))


def test_draws_are_exported_and_traced(unchecked) -> None:
    draw = Module(lambda mu, k: VonMisesFisher(mu, k).sample((7,)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(draw.function, (LOC, KAPPA), check_trace=False)
    for made in (torch.export.export(draw, (LOC, KAPPA)).module(), traced):
        first, second = made(LOC, KAPPA), made(LOC, KAPPA)
        torch.testing.assert_close(first.norm(dim=-1), torch.ones(7, 3, dtype=torch.float64))
        assert (first - second).abs().max() > 0


def test_independent_of_a_sphere_can_be_moved_onto_it() -> None:
    q = Independent(VonMisesFisher(LOC, KAPPA), 1)
    transform = torch.distributions.transform_to(q.support)
    z = transform(torch.randn(5, 3, 4, dtype=torch.float64))
    assert q.support.check(z).all() and q.log_prob(z).shape == (5,)
    torch.testing.assert_close(transform(transform.inv(z)), z)
    with pytest.raises(NotImplementedError, match="no bijection"):
        torch.distributions.biject_to(VonMisesFisher(LOC, KAPPA).support)
