"""Answers to the exercises of chapter 6."""

import math

import numpy as np
import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import pad

from tests.exercises.answers import right, wrong
from tests.exercises.asking import reference


@right("6.1")
def sweeps_in_lists(amplitude, noise, snr_db, rejected):
    rows = zip(*(part.double().tolist() for part in (amplitude, noise, snr_db, rejected)), strict=True)
    return [(n / a * 10 ** (db / 20)) ** 2 / (1 - r) for a, n, db, r in rows]


@wrong("6.1")
def at_least_one_sweep(amplitude, noise, snr_db, rejected):
    return reference("6.1")(amplitude, noise, snr_db, rejected).clamp(min=1)


@wrong("6.1")
def sweeps_above_zero_decibels(amplitude, noise, snr_db, rejected):
    return reference("6.1")(amplitude, noise, snr_db.abs(), rejected)


@right("6.2")
def terms_of_torch(x, loc, log_sigma, global_head, local_head):
    def kl(head):
        mean, log_scale = torch.tensor_split(head, 2, -1)
        return kl_divergence(Independent(Normal(mean, log_scale.exp()), 1), Independent(Normal(0 * mean, 1), 1))

    return [Normal(loc, log_sigma.exp()).log_prob(x).sum(-1), kl(global_head), kl(local_head)]


def terms_with(change):
    def terms(x, loc, log_sigma, global_head, local_head):
        return reference("6.2")(x, loc, *change(log_sigma, global_head, local_head))

    return terms


wrong("6.2")(terms_with(lambda s, g, h: (s, g.clamp(-10, 10), h)))
wrong("6.2")(terms_with(lambda s, g, h: (s, g.clamp(min=-40), h)))
wrong("6.2")(terms_with(lambda s, g, h: (s, g, h.clamp(max=40))))
wrong("6.2")(terms_with(lambda s, g, h: (s.clamp(min=-40), g, h)))
wrong("6.2")(terms_with(lambda s, g, h: (s.clamp(-7, 7), g, h)))
wrong("6.2")(terms_with(lambda s, g, h: (s, g[:, :12], h)))


@right("6.3")
def film_by_einsum(h, z, weight, bias):
    both = torch.einsum("od,bd->bo", weight, z).add(bias)
    gamma, beta = both[:, : h.size(1)], both[:, h.size(1) :]
    return torch.addcmul(h + beta, gamma, h)


@wrong("6.3")
def film_in_place(h, z, weight, bias):
    gamma, beta = (z @ weight.T + bias).chunk(2, -1)
    h *= 1 + gamma
    return h + beta


@wrong("6.3")
def film_with_a_bounded_scale(h, z, weight, bias):
    gamma, beta = (z @ weight.T + bias).chunk(2, -1)
    return (1 + gamma.clamp(-5, 5)) * h + beta


def peaks_by(mask):
    def peak_part(latency, amplitude, peaks, present):
        kept = mask(peaks, present)
        true = torch.where(kept[..., None], peaks, 0)
        squares = (((latency - true[..., 0]) / 0.2) ** 2 + ((amplitude - true[..., 1]) / 0.1) ** 2) / 2
        return torch.where(kept, squares, 0).sum(-1) / kept.sum(-1).clamp(min=1)

    return peak_part


right("6.4")(peaks_by(lambda peaks, present: present))
for mask in (
    lambda peaks, present: (peaks[..., 0] > 0) & (peaks[..., 0] < 9),
    lambda peaks, present: ~peaks.isnan().any(-1),
    lambda peaks, present: present & (peaks[..., 0] != 0),
    lambda peaks, present: present & (peaks[..., 0] > 0.5),
    lambda peaks, present: present | ((peaks[..., 0] > 1) & (peaks[..., 0] < 9)),
):
    wrong("6.4")(peaks_by(mask))


@wrong("6.4")
def peaks_without_nan(latency, amplitude, peaks, present):
    peaks = peaks.nan_to_num()
    squares = (((latency - peaks[..., 0]) / 0.2) ** 2 + ((amplitude - peaks[..., 1]) / 0.1) ** 2) / 2
    return (squares * present).sum(-1) / present.sum(-1).clamp(min=1)


@right("6.4")
def peaks_in_a_loop(latency, amplitude, peaks, present):
    found = []
    for row in range(len(latency)):
        costs = [
            ((latency[row, i] - peaks[row, i, 0]) / 0.2) ** 2 / 2
            + ((amplitude[row, i] - peaks[row, i, 1]) / 0.1) ** 2 / 2
            for i in range(present.shape[1])
            if present[row, i]
        ]
        found.append(sum(costs) / len(costs) if costs else 0.0)
    return found


