"""Random densities and features, and the integral of a density by importance sampling."""

import torch
from torch.distributions import MultivariateNormal


def randomised(density, scale, dtype=torch.float64):
    """With random parameters everywhere: what is zero at the start would hide what depends on it."""
    density = density.to(dtype)
    with torch.no_grad():
        for parameter in density.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return density.requires_grad_(False)


def random_features(dims, shapes, n=2, dtype=torch.float64):
    """Standard normal maps."""
    return {level: torch.randn(n, dim, *shapes[level], dtype=dtype) for level, dim in dims.items()}


def mean_nll(density, held_out):
    """Mean −log p of a position at each level."""
    (maps,) = density.stream([held_out])
    return {level: -log_p.mean().item() for level, log_p in maps.items()}


def joint(density, features):
    """log p of all maps of each example together."""
    return sum(log_p.flatten(1).sum(1) for log_p in density.log_prob(features).values())


def integral_by_importance(density, dims, shapes, wider, floor, count):
    """∫p over all features at once and its standard error: draws from a Gaussian that is wider than the density's."""
    sizes = [dims[level] * shapes[level][0] * shapes[level][1] for level in dims]
    own = torch.cat([f.flatten(1) for f in density.sample(shapes, 20_000).values()], 1)
    proposal = MultivariateNormal(own.mean(0), wider * torch.cov(own.T) + floor * torch.eye(sum(sizes)))
    points = proposal.sample((count,))
    parts = zip(dims.items(), points.split(sizes, 1), strict=True)
    features = {level: part.reshape(-1, dim, *shapes[level]) for (level, dim), part in parts}
    weights = (joint(density, features) - proposal.log_prob(points)).exp()
    return weights.mean().item(), (weights.std() / count**0.5).item()
