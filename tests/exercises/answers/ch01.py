"""Answers to the exercises of chapter 1."""

import math

import numpy as np
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from tests.exercises.answers import right, wrong


@right("1.1")
def model_as_lists(covariance, nats):
    values, directions = np.linalg.eigh(covariance.double().numpy())
    share = 1 - math.exp(-2 * nats)
    weight = directions[:, -1:] * math.sqrt(share * values[-1])
    return weight.tolist(), (covariance.double().numpy() - weight @ weight.T).tolist()


@right("1.1")
def model_with_a_latent_for_each_value(covariance, nats):
    covariance = covariance.double()
    values, directions = torch.linalg.eigh(covariance)
    kept = math.exp(-2 * nats / len(values))
    return [directions * ((1 - kept) * values).sqrt(), np.asarray(kept * covariance)]


@right("1.1")
def model_in_the_given_type(covariance, nats):
    """In float32 where the covariance is: rounding must not decide."""
    values, directions = torch.linalg.eigh(covariance)
    kept = math.exp(-2 * nats / len(values))
    root = directions @ (values.sqrt()[:, None] * directions.mT)
    return math.sqrt(1 - kept) * root, kept * covariance


@wrong("1.1")
def model_with_a_floor(covariance, nats):
    weight = math.sqrt(min(1 - math.exp(-2 * nats), 0.9999)) * torch.linalg.cholesky(covariance)[:, :1]
    return weight, covariance - weight @ weight.mT


@wrong("1.1")
def model_with_jitter(covariance, nats):
    weight = math.sqrt(1 - math.exp(-2 * nats)) * torch.linalg.cholesky(covariance)[:, :1]
    return weight, covariance - weight @ weight.mT + 1e-6 * torch.eye(len(covariance)).to(covariance)


@wrong("1.1")
def model_of_the_first_variance(covariance, nats):
    """Exact only where the first value depends on no other."""
    weight = torch.zeros_like(covariance[:, :1])
    weight[0] = ((1 - math.exp(-2 * nats)) * covariance[0, 0]).sqrt()
    return weight, covariance - weight @ weight.mT


@right("1.2")
def kl_in_numpy(loc, log_sigma):
    loc, log_sigma = loc.numpy(), log_sigma.numpy()
    return np.sum((loc**2 + np.exp(2 * log_sigma) - 1) / 2 - log_sigma, axis=1)


@right("1.2")
def kl_of_torch(loc, log_sigma):
    return kl_divergence(Normal(loc, log_sigma.exp()), Normal(0.0, 1.0)).sum(1)


@right("1.2")
def kl_in_a_loop(loc, log_sigma):
    def one(m, s):
        return (m * m + math.exp(2 * s) - 1) / 2 - s

    rows = zip(loc.tolist(), log_sigma.tolist(), strict=True)
    return [sum(map(one, means, scales)) for means, scales in rows]


def clamped(low, high):
    def kl(loc, log_sigma):
        log_sigma = log_sigma.clamp(low, high)
        return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).sum(-1)

    return kl


for bounds in ((-20, 2), (-10, 10), (-30, 20), (-math.inf, 30), (-math.inf, 43.5)):
    wrong("1.2")(clamped(*bounds))


for least in (-30, -41, -43, -60, -100):
    wrong("1.2")(clamped(least, math.inf))


@wrong("1.2")
def kl_with_epsilon(loc, log_sigma):
    variance = (2 * log_sigma).exp() + 1e-8
    return 0.5 * (loc**2 + variance - 1 - variance.log()).sum(-1)


@wrong("1.2", "1.4")
def the_middle_of_the_range_alone(*arguments):
    return torch.zeros(len(arguments[0]))


@right("1.3")
def loss_of_torch(logits, x, kl):
    return float((kl - Bernoulli(logits=logits).log_prob(x).sum(1)).mean())