def lag_by(softmax, least, reach=None):
    def lag(a, b, max_lag, temperature):
        def unit(signal):
            centred = signal - signal.mean(-1, keepdim=True)
            length = centred.norm(dim=-1, keepdim=True)
            varies = length > least
            return torch.where(varies, centred, 0) / torch.where(varies, length, 1)

        wide = max_lag if reach is None else min(max_lag, reach)
        a, padded = unit(a), pad(unit(b), (wide, wide))
        rho = torch.stack([(a * padded[:, i : i + a.shape[1]]).sum(-1) for i in range(2 * wide + 1)], -1)
        return (softmax(rho / temperature) * torch.arange(-wide, wide + 1) * 0.05).sum(-1)

    return lag


def plain_softmax(x):
    return torch.softmax(x, -1)


right("6.5")(lag_by(plain_softmax, 1e-6))
right("6.5")(lag_by(lambda x: torch.log_softmax(x, -1).exp(), 1e-9))
wrong("6.5")(lag_by(lambda x: x.exp() / x.exp().sum(-1, keepdim=True), 1e-6))
wrong("6.5")(lag_by(plain_softmax, 0.0))
wrong("6.5")(lag_by(plain_softmax, 0.05))
wrong("6.5")(lag_by(plain_softmax, 1e-3))
wrong("6.5")(lag_by(plain_softmax, 1e-6, reach=10))
wrong("6.5")(lag_by(lambda x: torch.softmax(x.clamp(-20, 20), -1), 1e-6))


@right("6.6")
def covered_in_numpy(means, sigma, x, levels):
    rank = np.vectorize(lambda score: (1 + math.erf(score / math.sqrt(2))) / 2)(((x - means) / sigma).numpy()).mean(0)
    return [float(np.mean(np.abs(2 * rank - 1) <= level)) for level in levels.tolist()]


@wrong("6.6")
def covered_by_one_gaussian(means, sigma, x, levels):
    spread = (sigma**2 + means.var(0, unbiased=False)).sqrt()
    score = ((x - means.mean(0)) / spread).abs()
    return torch.stack([(score <= math.sqrt(2) * torch.erfinv(level)).double().mean() for level in levels])


@wrong("6.6")
def covered_by_few_draws(means, sigma, x, levels):
    return reference("6.6")(means[:10], sigma, x, levels)


@wrong("6.6")
def covered_at_few_levels(means, sigma, x, levels):
    return torch.cat([reference("6.6")(means, sigma, x, levels[:4]), levels[4:]])


def probe(folds, penalty=lambda p: p):
    def r2(code, factors, fold, strength):
        guess = torch.zeros_like(factors)
        for k in folds(fold):
            test = fold == k
            x, y = code[~test], factors[:, ~test].T
            gram = (x - x.mean(0)).T @ (x - x.mean(0)) + penalty(strength) * torch.eye(x.shape[1]).double()
            weights = torch.linalg.solve(gram, (x - x.mean(0)).T @ (y - y.mean(0)))
            guess[:, test] = (y.mean(0) + (code[test] - x.mean(0)) @ weights).T
        return 1 - ((factors - guess) ** 2).sum(1) / ((factors - factors.mean(1, keepdim=True)) ** 2).sum(1)

    return r2


right("6.7")(probe(lambda fold: sorted(set(fold.tolist()))))
right("6.7")(probe(lambda fold: range(int(fold.max()) + 1)))
for folds in (
    lambda fold: range(5),
    lambda fold: range(10),
    lambda fold: range(len(fold.unique())),
    lambda fold: range(int(fold.max())),
    lambda fold: range(1, int(fold.max()) + 1),
):
    wrong("6.7")(probe(folds))
wrong("6.7")(probe(lambda fold: fold.unique(), lambda p: max(p, 0.05)))
wrong("6.7")(probe(lambda fold: fold.unique(), lambda p: min(p, 5)))


@right("6.8")
def shares_in_numpy(m):
    m = m.double().numpy()
    effect = np.stack(
        [m.mean(2) @ [-1, 1], m.mean(1) @ [-1, 1], (m[:, 0, 0] + m[:, 1, 1] - m[:, 0, 1] - m[:, 1, 0]) / 2]
    )
    return ((effect**2).sum(1) / (effect**2).sum()).tolist()


@wrong("6.8")
def shares_in_each_pair(m):
    return torch.stack([reference("6.8")(pair[None]) for pair in m]).mean(0)


@wrong("6.8")
def shares_around_the_whole_mean(m):
    by_global, by_local = m.mean((0, 2)), m.mean((0, 1))
    parts = torch.stack([by_global.var(unbiased=False), by_local.var(unbiased=False)]) / m.var(unbiased=False)
    return torch.cat([parts, 1 - parts.sum()[None]])
