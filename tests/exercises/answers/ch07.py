"""Answers to the exercises of chapter 7."""

import math

import numpy as np
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from torch.nn.functional import softplus

from tests.exercises.answers import right, wrong
from tests.exercises.asking import reference


def filled_by(diagonal):
    def scale_tril(raw, dim, floor):
        found = torch.zeros(len(raw), dim, dim, dtype=raw.dtype)
        place = dim
        for row in range(dim):
            found[:, row, row] = diagonal(raw[:, row], floor)
            for column in range(row):
                found[:, row, column] = raw[:, place]
                place += 1
        return found

    return scale_tril


right("7.1")(filled_by(lambda x, floor: softplus(x) + floor))
right("7.1")(filled_by(lambda x, floor: torch.logaddexp(x, torch.zeros_like(x)).add(floor)))
for diagonal in (
    lambda x, floor: (1 + x.exp()).log() + floor,
    lambda x, floor: torch.log1p(x.clamp(max=700).exp()) + floor,
    lambda x, floor: softplus(x).clamp(min=floor),
    lambda x, floor: softplus(x.clamp(min=-100)).detach() + floor,
):
    wrong("7.1")(filled_by(diagonal))


@right("7.2")
def mixture_of_torch(f, logits, loc, scale_tril):
    parts = MultivariateNormal(loc.double(), scale_tril=scale_tril.double())
    return MixtureSameFamily(Categorical(logits=logits.double()), parts).log_prob(f.double()).numpy()


def mixture_by(weigh, log_det, join):
    def log_density(f, logits, loc, scale_tril):
        white = torch.linalg.solve_triangular(scale_tril, (f[:, None] - loc)[..., None], upper=False)[..., 0]
        parts = -white.square().sum(-1) / 2 - log_det(scale_tril) - f.shape[1] / 2 * math.log(2 * math.pi)
        return join(weigh(logits) + parts)

    return log_density


def summed_logs(tril):
    return tril.diagonal(dim1=1, dim2=2).log().sum(-1)


def plain_log_softmax(logits):
    return logits.log_softmax(0)


def joined(parts):
    return parts.logsumexp(1)


right("7.2")(mixture_by(lambda v: v - v.logsumexp(0), summed_logs, joined))
wrong("7.2")(mixture_by(lambda v: (v.exp() / v.exp().sum()).log(), summed_logs, joined))
wrong("7.2")(mixture_by(plain_log_softmax, lambda tril: torch.linalg.det(tril).log(), joined))
wrong("7.2")(mixture_by(plain_log_softmax, summed_logs, lambda parts: parts.clamp(min=-700).exp().sum(1).log()))
wrong("7.2")(mixture_by(plain_log_softmax, summed_logs, lambda parts: (parts.exp().sum(1) + 1e-300).log()))
for count in (4, 8, 12, 16, 32):
    wrong("7.2")(mixture_by(plain_log_softmax, summed_logs, lambda parts, n=count: parts[:, :n].logsumexp(1)))
wrong("7.2")(mixture_by(lambda v: (v.softmax(0) + 1e-8).log(), summed_logs, joined))


