"""Debye's uniform expansion of the Bessel function I_ν, in logarithms, for orders ν ≥ 30 and any argument.

With h = √(ν² + x²), p = ν/h and t = h/ν − 1,

  log[Γ(ν+1) (2/x)^ν I_ν(x)] = ν [t − log(1 + t/2)] − ½ log(1 + t) + Σ_k (D_k(p) − D_k(1)) / ν^k

The Stirling series of Γ(ν+1) is −Σ_k D_k(1) / ν^k, so the two cancel on paper and not in floating point. The
polynomials D_k are made in rational arithmetic, and the factor p − 1 = −t/(1 + t) is divided out there, so that the
right-hand side keeps its *relative* accuracy as x → 0. The series is uniform in x: there is no regime to choose, which
is where codes that switch at a fixed x go wrong when the order is large.

Reference:
    Olver (1954); NIST Digital Library of Mathematical Functions, 10.41, https://dlmf.nist.gov/10.41
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import fsum, pi

import torch
from torch import Tensor

TERMS = 13
"""How many D_k are summed: at ν = 30 the first one left out is below 1e-17 for every x."""
LOWEST_ORDER = 30.0
"""From where on `TERMS` terms have the accuracy of a double."""

Order = float | Tensor
"""An order: a Python number, or a float64 tensor of the argument's shape."""


def _multiply(a: Sequence[Fraction], b: Sequence[Fraction]) -> list[Fraction]:
    """Product of two polynomials, lowest power first."""
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, u in enumerate(a):
        for j, v in enumerate(b):
            product[i + j] += u * v
    return product


@lru_cache(maxsize=1)
def debye_polynomials() -> list[list[Fraction]]:
    """D_1(p) … D_13(p) with Σ_k D_k(p)/ν^k = log Σ_k U_k(p)/ν^k, as exact coefficients, lowest power first.

    U_{k+1}(p) = ½ p² (1 − p²) U_k′(p) + ⅛ ∫_0^p (1 − 5s²) U_k(s) ds   (DLMF 10.41.9)

    >>> [str(c) for c in debye_polynomials()[0]]
    ['0', '1/8', '0', '-5/24']
    """
    us = [[Fraction(1)]]
    for k in range(TERMS):
        following = [Fraction(0)] * (3 * k + 4)
        for j, c in enumerate(us[-1]):
            following[j + 1] += c * (Fraction(j, 2) + Fraction(1, 8 * (j + 1)))
            following[j + 3] -= c * (Fraction(j, 2) + Fraction(5, 8 * (j + 3)))
        us.append(following)
    ds: list[list[Fraction]] = []
    for k in range(1, TERMS + 1):
        d = list(us[k])
        for j in range(1, k):
            for power, c in enumerate(_multiply(ds[j - 1], us[k - j])):
                d[power] -= Fraction(j, k) * c
        ds.append(d)
    return ds


@lru_cache(maxsize=1)
def _tables() -> dict[str, list[list[float]]]:
    """Coefficients of p^j/ν^k, by power j and then by k, of the five polynomials that the expansion asks for."""
    divided, first = [], []
    for d in debye_polynomials():
        # (D(p) − D(1)) / (p − 1) = Σ_j d_j (1 + p + … + p^{j−1}).
        divided.append([sum(d[j + 1 :], Fraction(0)) for j in range(len(d))])
        first.append([j * c for j, c in enumerate(d)])
    second = [[j * c for j, c in enumerate(row)] for row in first]
    third = [[(j - 1) * c for j, c in enumerate(row)] for row in second]
    tables = {"D": debye_polynomials(), "E": divided, "S": first, "S1": second, "S2": third}
    width = 3 * TERMS + 1
    return {
        name: [[float(row[j]) if j < len(row) else 0.0 for row in rows] for j in range(width)]
        for name, rows in tables.items()
    }


@lru_cache(maxsize=256)
def _coefficients(name: str, order: float) -> list[float]:
    """Coefficients of p^j for one order."""
    return [fsum(c * order ** -(k + 1) for k, c in enumerate(row)) for row in _tables()[name]]


@lru_cache(maxsize=32)
def _table_on(name: str, device: torch.device) -> Tensor:
    return torch.tensor(_tables()[name], dtype=torch.float64, device=device)


