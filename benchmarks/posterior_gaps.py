"""The two gaps of chapter 4 where both can be computed, and what a longer training of the encoder leaves of them.

A decoder with two latents is trained without an encoder, by log p(x) itself. Then, for each family of posteriors, a
member is fitted to each of 48 test and 48 training images (the approximation gap, an upper bound of it), and encoders
are trained for 400 and for 1,600 steps on the 1,000 training images, the decoder held still. The nets of "gaussian,
wide" have more parameters than the flows' encoders. log p(x) is a sum over a grid of the plane.

All numbers are nats an image; log p(x) and bounds are those of the same images. A run that is recorded is not repeated.

    python benchmarks/posterior_gaps.py
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import torch
from recipe_runs import summary
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import softplus

from hvae_ref.data import load
from hvae_ref.flows import FlowDistribution, build_flow
from hvae_ref.models import VAE, dense
from hvae_ref.nn.layers import mlp
from hvae_ref.results.record import FOLDER, Record, command_line

FAMILIES: dict[str, tuple[str | None, tuple[int, ...]]] = {
    "gaussian": (None, (64, 64, 64)),
    "gaussian, wide": (None, (112, 112, 112)),
    "planar": ("planar", (64, 64, 64)),
    "triangular": ("triangular", (64, 64, 64)),
}
LENGTHS = (400, 1600)
SETTINGS = {
    "data": "digits, binarised by threshold, 1000/350/447 in file order",
    "model": "two latents, decoder of 64 and 64 units, 500 steps of maximum likelihood by 1,024 draws",
    "flow_steps": 4,
    "encoder": "three hidden layers, Adam, 4e-3 falling to 0 in the second half, batches of 100",
    "images": "48 of each split, one in every few of those ordered by how far their posterior is from a Gaussian",
}
GRID, SIDE = 4.5, 181
CELL = (2 * GRID / (SIDE - 1)) ** 2


def log_px_given_z(decoder: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) of every image (B, 64) at every z (M, 2): (B, M)."""
    logits = decoder.net(z)
    return x @ logits.T - softplus(logits).sum(1)


def log_prior(z: Tensor) -> Tensor:
    """log N(z; 0, I) in the plane."""
    return -z.square().sum(-1) / 2 - math.log(2 * math.pi)


def trained_decoder(images: Tensor, steps: int = 500) -> nn.Module:
    """A decoder that maximises log p(x), estimated by evenly scattered draws from the prior."""
    decoder = VAE.dense(64, (2,), hidden=(64, 64)).p_x_given_z1
    optimizer = torch.optim.Adam(decoder.parameters())
    corners = torch.cartesian_prod(torch.arange(32), torch.arange(32)) / 32
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * min(1, 2 * (1 - step / steps))
        even = (corners + torch.rand(1024, 2) / 32).clamp(1e-6, 1 - 1e-6)
        x = images[torch.randint(len(images), (200,))]
        log_px = log_px_given_z(decoder, x, torch.special.ndtri(even)).logsumexp(1) - math.log(1024)
        optimizer.zero_grad()
        (-log_px.mean()).backward()
        optimizer.step()
    return decoder.requires_grad_(False)


def bound(decoder: nn.Module, q: Distribution, x: Tensor, n: int) -> Tensor:
    """One-sample bounds (n, B) under q(z|x)."""
    if isinstance(q, FlowDistribution):
        z, log_q = q.rsample_and_log_prob((n,))
    else:
        z = q.rsample((n,))
        log_q = q.log_prob(z)
    logits = decoder.net(z)
    return (x * logits - softplus(logits)).sum(-1) + log_prior(z) - log_q


class Own(nn.Module):
    """A member of a family for each image by itself; its Gaussian starts at the mode of the true posterior."""

    def __init__(self, family: str | None, mode: Tensor) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.cat([mode, torch.full_like(mode, -2.0)], 1))
        self.flow = build_flow(family, 2, len(mode), 4) if family else None

    def forward(self, number: Tensor) -> Distribution:
        """The members of these images, each told by its one-hot number."""
        loc, log_sigma = (number @ self.start).chunk(2, 1)
        base = Independent(Normal(loc, log_sigma.exp()), 1)
        return FlowDistribution(base, self.flow, number) if self.flow else base


