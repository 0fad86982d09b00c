"""Answers to the exercises of chapter 3."""

import math

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from tests.exercises.answers import right, wrong


@right("3.1")
def merge_in_numpy(loc_p, scale_p, loc_d, scale_d):
    m, s, n, t = (part.numpy().astype(np.float64) for part in (loc_p, scale_p, loc_d, scale_d))
    return (m * t**2 + n * s**2) / (s**2 + t**2), s * t / np.hypot(s, t)


@wrong("3.1")
def merge_with_epsilon(loc_p, scale_p, loc_d, scale_d):
    p, d = 1 / (scale_p**2 + 1e-8), 1 / (scale_d**2 + 1e-8)
    return (p * loc_p + d * loc_d) / (p + d), (p + d) ** -0.5


@wrong("3.1")
def merge_of_clamped_scales(loc_p, scale_p, loc_d, scale_d):
    p, d = scale_p.clamp(1e-3, 1e3) ** -2, scale_d.clamp(1e-3, 1e3) ** -2
    return (p * loc_p + d * loc_d) / (p + d), (p + d) ** -0.5


right("3.2")(np.float64(2.85))
wrong("3.2")(-2.85)


@right("3.3")
def price_in_numpy(log_sigma, delta_loc, delta_log_sigma):
    parts = (np.asarray(part, dtype=np.float64) for part in (log_sigma, delta_loc, delta_log_sigma))
    log_sigma, delta, ratio = parts
    return ((np.square(delta * np.exp(-log_sigma)) + np.expm1(2 * ratio)) / 2 - ratio).sum(1)


@wrong("3.3")
def price_with_a_clamped_ratio(log_sigma, delta_loc, delta_log_sigma):
    ratio = delta_log_sigma.clamp(-30, 30)
    return (0.5 * ((delta_loc / log_sigma.exp()) ** 2 + (2 * ratio).exp() - 1) - ratio).sum(-1)


@wrong("3.3")
def price_with_epsilon(log_sigma, delta_loc, delta_log_sigma):
    square = (delta_loc / (log_sigma.exp() + 1e-10)) ** 2
    return (0.5 * (square + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1)


@right("3.4")
def change_that_moves_no_mean(log_sigma, nats):
    target, low, high = nats / log_sigma.shape[1], 0.0, 20.0
    for _ in range(200):
        ratio = (low + high) / 2
        low, high = (ratio, high) if math.expm1(2 * ratio) / 2 - ratio < target else (low, ratio)
    return log_sigma.numpy(), np.zeros(log_sigma.shape), np.full(log_sigma.shape, ratio)


@wrong("3.4")
def change_of_a_bounded_ratio(log_sigma, nats):
    target, low, high = nats / log_sigma.shape[1], 0.0, 2.0
    for _ in range(60):
        ratio = (low + high) / 2
        low, high = (ratio, high) if math.expm1(2 * ratio) / 2 - ratio < target else (low, ratio)
    return log_sigma, torch.zeros_like(log_sigma), torch.full_like(log_sigma, ratio)


@wrong("3.4")
def change_with_clamped_scales(log_sigma, nats):
    delta = torch.zeros_like(log_sigma)
    delta[:, -1] = math.sqrt(2 * nats) * log_sigma[:, -1].clamp(-4, 4).exp()
    return log_sigma, delta, torch.zeros_like(delta)


@right("3.6")
def bins_in_logarithms(x, loc, scale, num_values):
    x, loc, scale = x.double(), loc.double(), scale.double()
    above, below = (x + 0.5 - loc) / scale, (x - 0.5 - loc) / scale
    inner = logsigmoid(above) + logsigmoid(-below) + torch.log(-torch.expm1(-1 / scale))
    first, last = x == 0, x == num_values - 1
    return torch.where(first, logsigmoid(above), torch.where(last, logsigmoid(-below), inner)).sum(1).numpy()


def floored_bins(floor):
    def log_bins(x, loc, scale, num_values):
        upper = torch.where(x == num_values - 1, torch.ones_like(loc), torch.sigmoid((x + 0.5 - loc) / scale))
        lower = torch.where(x == 0, torch.zeros_like(loc), torch.sigmoid((x - 0.5 - loc) / scale))
        return floor(upper - lower).log().sum(-1)

    return log_bins


for least in (0.0, 1e-12, 1e-17, 1e-30, 1e-45, 1e-300):
    wrong("3.6")(floored_bins(lambda p, least=least: p.clamp(min=least)))
wrong("3.6")(floored_bins(lambda p: p + 1e-10))


@wrong("3.6")
def bins_with_clamped_arguments(x, loc, scale, num_values):
    above, below = ((x + half - loc) / scale for half in (0.5, -0.5))
    inner = torch.log(above.clamp(-90, 90).sigmoid() - below.clamp(-90, 90).sigmoid())
    outer = torch.where(x == 0, logsigmoid(above), logsigmoid(-below))
    return torch.where((x == 0) | (x == num_values - 1), outer, inner).sum(-1)


@wrong("3.6")
def bins_of_256_values(x, loc, scale, num_values):
    upper = torch.where(x >= 255, torch.ones_like(loc), torch.sigmoid((x + 0.5 - loc) / scale))
    lower = torch.where(x <= 0, torch.zeros_like(loc), torch.sigmoid((x - 0.5 - loc) / scale))
    return (upper - lower).log().sum(-1)


@right("3.7")
def bits_in_lists(nats, data_dim, num_values):
    return [(value / data_dim + math.log(num_values)) / math.log(2) for value in nats.tolist()]


@wrong("3.7")
def bits_that_are_not_negative(nats, data_dim, num_values):
    return ((nats + data_dim * math.log(num_values)) / (data_dim * math.log(2))).clamp(min=0)


@wrong("3.7")
def bits_of_eight(nats, data_dim, num_values):
    return nats / (data_dim * math.log(2)) + math.log2(num_values).__ceil__()


@right("3.8")
def known_in_numpy(a, s2, b, c, s1):
    a, s2, b, c, s1 = (part.numpy().astype(np.float64) for part in (a, s2, b, c, s1))
    z2, z1 = s2**2, (c * s2) ** 2 + s1**2
    return np.stack([np.log((a**2 + z2) / z2), np.log(((b + c * a) ** 2 + z1) / z1)]) / 2


@right("3.8")
def known_from_correlations(a, s2, b, c, s1):
    """As it stands in textbooks, −½ log(1 − ρ²)."""
    slope, noise = b + c * a, c**2 * s2**2 + s1**2
    return [-torch.log(1 - w**2 / (w**2 + v)) / 2 for w, v in ((a, s2**2), (slope, noise))]


@wrong("3.8")
def known_by_sizes(a, s2, b, c, s1):
    top = torch.log1p(a**2 / s2**2) / 2
    return top, torch.log1p((b + c * a) ** 2 / (c**2 * s2**2 + s1**2).clamp(min=1e-4)) / 2


@wrong("3.8")
def known_with_a_ceiling(a, s2, b, c, s1):
    top = torch.log1p(a**2 / s2**2) / 2
    return top.clamp(max=10), torch.log1p((b + c * a) ** 2 / (c**2 * s2**2 + s1**2)) / 2
