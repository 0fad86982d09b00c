"""Small models of every kind with every likelihood, and data for them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from hvae_ref.models import (
    VAE,
    AutoregressiveVAE,
    DeepVAE,
    LadderVAE,
    LatentVariableModel,
    LinearGaussianModel,
    TopDownVAE,
    TwoLevelVAE,
)

KINDS: dict[str, Callable[..., LatentVariableModel]] = {
    "vae": lambda d, **k: VAE(d, (3,), (10,), **k),
    "autoregressive": lambda d, **k: AutoregressiveVAE(d, (2,), (10,), (12, 12), **k),
    "two-level": lambda d, **k: TwoLevelVAE(d, (3, 2), (10,), (9,), **k),
    "two-level-sees-x": lambda d, **k: TwoLevelVAE(d, (3, 2), (10,), (9,), z2_sees_x=True, **k),
    "ladder": lambda d, **k: LadderVAE(d, (3, 2), 10, **k),
    "ladder-residual": lambda d, **k: LadderVAE(d, (3, 2, 2), 10, residual=True, **k),
    "top-down": lambda d, **k: TopDownVAE(d, (3, 2), 10, residual=False, **k),
    "top-down-residual": lambda d, **k: TopDownVAE(d, (3, 2, 2), 10, **k),
    "deep": lambda d, **k: DeepVAE(d, (3, 2, 2), 10, **k),
}
LIKELIHOODS = {"bernoulli": 2, "categorical": 3, "logistic_mixture": 3}


@dataclass(frozen=True)
class Case:
    """One way to build a model, and data for it."""

    kind: str
    likelihood: str

    def build(
        self, data_dim: int = 5, seed: int = 1, dtype: torch.dtype = torch.float64, shrink: float = 0.8
    ) -> LatentVariableModel:
        """A model with no weight at its start, and weights shrunk so that standard errors can be trusted.

        Where q is much narrower than the true posterior, importance weights have no finite variance.
        """
        torch.manual_seed(seed)
        if self.kind == "linear-gaussian":
            return LinearGaussianModel.random(data_dim, (3, 2), seed=seed, q="random")
        model = KINDS[self.kind](
            data_dim,
            likelihood=self.likelihood,
            num_values=LIKELIHOODS[self.likelihood],
            **({} if self.likelihood != "logistic_mixture" else {"components": 2}),
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(shrink).add_(0.05 * torch.randn_like(parameter))
        return model.to(dtype)

    def data(self, n: int, data_dim: int = 5, seed: int = 2, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Random values from the likelihood's support, (n, data_dim)."""
        generator = torch.Generator().manual_seed(seed)
        if self.kind == "linear-gaussian":
            return torch.randn(n, data_dim, generator=generator, dtype=torch.float64)
        return torch.randint(0, LIKELIHOODS[self.likelihood], (n, data_dim), generator=generator).to(dtype)


NETS = [Case(kind, likelihood) for kind in KINDS for likelihood in LIKELIHOODS]
ORACLE = Case("linear-gaussian", "gaussian")


def name(case: Case) -> str:
    return f"{case.kind}-{case.likelihood}"


@pytest.fixture(params=[*NETS, ORACLE], ids=name)
def case(request) -> Case:
    """Each model with each likelihood, and the linear-Gaussian one."""
    return request.param


@pytest.fixture(params=NETS, ids=name)
def net_case(request) -> Case:
    """Each model made of nets, with each likelihood."""
    return request.param


@pytest.fixture(params=[*(Case(kind, "bernoulli") for kind in KINDS), ORACLE], ids=lambda case: case.kind)
def kind(request) -> Case:
    """Each model once, where the likelihood makes no difference."""
    return request.param
