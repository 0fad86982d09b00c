"""Answers to the exercises of chapter 5."""

import math

import numpy as np
import torch
from scipy import special
from torch.nn.functional import normalize, softplus

from hvae_ref.distributions import VonMisesFisher, bessel_ratio
from hvae_ref.exercises.ch05 import ex5_draws_of_the_cosine
from tests.exercises.answers import right, wrong
from tests.exercises.asking import reference


@right("5.1")
def expected_of_the_package(raw):
    return VonMisesFisher(normalize(raw[:, :-1], dim=1), softplus(raw[:, -1])).mean


def expected_by(softplus, length=lambda v: v.norm(dim=1, keepdim=True)):
    def expected(raw):
        loc, kappa = raw[:, :-1], softplus(raw[:, -1])
        return bessel_ratio(loc.shape[1] / 2 - 1, kappa)[:, None] * loc / length(loc)

    return expected


wrong("5.1")(expected_by(lambda x: (1 + x.exp()).log()))
wrong("5.1")(expected_by(lambda x: softplus(x).clamp(max=700)))
wrong("5.1")(expected_by(lambda x: softplus(x) + 1e-3))
wrong("5.1")(expected_by(softplus, lambda v: v.norm(dim=1, keepdim=True) + 1e-3))
wrong("5.1")(lambda raw: expected_by(softplus)(raw).detach())


@right("5.2")
def price_of_the_package(dim, concentration):
    loc = torch.eye(dim, dtype=concentration.dtype)[0].expand(len(concentration), dim)
    uniform = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    return VonMisesFisher(loc, concentration).entropy().neg() + uniform


@wrong("5.2")
def price_where_kappa_is_large(dim, concentration):
    return reference("5.2")(dim, concentration.clamp(max=1000))


@wrong("5.2")
def price_where_kappa_is_not_small(dim, concentration):
    return reference("5.2")(dim, concentration.clamp(min=0.005))


@wrong("5.2")
def price_without_a_gradient(dim, concentration):
    return reference("5.2")(dim, concentration.detach())


def constant_by_a_series(terms):
    def log_constant(dim, concentration):
        k, order = torch.arange(terms, dtype=torch.float64)[:, None], dim / 2 - 1
        logs = (2 * k + order) * (concentration / 2).log() - torch.lgamma(k + 1) - torch.lgamma(k + order + 1)
        return order * concentration.log() - dim / 2 * math.log(2 * math.pi) - logs.logsumexp(0)

    return log_constant


right("5.3")(constant_by_a_series(300))
right("5.3")(lambda dim, concentration: constant_by_a_series(150)(dim, concentration).tolist())
for terms in (10, 20, 30, 40):  # fifty are enough for κ = 60
    wrong("5.3")(constant_by_a_series(terms))


@wrong("5.3")
def constant_of_scipy(dim, concentration):
    kappa, order = concentration.numpy(), dim / 2 - 1
    return order * np.log(kappa) - dim / 2 * math.log(2 * math.pi) - np.log(special.ive(order, kappa)) - kappa


@right("5.4")
def orientation_in_numpy(loc):
    found = []
    for mu in loc.double().numpy():
        basis = np.linalg.qr(np.column_stack([mu, np.eye(len(mu))]))[0]
        basis[:, 0] = mu
        found.append(basis)
    return np.stack(found)


@wrong("5.4")
def orientation_by_a_difference(loc):
    axis = torch.eye(loc.shape[1])[:1]
    u = normalize(axis - loc, dim=1)
    return torch.eye(loc.shape[1]) - 2 * u[:, :, None] * u[:, None]


@wrong("5.4")
def orientation_of_a_rank_one_change(loc):
    """The rotation in the plane of e₁ and μ, which divides by 1 + μ₁."""
    axis = torch.eye(loc.shape[1])[0].expand_as(loc)
    skew = loc[:, :, None] * axis[:, None] - axis[:, :, None] * loc[:, None]
    return torch.eye(loc.shape[1]) + skew + skew @ skew / (1 + loc[:, :1, None] + 1e-7)


def inverse(dim, concentration, u):
    return ex5_draws_of_the_cosine._at(torch.as_tensor(u).double(), dim, concentration)


@right("5.5")
def cosines_in_numpy(dim, concentration, count):
    return inverse(dim, concentration, np.random.rand(count)).numpy()


@right("5.5")
def cosines_of_the_package(dim, concentration, count):
    loc = torch.eye(dim)[0]
    return VonMisesFisher(loc.double(), torch.tensor(concentration).double()).sample((count,))[:, 0].float()


