"""The importance-weighted bound in chunks, so that its memory doesn't grow with the number of samples."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.errors import whole_number


@runtime_checkable
class HasLogWeight(Protocol):
    """A model that gives log importance weights."""

    def log_weight(self, x: Tensor, n: int, *, condition: Tensor | None = None) -> Tensor:
        """log p(x, z) − log q(z|x) at n samples for each row of x: (n, B)."""
        ...


@torch.no_grad()
def importance_bound(
    model: HasLogWeight,
    x: Tensor,
    n: int = 512,
    chunk: int = 32,
    condition: Tensor | None = None,
) -> Float[Tensor, " batch"]:
    """The importance-weighted bound on log p(x) with n samples an example.

    L_n(x) = E[log (1/n) Σ_k p(x, z_k) / q(z_k|x)],  ELBO = L_1 ≤ L_n ≤ log p(x)   (book, eq. 1.9)

    The sum is kept in log space and updated chunk by chunk, so no more than `chunk` · B rows are in memory
    at once. The samples come from torch's global generator; `evaluate` seeds it and puts it back.

    Args:
        model: anything with `log_weight(x, n) -> (n, B)`, and a keyword `condition` where there is one.
        x: (B, *shape).
        n: samples an example.
        chunk: samples taken at once.
        condition: (B, …) or (1, …), for a model of p(x|c).

    Returns:
        (B,) nats: one unbiased estimate of L_n an example, which lies below log p(x) on average.

    Raises:
        ValueError: when n or chunk is below 1.

    Reference:
        Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders,
        https://arxiv.org/abs/1509.00519
    """
    for name, value in (("n", n), ("chunk", chunk)):
        if whole_number(name, value, least=0) < 1:
            raise ValueError(f"{name}: expected at least 1 sample, got {value}")
    beside = {} if condition is None else {"condition": condition}
    first = torch.logsumexp(model.log_weight(x, min(chunk, n), **beside), dim=0)
    # In float32 the logarithm of a sum beside −900 does not move any more once a chunk adds less than 3e-5 of it.
    total = first.double()
    for done in range(chunk, n, chunk):
        more = torch.logsumexp(model.log_weight(x, min(chunk, n - done), **beside), dim=0)
        total = torch.logaddexp(total, more.double())
    return (total - math.log(n)).to(first.dtype)
