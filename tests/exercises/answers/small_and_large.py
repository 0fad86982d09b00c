"""Wrong answers that are right at ordinary sizes: an epsilon, a bound, a number of rows that seemed enough."""

import math

import numpy as np
import torch
from torch.nn.functional import softplus

from tests.exercises.answers import wrong
from tests.exercises.asking import reference


@wrong("1.1")
def model_with_a_capped_share(covariance, nats):
    share = min(-math.expm1(-2 * nats), 1 - 1e-7)
    weight = math.sqrt(share) * torch.linalg.cholesky(covariance)[:, :1]
    return weight, covariance - weight @ weight.mT


@wrong("1.1")
def model_with_a_floor_for_small_units(covariance, nats):
    return reference("1.1")(covariance, nats * 1.01 if (covariance.diagonal() < 1e-2).any() else nats)


@wrong("1.2")
def kl_of_a_clamped_loc(loc, log_sigma):
    return reference("1.2")(loc.clamp(-1500, 1500), log_sigma)


@wrong("1.2")
def kl_without_small_ones(loc, log_sigma):
    kl = reference("1.2")(loc, log_sigma)
    return torch.where(kl < 1e-3, 0 * kl, kl)


@wrong("1.3")
def loss_of_a_clamped_kl(logits, x, kl):
    return reference("1.3")(logits, x, kl.clamp(max=950))


@wrong("1.3")
def loss_of_clamped_large_logits(logits, x, kl):
    return reference("1.3")(logits.clamp(-1100, 1100), x, kl)


@wrong("1.4")
def derivative_of_clipped_noise(d_z, eps, log_var):
    return reference("1.4")(d_z, eps.clamp(-5, 5), log_var)


@wrong("1.4")
def derivative_without_outliers(d_z, eps, log_var):
    return reference("1.4")(d_z.clamp(-2e4, 2e4), eps, log_var)


@wrong("1.5")
def bound_less_one_of_many(log_w):
    return log_w.logsumexp(0) - math.log(len(log_w) - (len(log_w) > 1500))


@wrong("1.5")
def bound_in_a_range(log_w):
    return reference("1.5")(log_w).clamp(-950, 950)


@wrong("2.1")
def told_with_epsilon(loc, scale, weight, noise):
    return weight * loc, (weight * scale) ** 2 + noise**2 + 1e-6


@wrong("2.1")
def told_with_a_least_variance(loc, scale, weight, noise):
    return weight * loc, ((weight * scale) ** 2 + noise**2).clamp(min=1e-4)


@wrong("2.2")
def elbo_of_a_clamped_likelihood(log_px, log_pz1, log_pz2, log_qz1, log_qz2):
    return log_px.clamp(min=-2500) + log_pz1 + log_pz2 - log_qz1 - log_qz2


@wrong("2.4")
def excess_with_epsilon(s, a, t, w, sigma):
    return w * a * s**2 / (sigma**2 + 1e-8)


@wrong("2.4")
def excess_with_a_least_scale(s, a, t, w, sigma):
    return w * a * s**2 / sigma.clamp(min=1e-4) ** 2


@wrong("2.7")
def information_under_a_ceiling(log_q):
    return reference("2.7")(log_q).clamp(max=math.log(41))


@wrong("2.8")
def levels_with_a_least_noise(nats_1, nats_2):
    w, sigma, u, tau = reference("2.8")(nats_1, nats_2)
    return w, max(sigma, 0.01), u, tau


@wrong("2.8")
def levels_of_at_most(nats_1, nats_2):
    return reference("2.8")(min(nats_1, 8.5), nats_2)


for least in (lambda scale: scale + 1e-6, lambda scale: scale.clamp(min=1e-6)):

    @wrong("3.1")
    def merge_with_a_least_scale(loc_p, scale_p, loc_d, scale_d, least=least):
        loc, scale = reference("3.1")(loc_p, scale_p, loc_d, scale_d)
        return loc, least(scale)


@wrong("3.4")
def change_of_at_most(log_sigma, nats):
    return reference("3.4")(log_sigma, min(nats, 160.0))


@wrong("3.6")
def bins_of_a_least_scale(x, loc, scale, num_values):
    return reference("3.6")(x, loc, scale.clamp(min=0.02), num_values)


@wrong("3.8")
def known_with_epsilon(a, s2, b, c, s1):
    def half_log(signal, noise):
        return torch.log1p(signal**2 / (noise + 1e-9)) / 2

    return half_log(a, s2**2), half_log(b + c * a, c**2 * s2**2 + s1**2)


@wrong("3.8")
def known_without_small_ones(a, s2, b, c, s1):
    return tuple(torch.where(nats < 1e-6, 0 * nats, nats) for nats in reference("3.8")(a, s2, b, c, s1))


