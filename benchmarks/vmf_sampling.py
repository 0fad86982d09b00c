"""How fast von Mises-Fisher samplers are, and whether what they draw and differentiate is a von Mises-Fisher.

Speed: batches of 1024 with a μ and a κ each, float32, one thread. The samplers take turns, ratios are taken within a
turn, in processor time. The power spherical distribution (De Cao and Aziz, 2020) is the measure: it was made because
exact von Mises-Fisher samplers were slow. Law: Kolmogorov-Smirnov distance of the angle to μ from its exact
distribution, and the bias of the gradient of E[μᵀz] in κ, at (m, κ) where samplers are known to differ.

    python -m pip install power_spherical "pythae>=0.1.2" scipy      (optional, and see vmf_samplers.py)
    python benchmarks/vmf_sampling.py
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from vmf_samplers import Sampler, installed

from hvae_ref.distributions.sphere.bessel import bessel_ratio, bessel_ratio_derivative
from hvae_ref.results.record import FOLDER, Record, command_line

BATCH, DRAWS = 1024, 100_000
SPEED = [(2, 100.0), (3, 100.0), (10, 100.0), (50, 100.0), (200, 100.0), (512, 100.0), (50, 1.0), (50, 1e4)]
LAW = [(5, 2.0), (50, 20.0), (64, 12.0), (200, 12.0), (512, 1e4)]
MEASURE = "power_spherical"


def seconds_a_call(call: Callable[[], object], at_least: float) -> float:
    """Processor seconds of one call: the fastest of three blocks, each long enough for the clock."""
    for _ in range(5):
        call()
    begun = time.process_time()
    call()
    calls = max(3, math.ceil(at_least / 3 / max(time.process_time() - begun, 1e-5)))
    blocks = []
    for _ in range(3):
        begun = time.process_time()
        for _ in range(calls):
            call()
        blocks.append((time.process_time() - begun) / calls)
    return min(blocks)


def speed(sampler: Sampler, dim: int, kappa: float, at_least: float) -> dict[str, float]:
    """Draws a second, and milliseconds of a batch drawn and differentiated in μ and κ."""
    loc = normalize(torch.randn(BATCH, dim), dim=-1).requires_grad_()
    concentration = torch.full((BATCH,), kappa, requires_grad=True)
    upstream = torch.randn(BATCH, dim)

    def draw() -> Tensor:
        with torch.no_grad():
            return sampler.draw(loc, concentration)

    def differentiate() -> object:
        return torch.autograd.grad(sampler.draw(loc, concentration), (loc, concentration), upstream)

    measured = {"draws_a_second": BATCH / seconds_a_call(draw, at_least)}
    if sampler.has_gradient:
        measured["forward_backward_ms"] = 1000 * seconds_a_call(differentiate, at_least)
    return measured


def angle_cdf(dim: int, kappa: float) -> Callable[[np.ndarray], np.ndarray]:
    """The exact law of the angle, p(θ) ∝ e^{κ cos θ} sin^{m−2} θ, summed on a fine grid."""
    grid = np.linspace(0, math.pi, 400_001)[1:-1]
    log_density = kappa * np.cos(grid) + (dim - 2) * np.log(np.sin(grid))
    cumulative = np.cumsum(np.exp(log_density - log_density.max()))
    return lambda angle: np.interp(angle, grid, cumulative / cumulative[-1])


def law(sampler: Sampler, dim: int, kappa: float) -> dict[str, float | None]:
    """How far from the von Mises-Fisher a sampler's draws and its κ-gradient are."""
    torch.manual_seed(0)
    loc = normalize(torch.randn(dim), dim=0).expand(DRAWS, dim)
    concentration = torch.full((DRAWS,), kappa, requires_grad=sampler.has_gradient)
    z = sampler.draw(loc, concentration)
    angle = 2 * torch.asin((z.detach().double() - loc).norm(dim=-1).div(2).clamp(max=1)).sort().values.numpy()
    exact, step = angle_cdf(dim, kappa)(angle), np.arange(DRAWS + 1) / DRAWS
    distance = max(np.abs(exact - step[1:]).max(), np.abs(exact - step[:-1]).max())
    order, x = dim / 2 - 1, torch.tensor(kappa, dtype=torch.float64)
    result = {
        "ks_distance": float(distance),
        "mean_cosine": (z.detach() * loc).sum(-1).double().mean().item(),
        "exact_mean_cosine": bessel_ratio(order, x).item(),
        "gradient": None,
        "gradient_standard_error": None,
        "exact_gradient": bessel_ratio_derivative(order, x).item(),
    }
    if sampler.has_gradient:
        (gradient,) = torch.autograd.grad((z * loc).sum(), concentration)
        result["gradient"] = gradient.double().mean().item()
        result["gradient_standard_error"] = gradient.double().std().item() / DRAWS**0.5
    return result


def summary(runs: list[dict]) -> list[dict]:
    """Medians over the turns, and the ratio to the measure within each turn."""
    rows = []
    cells = dict.fromkeys((run["sampler"], run["dim"], run["concentration"]) for run in runs)
    for name, dim, kappa in cells:
        own = [run for run in runs if (run["sampler"], run["dim"], run["concentration"]) == (name, dim, kappa)]
        row = {"sampler": name, "dim": dim, "concentration": kappa}
        for field in ("draws_a_second", "forward_backward_ms"):
            if field in own[0]:
                row[field] = statistics.median(run[field] for run in own)
                other = {
                    run["repeat"]: run[field]
                    for run in runs
                    if (run["sampler"], run["dim"], run["concentration"]) == (MEASURE, dim, kappa)
                }
                if other:
                    ratios = [run[field] / other[run["repeat"]] for run in own if run["repeat"] in other]
                    row[f"{field}_ratio"] = statistics.median(ratios)
        rows.append(row)
    return rows


def main() -> None:
    """Measure every sampler in turns, then its law, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="how often each sampler is measured")
    parser.add_argument("--seconds", type=float, default=0.3, help="processor time of a measurement, at least")
    parser.add_argument("--out", type=Path, default=FOLDER / "vmf_sampling.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    samplers, versions = installed()
    settings = {"batch": BATCH, "draws_for_the_law": DRAWS, "dtype": "float32", "threads": 1}
    key = ("sampler", "dim", "concentration", "repeat")
    record = Record(options.out, key, command_line("benchmarks/vmf_sampling.py"), settings)
    for turn in range(options.turns):
        for dim, kappa in SPEED:
            # Whichever comes first meets the caches that another left behind, so they swap places.
            for sampler in samplers[:: 1 if turn % 2 else -1]:
                cell = {"sampler": sampler.name, "dim": dim, "concentration": kappa, "repeat": turn}
                if record.has(**cell):
                    continue
                torch.manual_seed(turn)
                record.add(**cell, **speed(sampler, dim, kappa, options.seconds))
        print(f"turn {turn + 1} of {options.turns}", flush=True)
    record.save(summary=summary(record.runs), peers=versions)
    for row in record.content["summary"]:
        print("  ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    laws = []
    for sampler in samplers:
        for dim, kappa in LAW:
            row = {"sampler": sampler.name, "is_vmf": sampler.is_vmf, "dim": dim, "concentration": kappa}
            laws.append(row | law(sampler, dim, kappa))
            print("  ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in laws[-1].values()))
    record.save(laws=laws)


if __name__ == "__main__":
    main()
