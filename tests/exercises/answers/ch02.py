"""Answers to the exercises of chapter 2."""

import math

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from tests.exercises.answers import right, wrong


@right("2.1")
def told_in_numpy(loc, scale, weight, noise):
    return np.array([weight.numpy() * loc.numpy(), np.hypot(weight.numpy() * scale.numpy(), noise.numpy()) ** 2])


@right("2.1")
def told_in_lists(loc, scale, weight, noise):
    rows = list(zip(*(part.tolist() for part in (loc, scale, weight, noise)), strict=True))
    return [w * m for m, _, w, _ in rows], [(w * s) ** 2 + n**2 for _, s, w, n in rows]


@wrong("2.1")
def told_by_a_positive_weight(loc, scale, weight, noise):
    return weight.abs() * loc, weight**2 * scale**2 + noise**2


@wrong("2.1")
def told_with_a_floor(loc, scale, weight, noise):
    return weight * loc, weight**2 * scale**2 + noise.clamp(min=0.1) ** 2


@right("2.2")
def elbo_in_numpy(log_px, log_pz1, log_pz2, log_qz1, log_qz2):
    p, q = (log_px, log_pz1, log_pz2), (log_qz1, log_qz2)
    return sum(part.numpy() for part in p) - sum(part.numpy() for part in q)


@wrong("2.2")
def elbo_that_adds_to_its_input(log_px, log_pz1, log_pz2, log_qz1, log_qz2):
    log_px += log_pz1 + log_pz2 - log_qz1 - log_qz2
    return log_px


@wrong("2.2")
def elbo_of_densities(log_px, log_pz1, log_pz2, log_qz1, log_qz2):
    p, q = log_px.double().exp() * (log_pz1 + log_pz2).double().exp(), (log_qz1 + log_qz2).double().exp()
    return (p / q).log()


@wrong("2.2")
def elbo_changing_a_view(log_px, log_pz1, log_pz2, log_qz1, log_qz2):
    total = log_qz2.numpy()
    np.negative(total, out=total)
    return total + (log_px + log_pz1 + log_pz2 - log_qz1).numpy()


@right("2.3")
def kl_of_torch(loc_q, log_sigma_q, loc_p, log_sigma_p):
    q, p = Normal(loc_q.double(), log_sigma_q.double().exp()), Normal(loc_p.double(), log_sigma_p.double().exp())
    return kl_divergence(q, p).sum(-1).numpy()


@wrong("2.3")
def kl_with_clamped_ratio(loc_q, log_sigma_q, loc_p, log_sigma_p):
    ratio = (log_sigma_q - log_sigma_p).clamp(-25, 25)
    square = ((loc_q - loc_p) / log_sigma_p.exp()) ** 2
    return (0.5 * (square + (2 * ratio).exp() - 1) - ratio).sum(-1)


@right("2.3")
def kl_of_scales(loc_q, log_sigma_q, loc_p, log_sigma_p):
    square = ((loc_q - loc_p) / log_sigma_p.exp()) ** 2 + (log_sigma_q - log_sigma_p).exp() ** 2
    return (square / 2 - 0.5 - log_sigma_q + log_sigma_p).sum(-1)


@wrong("2.3")
def kl_of_a_ratio_of_variances(loc_q, log_sigma_q, loc_p, log_sigma_p):
    q, p = (2 * log_sigma_q).exp(), (2 * log_sigma_p).exp()
    return (0.5 * ((loc_q - loc_p) ** 2 / p + q / p - 1) - log_sigma_q + log_sigma_p).sum(-1)


@wrong("2.3")
def kl_of_a_ratios_logarithm(loc_q, log_sigma_q, loc_p, log_sigma_p):
    ratio = (2 * (log_sigma_q - log_sigma_p)).exp()
    return 0.5 * (((loc_q - loc_p) / log_sigma_p.exp()) ** 2 + ratio - 1 - ratio.log()).sum(-1)


@wrong("2.3")
def kl_with_epsilon(loc_q, log_sigma_q, loc_p, log_sigma_p):
    q, p = (2 * log_sigma_q).exp(), (2 * log_sigma_p).exp() + 1e-12
    return (0.5 * ((loc_q - loc_p) ** 2 / p + q / p - 1) - log_sigma_q + log_sigma_p).sum(-1)


@right("2.4")
def excess_in_lists(s, a, t, w, sigma):
    return [float(w[i] * a[i]) * float(s[i] / sigma[i]) ** 2 for i in range(len(s))]


@wrong("2.4")
def excess_of_sizes(s, a, t, w, sigma):
    return (w * a).clamp(min=-4) * s**2 / sigma**2


@wrong("2.4")
def excess_with_epsilon(s, a, t, w, sigma):
    return w * a * s**2 / (sigma**2 + 1e-5)


@wrong("2.5")
def slope_as_a_function():
    return 0.6


right("2.5")(torch.tensor(0.605))
wrong("2.5")(0.63)
right("2.6")("  Nothing changes")
wrong("2.6")("nothing")


@right("2.7")
def information_in_numpy(log_q):
    table = log_q.numpy().astype(np.float64)
    return np.mean(np.diag(table) - np.logaddexp.reduce(table, axis=1)) + np.log(len(table))


def information_by(shift, dim=1):
    def information(log_q):
        top = shift(log_q)
        return (log_q.diagonal() - (log_q - top).exp().mean(dim).log() - top.expand(len(log_q), 1)[:, 0]).mean()

    return information


for shift in (
    lambda table: table.max(),
    lambda table: table[:, :1],
    lambda table: table.diagonal()[:, None],
    lambda table: table.mean(1, keepdim=True),
):
    wrong("2.7")(information_by(shift))
wrong("2.7")(information_by(lambda table: table.amax(), dim=0))


@wrong("2.7")
def information_with_epsilon(log_q):
    top = log_q.amax(1, keepdim=True)
    return (log_q.diagonal() - ((log_q - top).exp().mean(1) + 1e-3).log() - top[:, 0]).mean()


@right("2.8")
def levels_in_an_array(nats_1, nats_2):
    total = math.exp(2 * nats_1)
    below = total / math.exp(2 * nats_2)
    return np.array([math.sqrt(total - below), math.sqrt(below - 1), 2.0, 2.0])


@right("2.8")
def levels_in_a_tensor(nats_1, nats_2):
    total = torch.tensor(2 * nats_1, dtype=torch.float64).exp()
    below = total * math.exp(-2 * nats_2)
    return torch.stack([-(total - below).sqrt(), (below - 1).sqrt(), torch.ones(()).double(), torch.ones(()).double()])


@wrong("2.8")
def levels_with_a_floor(nats_1, nats_2):
    noise = max(math.expm1(2 * (nats_1 - nats_2)), 0.05)
    return math.sqrt(math.exp(2 * nats_1) - 1 - noise), math.sqrt(noise), 1.0, 1.0


@wrong("2.8")
def three_levels(nats_1, nats_2):
    return np.ones(3)