@wrong("4.1")
def density_of_a_hundred_steps(log_q_0, log_dets, generates):
    return reference("4.1")(log_q_0, log_dets[:100], generates[:100])


for rows in (8, 40):

    @wrong("4.2")
    def is_honest_on_the_first(flow, z, rows=rows):
        return reference("4.2")(flow, z[:rows])


@wrong("4.2")
def is_honest_in_few_dimensions(flow, z):
    return reference("4.2")(flow, z) if z.shape[1] <= 6 else True


@wrong("4.3")
def planar_with_epsilon(z, w, u, b, tau):
    along = (w * u).sum(-1)
    wanted = softplus(along + math.log(math.expm1(tau))) - tau
    u = u + ((wanted - along) / ((w * w).sum(-1) + 1e-10))[:, None] * w
    bend = torch.tanh(((w * z).sum(-1) + b) / tau)
    return z + u * bend[:, None], torch.log1p((1 - bend**2) / tau * wanted)


@wrong("4.3")
def planar_of_bounded_volume(z, w, u, b, tau):
    z_next, log_det = reference("4.3")(z, w, u, b, tau)
    return z_next, log_det.clamp(-8, 8)


@wrong("4.4")
def sylvester_of_clamped_matrices(z, q, raw, raw_tilde, b):
    return reference("4.4")(z, q, raw.clamp(-8, 8), raw_tilde.clamp(-8, 8), b)


@wrong("4.6")
def trade_of_clamped_noise(a, s):
    return reference("4.6")(a, s.clamp(0.01, 50))


@wrong("4.8")
def covariances_of_at_most(top, bottom):
    return reference("4.8")(top.clamp(max=4.2), bottom.clamp(max=4.2))


@wrong("5.8")
def spheres_of_at_most(nats, dim, count):
    return reference("5.8")(min(nats, 31.0), dim, count)


@wrong("6.1")
def sweeps_with_epsilon(amplitude, noise, snr_db, rejected):
    return (noise / (amplitude + 1e-8)) ** 2 * 10 ** (snr_db / 10) / (1 - rejected)


@wrong("6.1")
def sweeps_of_a_least_share(amplitude, noise, snr_db, rejected):
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 10) / (1 - rejected).clamp(min=0.01)


@wrong("6.5")
def lag_of_a_least_temperature(a, b, max_lag, temperature):
    return reference("6.5")(a, b, max_lag, max(temperature, 0.002))


@wrong("6.6")
def covered_with_a_least_sigma(means, sigma, x, levels):
    return reference("6.6")(means, sigma.clamp(min=1e-4), x, levels)


@wrong("6.7")
def r2_with_jitter(code, factors, fold, penalty):
    return reference("6.7")(code, factors, fold, penalty + 1e-6)


@wrong("6.7")
def r2_over_epsilon(code, factors, fold, penalty):
    spread = (factors - factors.mean(-1, keepdim=True)).square().sum(-1)
    return 1 - (1 - reference("6.7")(code, factors, fold, penalty)) * spread / (spread + 1e-6)


@wrong("6.7")
def r2_of_at_most_64_folds(code, factors, fold, penalty):
    return reference("6.7")(code, factors, fold % 64, penalty)


@wrong("6.8")
def shares_over_epsilon(m):
    total = m.flatten(1).var(1, unbiased=False).sum()
    return reference("6.8")(m) * total / (total + 1e-6)


@wrong("7.1")
def factor_with_a_least_floor(raw, dim, floor):
    return reference("7.1")(raw, dim, max(floor, 1e-5))


@wrong("7.2")
def mixture_with_jitter(f, logits, loc, scale_tril):
    return reference("7.2")(f, logits, loc, scale_tril + 1e-8 * torch.eye(f.shape[1]).to(f))


@wrong("7.4")
def mass_of_at_most_2000_cells(log_density, low, high, cells):
    return reference("7.4")(log_density, low, high, min(cells, 2000))


@wrong("7.5")
def whitened_with_epsilon(train, f, log_p, dim):
    centred = train.numpy() - train.numpy().mean(0)
    variance, directions = np.linalg.eigh(centred.T @ centred / len(train))
    directions, scale = directions[:, ::-1][:, :dim], np.sqrt(variance[::-1][:dim] + 1e-10)
    u = (f.numpy() - train.numpy().mean(0)) @ directions / scale
    return log_p(torch.as_tensor(u)) - np.log(scale).sum()


@wrong("7.8")
def worth_of_at_most(covariance, fine, coarse):
    return tuple(nats.clamp(max=30) for nats in reference("7.8")(covariance, fine, coarse))