def polynomial(name: str, order: Order, p: Tensor) -> Tensor:
    """One of the sums over k of a polynomial in p divided by ν^k.

    D = Σ D_k(p)/ν^k,  E = Σ (D_k(p) − D_k(1))/(p − 1)/ν^k,  S = Σ p D_k′(p)/ν^k,  S1 = p S′,  S2 = p² S″

    Args:
        name: "D", "E", "S", "S1" or "S2".
        order: ν ≥ 30.
        p: ν/√(ν² + x²), any shape, float64.

    Returns:
        the shape of `p`.
    """
    if isinstance(order, Tensor):
        powers = torch.stack([order ** -(k + 1) for k in range(TERMS)])
        coefficients = torch.tensordot(_table_on(name, p.device), powers, dims=1).unbind(0)
    else:
        coefficients = _coefficients(name, order)
    total = torch.zeros_like(p)
    if torch.is_grad_enabled() and p.requires_grad:  # for the derivatives beyond those that have a formula here
        for c in reversed(coefficients):
            total = total * p + c
        return total
    for c in reversed(coefficients):
        total = total.mul_(p).add_(c)
    return total


class DebyeStart:
    """Everything the downward recursion starts from, at one order ν ≥ 30; what is not asked for is not computed.

    Each formula is arranged so that no difference of nearly equal numbers appears, at x = 0 as well as for x → ∞.

    Args:
        order: ν ≥ 30, a Python number or a tensor of x's shape.
        x: float64, at least 0.
    """

    def __init__(self, order: Order, x: Tensor) -> None:
        self.order, self.x = order, x
        self.h = torch.hypot(x, order if isinstance(order, Tensor) else torch.full_like(x, order))
        self.p = order / self.h
        self.s = x / self.h  # h′
        self.e = x / (self.h + order)

    def log_normalized(self, far: Tensor | None = None) -> Tensor:
        """L = log[Γ(ν+1) (2/x)^ν I_ν(x)], and L − x where `far` is true."""
        t = self.x / self.order * self.e
        lead = self.x * self.e
        if far is not None:
            # νt − x = −ν + (h − x)
            lead = torch.where(far, self.order * (self.order / (self.h + self.x) - 1), lead)
        # t/(1 + t) is 1 − p, with its relative accuracy as x → 0.
        series = t / (1 + t) * polynomial("E", self.order, self.p)
        return lead - self.order * torch.log1p(t / 2) - 0.5 * torch.log1p(t) - series

    def log_ive(self) -> Tensor:
        """log[e^{−x} I_ν(x)], for x that is not small beside ν."""
        nu = self.order
        # h − x and log(x/(ν + h)), which is −asinh(ν/x)
        lead = nu * (nu / (self.h + self.x)) - nu * torch.asinh(nu / self.x)
        return lead - 0.5 * torch.log(2 * pi * self.h) + polynomial("D", nu, self.p)

    def ratios(self, complement: bool, derivatives: int) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """A = I_{ν+1}/I_ν and, where asked for, 1 − A, A′ and A″."""
        order, p, s, h = self.order, self.p, self.s, self.h
        big_s = polynomial("S", order, p) + 0.5
        ratio = self.e - s * (big_s / h)
        one_minus = first = second = None
        if complement:
            one_minus = (order + order * (order / (h + self.x))) / (h + order) + s * (big_s / h)
        if derivatives >= 1:
            s1 = polynomial("S1", order, p)
            bracket = big_s * (1 - 2 * p * p) + s * s * s1
            first = p / (h + order) + bracket / h / h
        if derivatives >= 2:
            s2 = polynomial("S2", order, p)
            # x-derivatives: h′ = s, p′ = −s p/h, (p S′)′ = −(s/h)(p S′ + p² S″).
            # bracket = S (h² − 2ν²)/h² + (x²/h²) p S′.
            change = s / h * (-s1 * (1 - 2 * p * p) + 4 * big_s * p * p + 2 * p * p * s1 - s * s * (s1 + s2))
            second = -s * p * (2 * h + order) / (h * (h + order)) / (h + order) + (change - 2 * s / h * bracket) / h / h
        return ratio, one_minus, first, second