def fit(
    decoder: nn.Module, q: nn.Module, batch: Callable[[], tuple[Tensor, Tensor]], n: int, steps: int, rate: float
) -> None:
    """Maximise the bound of q(z|given) over the batches (given, x)."""
    optimizer = torch.optim.Adam(q.parameters())
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1, 2 * (1 - step / steps))
        given, x = batch()
        optimizer.zero_grad()
        (-bound(decoder, q(given), x, n).mean()).backward()
        optimizer.step()


class Truth:
    """log p(x) and 48 images of a split, with the modes of their posteriors, from the grid."""

    def __init__(self, decoder: nn.Module, x: Tensor) -> None:
        side = torch.linspace(-GRID, GRID, SIDE)
        points = torch.cartesian_prod(side, side)
        log_joint = log_px_given_z(decoder, x, points) + log_prior(points)
        self.x, self.log_px = x, log_joint.logsumexp(1) + math.log(CELL)
        log_posterior = log_joint - self.log_px[:, None]
        weight = log_posterior.exp() * CELL
        spread = weight @ points**2 - (weight @ points) ** 2
        bent = 0.5 * (2 * math.pi * math.e * spread).log().sum(1) + (weight * log_posterior).sum(1)
        self.some = bent.argsort()[torch.linspace(0.025, 1, 48).mul(len(x) - 1).long()]
        self.mode = points[log_posterior[self.some].argmax(1)]


def run(
    decoder: nn.Module, truths: dict[str, Truth], name: str, steps: int, shapes: dict[str, float]
) -> dict[str, Any]:
    """Both gaps, on test and training images, for one family and one length of the encoder's training."""
    family, hidden = FAMILIES[name]
    images = truths["train"].x

    def any_images() -> tuple[Tensor, Tensor]:
        x = images[torch.randint(len(images), (100,))]
        return x, x

    encoder = dense.posterior(lambda outputs: mlp([64, *hidden, outputs]), 2, family, 4)
    fit(decoder, encoder, any_images, 1, steps, 4e-3)
    result: dict[str, Any] = {"parameters": sum(p.numel() for p in encoder.parameters())}
    with torch.no_grad():
        for split, truth in truths.items():
            lost = truth.log_px - bound(decoder, encoder(truth.x), truth.x, 50).mean(0)
            result |= {f"approximation_{split}": shapes[split], f"inference_{split}": lost.mean().item()}
            result |= {f"inference_48_{split}": lost[truth.some].mean().item()}
    return result


def approximation(decoder: nn.Module, truth: Truth, family: str | None) -> float:
    """What the best member that 300 steps find for each of 48 images loses."""
    own, x = torch.eye(len(truth.some)), truth.x[truth.some]
    member = Own(family, truth.mode)
    fit(decoder, member, lambda: (own, x), 16, 300, 1.5e-2)
    with torch.no_grad():
        return (truth.log_px[truth.some] - bound(decoder, member(own), x, 500).mean(0)).mean().item()


def main() -> None:
    """Run what is missing, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    command = command_line("benchmarks/posterior_gaps.py")
    record = Record(FOLDER / "posterior_gaps.json", ("posterior", "steps", "seed"), command, SETTINGS)
    for seed in range(seeds):
        if all(record.has(posterior=name, steps=steps, seed=seed) for name in FAMILIES for steps in LENGTHS):
            continue
        torch.manual_seed(seed)
        images = {split: load("digits", split, binarize="threshold").x for split in ("train", "test")}
        decoder = trained_decoder(images["train"])
        with torch.no_grad():
            truths = {split: Truth(decoder, x) for split, x in images.items()}
        for name, (family, _) in FAMILIES.items():
            torch.manual_seed(100 + seed)
            shapes = {split: approximation(decoder, truth, family) for split, truth in truths.items()}
            for steps in LENGTHS:
                if not record.has(posterior=name, steps=steps, seed=seed):
                    torch.manual_seed(200 + seed)
                    row = run(decoder, truths, name, steps, shapes)
                    record.add(posterior=name, steps=steps, seed=seed, **row)
                    print(name, steps, seed, {key: round(value, 2) for key, value in row.items()}, flush=True)
    record.save(summary=summary(record.runs, ("posterior", "steps")))


if __name__ == "__main__":
    main()
