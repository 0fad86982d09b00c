"""Small models of every kind with every likelihood, and data for them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from hvae_ref.features import ConvTwoLevelVAE
from hvae_ref.models import (
    VAE,
    AutoregressiveVAE,
    BottomUpVAE,
    HypersphericalVAE,
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
    "deep": lambda d, **k: BottomUpVAE(d, (3, 2, 2), 10, **k),
    "maps": lambda d, **k: ConvTwoLevelVAE(d, (2, 2), (1, 1), 8, (1, d), **k),
}
# The same models with other posteriors and latents: with one likelihood each, which they don't touch.
VARIANTS: dict[str, Callable[..., LatentVariableModel]] = {
    "vae-triangular": lambda d, **k: VAE(d, (3,), (10,), flow="triangular", flow_steps=2, **k),
    "autoregressive-planar": lambda d, **k: AutoregressiveVAE(d, (2,), (10,), (12, 12), flow="planar", **k),
    "two-level-householder": lambda d, **k: TwoLevelVAE(d, (3, 2), (10,), (9,), flow="householder", **k),
    "deep-iaf": lambda d, **k: BottomUpVAE(d, (3, 2, 2), 10, flow={"z2": "iaf"}, flow_steps=2, **k),
    "ladder-orthogonal": lambda d, **k: LadderVAE(d, (3, 2), 10, flow={"z1": "orthogonal"}, **k),
    "top-down-planar": lambda d, **k: TopDownVAE(d, (3, 2), 10, flow="planar", flow_steps=2, **k),
    "sphere": lambda d, **k: HypersphericalVAE(d, (3,), hidden=(10,), **k),
    "spheres": lambda d, **k: HypersphericalVAE(d, (6,), spheres=2, hidden=(10,), **k),
    "top-down-sphere": lambda d, **k: TopDownVAE(d, (3, 3), 10, top="sphere", **k),
    "maps-density": lambda d, **k: ConvTwoLevelVAE(
        d, (2, 1), (1, 1), 6, (1, d), prior="density", prior_components=2, prior_width=8, **k
    ),
    "ladder-sphere-planar": lambda d, **k: LadderVAE(d, (3, 2), 10, top="sphere", flow="planar", **k),
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
        model = (KINDS | VARIANTS)[self.kind](
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


def latents(model: LatentVariableModel, level: str, n: int) -> torch.Tensor:
    """Values (n, size) that a level could have, wherever its prior puts them: unit vectors on a sphere."""
    z = torch.randn(n, model.dims[level], dtype=torch.float64)
    if level in model.spheres:
        z = torch.nn.functional.normalize(z.unflatten(-1, (model.spheres[level], -1)), dim=-1).flatten(1)
    return z


NETS = [Case(kind, likelihood) for kind in KINDS for likelihood in LIKELIHOODS]
NETS += [Case(kind, "bernoulli") for kind in VARIANTS]
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


@pytest.fixture(params=[*(Case(kind, "bernoulli") for kind in KINDS | VARIANTS), ORACLE], ids=lambda case: case.kind)
def kind(request) -> Case:
    """Each model once, where the likelihood makes no difference."""
    return request.param