@right("5.5")
def cosines_with_a_generator_of_its_own(dim, concentration, count):
    return inverse(dim, concentration, np.random.default_rng().random(count)).tolist()


@wrong("5.5")
def cosines_in_mirrored_pairs(dim, concentration, count):
    u = torch.rand((count + 1) // 2)
    return inverse(dim, concentration, torch.cat([u, 1 - u])[:count])


@wrong("5.5")
def cosines_in_shuffled_pairs(dim, concentration, count):
    u = torch.rand((count + 1) // 2).double()
    return inverse(dim, concentration, torch.cat([u, 1 - u])[:count][torch.randperm(count)])


@wrong("5.5")
def cosines_twice(dim, concentration, count):
    return inverse(dim, concentration, torch.rand((count + 1) // 2).repeat(2)[:count])


@wrong("5.5")
def cosines_twice_and_shuffled(dim, concentration, count):
    return cosines_twice(dim, concentration, count)[torch.randperm(count)]


@wrong("5.5")
def cosines_in_strata(dim, concentration, count):
    u = (torch.arange(count) + torch.rand(count).double()) / count
    return inverse(dim, concentration, u[torch.randperm(count)])


@wrong("5.5")
def cosines_with_a_seed(dim, concentration, count):
    torch.manual_seed(0)
    return inverse(dim, concentration, torch.rand(count))


@wrong("5.5")
def cosines_with_a_seeded_generator(dim, concentration, count):
    return inverse(dim, concentration, np.random.default_rng(3).random(count))


@wrong("5.5")
def cosines_of_a_chain(dim, concentration, count):
    keep = torch.rand(count) < 0.05
    u = torch.rand(count)
    last = torch.where(keep, torch.zeros(()), torch.arange(count).float()).cummax(0).values.long()
    return inverse(dim, concentration, u[last])


def moments(dim, concentration):
    t = inverse(dim, concentration, (torch.arange(20_000) + 0.5) / 20_000)
    return t.mean(), t.std()


@wrong("5.5")
def cosines_with_two_right_moments(dim, concentration, count):
    mean, spread = moments(dim, concentration)
    return (mean + spread * torch.randn(count).double()).clamp(-1, 1)


@wrong("5.5")
def cosines_of_a_beta_with_right_moments(dim, concentration, count):
    mean, spread = moments(dim, concentration)
    m, v = (mean + 1) / 2, spread**2 / 4
    size = m * (1 - m) / v - 1
    return 2 * torch.distributions.Beta(m * size, (1 - m) * size).sample((count,)) - 1


@wrong("5.5")
def cosines_of_a_logistic_normal(dim, concentration, count):
    t = inverse(dim, concentration, (torch.arange(20_000) + 0.5) / 20_000)
    logit = torch.logit((1 + t) / 2)
    return 2 * torch.sigmoid(logit.mean() + logit.std() * torch.randn(count).double()) - 1


def slope_by(nodes, power=0.0):
    def slope(t, dim, concentration):
        found = []
        for value, kappa in zip(t.tolist(), concentration.tolist(), strict=True):
            angle = np.arccos(value) + (np.pi - np.arccos(value)) * (np.arange(nodes) + 0.5) / nodes
            s = np.cos(angle)
            logs = kappa * (s - value) + (dim - 2) * np.log(np.sin(angle)) - (dim - 3) / 2 * np.log1p(-(value**2))
            centre = bessel_ratio(dim / 2 - 1, torch.tensor(kappa).double()).item()
            found.append(np.mean((centre - s) * np.exp(logs)) * (np.pi - np.arccos(value)))
        return found

    return slope


right("5.6")(slope_by(4000))
wrong("5.6")(slope_by(12))
wrong("5.6")(slope_by(25))
wrong("5.6")(lambda t, dim, concentration: slope_by(4000)(t, dim, concentration.clamp(min=0.5)))

right("5.7")(np.array([1.797, 19.7, 199.7]))
wrong("5.7")([1.797, 19.7, 300.0])


@right("5.8")
def unequal_spheres(nats, dim, count):
    dims = [2] * (count - 1) + [dim - 2 * (count - 1)]
    single = reference("5.8")
    return np.array(dims), torch.tensor([single(nats / count, m, 1)[1][0] for m in dims])


@wrong("5.8")
def at_most_four_spheres(nats, dim, count):
    return reference("5.8")(nats, dim, min(count, 4))


@wrong("5.8")
def spheres_of_three_dimensions(nats, dim, count):
    dims = [3] * (count - 1) + [dim - 3 * (count - 1)]
    return dims, [reference("5.8")(nats / count, max(m, 2), 1)[1][0] for m in dims]
