"""Makes von_mises_fisher.json: what the distribution is, from its density alone, at sixty digits.

    python tests/distributions/reference_von_mises_fisher.py

No Bessel function is called. The angle θ to μ has a density proportional to e^{κ cos θ} sin^{m−2} θ. The substitution
cos θ = −tanh s turns its integrals into ones of e^{−κ tanh s} / cosh^{m−1} s over the whole line, which the trapezoidal
rule takes with an error that falls exponentially in the number of nodes.
"""

import json
from pathlib import Path

import mpmath
from mpmath import mp, mpf

from hvae_ref.results import atomic_write_text

TABLE = Path(__file__).with_name("von_mises_fisher.json")
DIMS = (2, 3, 5, 10, 20, 50, 128, 512, 2048, 100_000)
KAPPAS = (0.0, 1e-6, 1e-3, 0.1, 1.0, 10.0, 12.0, 100.0, 1e3, 1e4, 1e5, 1e7)
DIGITS = 60


def moments(dim: int, kappa: float, digits: int = DIGITS) -> tuple[mpf, mpf, mpf]:
    """log ∫ e^{κ cos θ} sin^{m−2} θ dθ, and mean and variance of cos θ, to about `digits` digits."""
    x, c = mpf(kappa), mpf(dim - 1)

    def exponent(s):
        return -x * mpmath.tanh(s) - c * mpmath.log(mpmath.cosh(s))

    peak = mpmath.atanh(-2 * x / (c + mpmath.sqrt(c * c + 4 * x * x)))
    floor = exponent(peak) - 2.5 * digits
    ends = []
    for side in (-1, 1):
        reach = mpf(1) / 64
        while exponent(peak + side * reach) > floor:
            reach *= 2
        ends.append(peak + side * reach)
    low, high = ends
    sums, nodes = None, 128
    while True:
        step = (high - low) / nodes
        # Halving the step keeps the old nodes; only those between them are new.
        fresh = range(0, nodes + 1) if sums is None else range(1, nodes, 2)
        new = [mpf(0)] * 3
        for i in fresh:
            s = low + i * step
            weight, cosine = mpmath.exp(exponent(s)), -mpmath.tanh(s)
            # Moments of cos θ − 1 keep their digits at large κ, those of cos θ at small.
            shifted = cosine - 1 if kappa > dim else cosine
            for power in range(3):
                new[power] += weight * shifted**power
        before = sums
        sums = new if sums is None else [a + b for a, b in zip(sums, new, strict=True)]
        # Each halving doubles the number of right digits.
        if before is not None and abs(2 * before[0] / sums[0] - 1) < mpf(10) ** (-0.6 * digits):
            break
        nodes *= 2
    mean = sums[1] / sums[0]
    variance = sums[2] / sums[0] - mean**2
    return mpmath.log(sums[0] * step), mean + (1 if kappa > dim else 0), variance


def reference(dim: int, kappa: float) -> dict[str, float]:
    """The quantities of chapter 5 at one m and κ."""
    with mp.workdps(DIGITS + 40):
        # Area of the sphere of one dimension less: z is a cosine and a point there.
        log_slice = mpmath.log(2) + mpf(dim - 1) / 2 * mpmath.log(mpmath.pi) - mpmath.loggamma(mpf(dim - 1) / 2)
        log_area = mpmath.log(2) + mpf(dim) / 2 * mpmath.log(mpmath.pi) - mpmath.loggamma(mpf(dim) / 2)
        log_integral, ratio, slope = moments(dim, kappa)
        log_c = -log_slice - log_integral
        kl = mpf(0) if kappa == 0 else kappa * ratio + log_c + log_area
        values = {
            "log_normalizer": log_c,
            "log_normalized": mpf(0) if kappa == 0 else -log_c - log_area,
            "log_scaled": -log_c - log_area - kappa if kappa else mpf(0),
            "ratio": ratio if kappa else mpf(0),
            "complement": 1 - ratio if kappa else mpf(1),
            "ratio_derivative": slope,
            "kl": kl,
            "kl_derivative": kappa * slope,
            "entropy": log_area - kl,
        }
        return {name: float(value) for name, value in values.items()}


def main() -> None:
    """Write the table, one line a cell."""
    rows = [json.dumps({"dim": m, "kappa": k, **reference(m, k)}) for m in DIMS for k in KAPPAS]
    atomic_write_text(TABLE, "[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
