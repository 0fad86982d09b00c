"""Small conditional models of every kind, and responses, conditions and targets for them."""

from collections.abc import Callable

import torch

from hvae_ref.abr import HierarchicalResponseCVAE, ResponseCVAE, ResponseModel, TopDownResponseCVAE
from hvae_ref.abr.data import STATIC_NAMES, STATICS

L = 6
SOME = ("level", "rate", "sweeps")

KINDS: dict[str, Callable[..., ResponseModel]] = {
    "hierarchical": lambda **k: HierarchicalResponseCVAE.dense(
        L, global_latent_dim=2, local_latent_dim=3, hidden=(10, 9), **k
    ),
    "concatenating": lambda **k: HierarchicalResponseCVAE.dense(
        L, global_latent_dim=2, local_latent_dim=3, hidden=(10,), use_film=False, **k
    ),
    "cvae": lambda **k: ResponseCVAE.dense(L, latent_dim=3, hidden=(10,), **k),
    "some-covariates": lambda **k: HierarchicalResponseCVAE.dense(L, SOME, 2, 2, hidden=(10,), **k),
    "correlated": lambda **k: HierarchicalResponseCVAE.dense(
        L, global_latent_dim=2, local_latent_dim=2, hidden=(10,), noise="correlated", **k
    ),
    "conditional-prior": lambda **k: HierarchicalResponseCVAE.dense(
        L, global_latent_dim=2, local_latent_dim=2, hidden=(10,), prior="conditional", **k
    ),
    "top-down": lambda **k: TopDownResponseCVAE.dense(L, global_latent_dim=2, local_latent_dim=3, hidden=(10,), **k),
    "blind-encoder": lambda **k: HierarchicalResponseCVAE.dense(
        L, global_latent_dim=2, local_latent_dim=2, hidden=(10,), encoder_sees_covariates=False, **k
    ),
}


def build(kind: str, seed: int = 1, dtype: torch.dtype = torch.float64, **arguments: object) -> ResponseModel:
    """A model with no weight at its start, and weights shrunk so that standard errors can be trusted."""
    torch.manual_seed(seed)
    model = KINDS[kind](**arguments)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.8).add_(0.05 * torch.randn_like(parameter))
    return model.to(dtype)


def signals(n: int, length: int = L, seed: int = 2, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Noise of 0.3 µV, (n, length)."""
    return 0.3 * torch.randn(n, length, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def conditions(n: int, seed: int = 3, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """All statics over their ranges, (n, 7)."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(n, len(STATICS), generator=generator, dtype=torch.float64)
    columns = []
    for parameter, u in zip(STATICS, share.unbind(1), strict=True):
        if parameter.values is None:
            columns.append(parameter.low + u * (parameter.high - parameter.low))
        else:
            values = torch.tensor(parameter.values, dtype=torch.float64)
            columns.append(values[(u * len(values)).long()])
    return torch.stack(columns, 1).to(dtype)


def targets(n: int, seed: int = 4, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """Peaks (n, 5, 2) and which of them are there (n, 5); NaN stands where one is not."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(n, 5, generator=generator) < 0.6
    peaks = torch.rand(n, 5, 2, generator=generator, dtype=torch.float64) * torch.tensor([6.0, 0.5]).double()
    return peaks.masked_fill(~present[..., None], float("nan")).to(dtype), present


def own(model: ResponseModel, condition: torch.Tensor) -> torch.Tensor:
    """The columns of a whole condition that a model reads."""
    return condition[:, [STATIC_NAMES.index(name) for name in model.covariates]]