@right("7.3")
def cost_in_numpy(channels, dims, positions, components):
    c, d, n = (part.numpy().astype(object) for part in (channels, dims, positions))
    k = components
    full, reduced = (k - 1 + k * x + k * x * (x + 1) // 2 for x in (c, d))
    return [list(map(int, part)) for part in (full, reduced + c + c * d, 4 * n * k * c * c)]


@wrong("7.3")
def cost_in_int32(channels, dims, positions, components):
    full, reduced, memory = reference("7.3")(channels.int(), dims.int(), positions.int(), components)
    return full, reduced, memory


@wrong("7.3")
def cost_in_float32(channels, dims, positions, components):
    return reference("7.3")(channels.float(), dims.float(), positions.float(), components)


@wrong("7.3")
def cost_of_eight_components(channels, dims, positions, components):
    return reference("7.3")(channels, dims, positions, min(components, 12))


def mass_by(join, axis=lambda low, high, cells: (torch.arange(cells) + 0.5) / cells):
    def log_mass(log_density, low, high, cells):
        axes = [lo + (hi - lo) * axis(lo, hi, cells).double() for lo, hi in zip(low, high, strict=True)]
        points = torch.cartesian_prod(*axes).reshape(-1, len(low))
        return join(log_density(points)) + ((high - low) / cells).log().sum()

    return log_mass


right("7.4")(mass_by(lambda logs: torch.logsumexp(logs, 0).item()))
wrong("7.4")(mass_by(lambda logs: logs.exp().sum().log()))
wrong("7.4")(mass_by(lambda logs: (logs - 900).exp().sum().log() + 900))
wrong("7.4")(mass_by(lambda logs: (logs - logs[0]).exp().sum().log() + logs[0]))
wrong("7.4")(mass_by(lambda logs: logs.logsumexp(0), lambda lo, hi, cells: (torch.arange(cells) + 0.5 + 1e-2) / cells))
wrong("7.4")(mass_by(lambda logs: logs[:60_000:2].logsumexp(0) + math.log(2)))


@right("7.5")
def whitened_by_svd(train, f, log_p, dim):
    train = train.numpy()
    mean = train.mean(0)
    _, scales, directions = np.linalg.svd(train - mean, full_matrices=False)
    scales = scales[:dim] / np.sqrt(len(train))
    u = (f.numpy() - mean) @ directions[:dim].T / scales
    return np.asarray(log_p(torch.as_tensor(u))) - np.log(scales).sum()


@wrong("7.5")
def whitened_with_epsilon(train, f, log_p, dim):
    centred = train - train.mean(0)
    variance, directions = torch.linalg.eigh(centred.T @ centred / len(train) + 1e-7 * torch.eye(train.shape[1]))
    scale = variance.flip(0)[:dim].sqrt()
    return log_p((f - train.mean(0)) @ directions.flip(1)[:, :dim] / scale) - scale.log().sum()


@wrong("7.5")
def whitened_without_a_mean_of_the_products(train, f, log_p, dim):
    """E[x xᵀ] − m mᵀ in float32: exact enough near 0 only."""
    x = train.float()
    covariance = (x.T @ x / len(x) - torch.outer(x.mean(0), x.mean(0))).double()
    variance, directions = torch.linalg.eigh(covariance)
    scale = variance.flip(0)[:dim].clamp(min=1e-12).sqrt()
    return log_p((f - train.mean(0)) @ directions.flip(1)[:, :dim] / scale) - scale.log().sum()


def reads_by(rounds, steps):
    def reads(sources, targets, nodes, layers):
        edges = np.zeros((nodes, nodes), dtype=bool)
        edges[targets.numpy(), sources.numpy()] = True
        heard = edges.copy()
        for _ in range(rounds(layers) - 1):
            heard = heard | (heard @ edges)
        far = edges.copy()
        for _ in range(steps(nodes)):
            far = far | (far @ edges)
        return heard, not far.diagonal().any()

    return reads


def reads_by_counting(dtype):
    def reads(sources, targets, nodes, layers):
        edges = torch.zeros(nodes, nodes, dtype=dtype)
        edges[targets, sources] = 1

        def ways(steps):
            found = torch.zeros_like(edges)
            for _ in range(steps):
                found = edges @ found + edges
            return found

        return ways(layers) > 0, not bool((ways(nodes).diagonal() > 0).any())

    return reads


for dtype in (torch.int32, torch.int64, torch.float16):
    wrong("7.6")(reads_by_counting(dtype))
right("7.6")(reads_by(lambda layers: layers, lambda nodes: nodes))
wrong("7.6")(reads_by(lambda layers: min(layers, 10), lambda nodes: nodes))
wrong("7.6")(reads_by(lambda layers: min(layers, 50), lambda nodes: nodes))
wrong("7.6")(reads_by(lambda layers: layers, lambda nodes: 10))
wrong("7.6")(reads_by(lambda layers: layers, lambda nodes: 32))
wrong("7.6")(reads_by(lambda layers: layers, lambda nodes: 0))


@right("7.7")
def area_by_ranks(scores, masks):
    values, foreign = scores.flatten().numpy(), masks.flatten().numpy()
    kinds, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n = foreign.sum()
    return (ranks[foreign].sum() - n * (n + 1) / 2) / (n * (len(values) - n))


@wrong("7.7")
def area_of_rounded_scores(scores, masks):
    return reference("7.7")((scores * 1e6).round(), masks)


@wrong("7.7")
def area_over_thresholds(scores, masks):
    levels = torch.quantile(scores.flatten(), torch.linspace(1, 0, 200).to(scores))
    hits = torch.stack([(scores[masks] >= level).double().mean() for level in levels])
    alarms = torch.stack([(scores[~masks] >= level).double().mean() for level in levels])
    return torch.trapezoid(torch.cat([torch.zeros(1), hits]), torch.cat([torch.zeros(1), alarms]))


@wrong("7.7")
def area_that_is_never_below_a_half(scores, masks):
    area = reference("7.7")(scores, masks)
    return torch.maximum(area, 1 - area)


def worth_by(jitter):
    def worth(covariance, fine, coarse):
        def log_det(*parts):
            index = sum(map(list, parts), [])
            return np.linalg.slogdet(covariance.numpy()[:, index][:, :, index] + jitter * np.eye(len(index)))[1] / 2

        f, g, c = range(fine), range(fine, fine + coarse), range(fine + coarse, covariance.shape[1])
        alone = log_det(f) + log_det(g) - log_det(f, g)
        return alone, log_det(f, c) - log_det(c) + log_det(g, c) - log_det(f, g, c)

    return worth


right("7.8")(worth_by(0.0))
wrong("7.8")(worth_by(1e-4))


def worth_from(half_log_det):
    def worth(covariance, fine, coarse):
        f, g, c = torch.arange(covariance.shape[1]).tensor_split([fine, fine + coarse])

        def h(*parts):
            index = torch.cat(parts)
            return half_log_det(covariance[:, index[:, None], index])

        return h(f) + h(g) - h(f, g), h(f, c) + h(g, c) - h(f, g, c) - h(c)

    return worth


right("7.8")(worth_from(lambda block: torch.linalg.cholesky(block).diagonal(dim1=1, dim2=2).log().sum(-1)))
wrong("7.8")(worth_from(lambda block: block.det().log() / 2))
wrong("7.8")(worth_from(lambda block: (block.det() + 1e-30).log() / 2))
wrong("7.8")(worth_from(lambda block: torch.logdet(block.float()) / 2))


@wrong("7.8")
def worth_that_only_falls(covariance, fine, coarse):
    alone, after = reference("7.8")(covariance, fine, coarse)
    return alone, torch.minimum(alone, after)


@wrong("7.8")
def worth_beside_three_values(covariance, fine, coarse):
    size = fine + coarse + 3
    return reference("7.8")(covariance[:, :size, :size], fine, coarse)