@right("1.3")
def loss_in_numpy(logits, x, kl):
    logits, x, kl = (np.asarray(part, dtype=np.float64) for part in (logits, x, kl))
    return np.mean(np.sum(np.logaddexp(0, logits) - x * logits, 1) + kl)


@wrong("1.3")
def loss_by_the_logarithm_of_a_sigmoid(logits, x, kl):
    p = logits.sigmoid()
    return (kl - (x * p.log() + (1 - x) * (1 - p).log()).nan_to_num(0).sum(-1)).mean()


@wrong("1.3")
def loss_of_probabilities(logits, x, kl):
    return (binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(-1) + kl).mean()


@wrong("1.3")
def loss_with_clamped_logits(logits, x, kl):
    logits = logits.clamp(-80, 80)
    return (torch.log1p(logits.exp()) - x * logits).sum(-1).mean() + kl.mean()


@wrong("1.3")
def loss_over_eps(logits, x, kl):
    p = logits.sigmoid().double()
    return (kl - (x * (p + 1e-7).log() + (1 - x) * (1 - p + 1e-7).log()).sum(-1)).mean()


@right("1.4")
def derivative_by_autograd(d_z, eps, log_var):
    v = log_var.clone().requires_grad_()
    loss = d_z * eps * torch.exp(v / 2) + (v.exp() - v) / 2
    return torch.autograd.grad(loss.sum(), v)[0].numpy()


@right("1.4")
def derivative_in_numpy(d_z, eps, log_var):
    d, e, v = (np.asarray(part, dtype=np.float64) for part in (d_z, eps, log_var))
    return d * e * np.exp(v / 2) / 2 + np.expm1(v) / 2


for answer in (
    lambda d, e, v: 0.5 * (d * e * (0.5 * v).exp() + v.exp() - 1),
    lambda d, e, v: 0.5 * ((0.5 * v).exp() * e * d + torch.expm1(v)),
    lambda d, e, v: torch.as_tensor(derivative_in_numpy(d, e, v)).to(v),
):
    right("1.4")(answer)


@wrong("1.4")
def derivative_of_a_clamped_head(d_z, eps, log_var):
    v = log_var.clamp(-30, 20)
    return 0.5 * (d_z * eps * (v / 2).exp() + v.exp() - 1)


@wrong("1.4")
def derivative_where_noise_is_positive(d_z, eps, log_var):
    return 0.5 * ((d_z * eps).clamp(min=-50) * (log_var / 2).exp() + log_var.exp() - 1)


@right("1.5")
def bound_in_numpy(log_w):
    log_w = log_w.double().numpy()
    return np.logaddexp.reduce(log_w, 0) - np.log(len(log_w))


@right("1.5")
def bound_in_a_loop(log_w):
    found = []
    for column in log_w.T.tolist():
        top = max(column)
        found.append(top + math.log(sum(math.exp(w - top) for w in column) / len(column)))
    return tuple(found)


def shifted_by(reduce, dtype=None):
    def bound(log_w):
        log_w = log_w if dtype is None else log_w.to(dtype)
        shift = reduce(log_w)
        return shift + (log_w - shift).exp().mean(0).log()

    return bound


for reduce in (
    lambda w: w.amin(0),
    lambda w: w.mean(0),
    lambda w: w[0],
    lambda w: w[-1],
    lambda w: w.median(0).values,
    lambda w: w.max(),
    lambda w: torch.tensor(-450.0),
    lambda w: torch.tensor(-900.0),
    lambda w: torch.tensor(0.0),
):
    wrong("1.5")(shifted_by(reduce))
    wrong("1.5")(shifted_by(reduce, torch.float64))


@wrong("1.5")
def bound_of_clamped_weights(log_w):
    return log_w.clamp(min=-600).logsumexp(0) - math.log(len(log_w))


for beta in (np.float32(12.6), 11.9, 13.1):
    right("1.7")(beta)
for beta in (11.8, 13.2, 13.5):
    wrong("1.7")(beta)
