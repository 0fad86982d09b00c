"""Small models of every kind, with vectors and images, likelihoods and conditions; and data for them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch

from hvae_ref.distributions.sphere.hyperspherical_uniform import unit_vector
from hvae_ref.models import (
    VAE,
    AutoregressiveVAE,
    BottomUpVAE,
    DeepTopDownVAE,
    HypersphericalVAE,
    LadderVAE,
    LatentVariableModel,
    LinearGaussianModel,
    TopDownVAE,
    TwoLevelVAE,
)
from hvae_ref.nn import Bernoulli, Categorical, Covariates, Labels, Likelihood, LogisticMixture, Normal
from hvae_ref.nn.convolutions import halved

Shape = tuple[int, ...]

BERNOULLI, CATEGORICAL, LOGISTIC = Bernoulli(), Categorical(3), LogisticMixture(3, components=2)
NORMAL, FIXED_NORMAL = Normal(center=1.0, unit=2.0), Normal(scale=0.7)
CONDITIONS = {"labels": lambda: Labels(3), "covariates": lambda: Covariates(2)}


def _maps(x: Shape) -> tuple:
    """Two levels of maps and a vector above them."""
    return (2, *halved(x[1:])), (2, *halved(halved(x[1:]))), 3


def _levels(x: Shape) -> tuple:
    """One level of one position, and two of half the height of x below it."""
    return (1, 1), (halved(x[1:])[0], 2)


KINDS: dict[str, Callable[..., LatentVariableModel]] = {
    "vae": lambda x, **k: VAE.dense(x, (3,), (10,), **k),
    "autoregressive": lambda x, **k: AutoregressiveVAE.dense(x, (2,), (10,), (12, 12), **k),
    "two-level": lambda x, **k: TwoLevelVAE.dense(x, (3, 2), (10,), (9,), **k),
    "two-level-sees-x": lambda x, **k: TwoLevelVAE.dense(x, (3, 2), (10,), (9,), z2_sees_x=True, **k),
    "bottom-up": lambda x, **k: BottomUpVAE.dense(x, (3, 2, 2), 10, **k),
    "ladder": lambda x, **k: LadderVAE.dense(x, (3, 2), 10, **k),
    "ladder-residual": lambda x, **k: LadderVAE.dense(x, (3, 2, 2), 10, residual=True, **k),
    "top-down": lambda x, **k: TopDownVAE.dense(x, (3, 2), 10, residual=False, **k),
    "top-down-residual": lambda x, **k: TopDownVAE.dense(x, (3, 2, 2), 10, **k),
    "conv-top-down": lambda x, **k: TopDownVAE.convolutional(x, _maps(x), 6, **k),
    "conv-ladder": lambda x, **k: LadderVAE.convolutional(x, _maps(x)[:2], 6, **k),
    "conv-deep": lambda x, **k: DeepTopDownVAE.convolutional(x, _levels(x), 2, 4, attention=True, **k),
    "conv-deep-together": lambda x, **k: DeepTopDownVAE.convolutional(
        x, _levels(x), 2, 4, posterior="direct", norm="group", squeeze_excite=True, together=True, **k
    ),
    "vae-triangular": lambda x, **k: VAE.dense(x, (3,), (10,), flow="triangular", flow_steps=2, **k),
    "autoregressive-planar": lambda x, **k: AutoregressiveVAE.dense(x, (2,), (10,), (12, 12), flow="planar", **k),
    "two-level-householder": lambda x, **k: TwoLevelVAE.dense(x, (3, 2), (10,), (9,), flow="householder", **k),
    "bottom-up-iaf": lambda x, **k: BottomUpVAE.dense(x, (3, 2, 2), 10, flow={"z2": "iaf"}, flow_steps=2, **k),
    "ladder-orthogonal": lambda x, **k: LadderVAE.dense(x, (3, 2), 10, flow={"z1": "orthogonal"}, **k),
    "top-down-planar": lambda x, **k: TopDownVAE.dense(x, (3, 2), 10, flow="planar", flow_steps=2, **k),
    "sphere": lambda x, **k: HypersphericalVAE.dense(x, (3,), hidden=(10,), **k),
    "spheres": lambda x, **k: HypersphericalVAE.dense(x, (6,), spheres=2, hidden=(10,), **k),
    "top-down-sphere": lambda x, **k: TopDownVAE.dense(x, (3, 3), 10, top="sphere", **k),
    "ladder-sphere-planar": lambda x, **k: LadderVAE.dense(x, (3, 2), 10, top="sphere", flow="planar", **k),
    "linear-gaussian": lambda x, **_: LinearGaussianModel.random(*x, (3, 2), seed=1, q="random"),
}


@dataclass(frozen=True)
class Case:
    """One way to build a model, and data for it."""

    kind: str
    likelihood: Likelihood | None = BERNOULLI
    x_shape: Shape = (5,)
    condition: str | None = None

    def build(self, seed: int = 1, dtype: torch.dtype = torch.float64, shrink: float = 0.8) -> LatentVariableModel:
        """A model with no weight at its start, and weights shrunk so that standard errors can be trusted.

        Where q is much narrower than the true posterior, importance weights have no finite variance.
        """
        torch.manual_seed(seed)
        condition = {} if self.condition is None else {"condition": CONDITIONS[self.condition]()}
        model = KINDS[self.kind](self.x_shape, likelihood=self.likelihood, **condition)
        if self.kind != "linear-gaussian":
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.mul_(shrink).add_(0.05 * torch.randn_like(parameter))
        return model.to(dtype)

    def data(self, n: int, seed: int = 2, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Random values from the likelihood's support, (n, *x_shape)."""
        generator = torch.Generator().manual_seed(seed)
        shape = (n, *self.x_shape)
        if not self.values:
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        return torch.randint(0, self.values, shape, generator=generator).to(dtype)

    def beside(self, n: int, seed: int = 3, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
        """The keyword argument that the model's methods need beside n rows: a random condition, or nothing."""
        generator = torch.Generator().manual_seed(seed)
        if self.condition == "labels":
            return {"condition": torch.randint(0, 3, (n,), generator=generator)}
        if self.condition == "covariates":
            return {"condition": torch.randn(n, 2, generator=generator, dtype=torch.float64).to(dtype)}
        return {}

    @property
    def values(self) -> int | None:
        """How many values x may take; None where it is real."""
        return None if self.likelihood is None else self.likelihood.num_values

    @property
    def tempered(self) -> bool:
        """Whether every prior is a Gaussian, whose scale a temperature can multiply."""
        return "sphere" not in self.kind

    def on(self, x_shape: Shape) -> "Case":
        """The same model for another shape of x."""
        return replace(self, x_shape=x_shape)

    def __str__(self) -> str:
        likelihood = "" if self.likelihood is None else f"-{type(self.likelihood).__name__}"
        fixed = "-fixed" if self.likelihood is FIXED_NORMAL else ""
        image = "-image" if len(self.x_shape) > 1 and "conv" not in self.kind else ""
        return f"{self.kind}{image}{likelihood}{fixed}{f'-{self.condition}' if self.condition else ''}"


def latents(model: LatentVariableModel, level: str, n: int) -> torch.Tensor:
    """Values (n, *shape) that a level could have, wherever its prior puts them: unit vectors on a sphere."""
    shape, support = model.priors[level]
    z = torch.randn(n, *shape, dtype=torch.float64)
    on_sphere = isinstance(getattr(support, "base_constraint", support), type(unit_vector))
    return torch.nn.functional.normalize(z, dim=-1) if on_sphere else z


def repeated(beside: dict[str, torch.Tensor], n: int) -> dict[str, torch.Tensor]:
    """A condition n times over, one copy after the other."""
    return {name: value.repeat(n, *[1] * (value.ndim - 1)) for name, value in beside.items()}


ORACLE = Case("linear-gaussian", None)
# Every model once. The likelihoods go round: no model knows which one it has.
PLAIN = [
    Case("vae"),
    Case("autoregressive"),
    Case("two-level", CATEGORICAL),
    Case("two-level-sees-x", LOGISTIC),
    Case("bottom-up", NORMAL),
    Case("ladder", LOGISTIC),
    Case("ladder-residual", BERNOULLI, (1, 2, 3)),
    Case("top-down", FIXED_NORMAL),
    Case("top-down-residual", CATEGORICAL),
    Case("conv-top-down", BERNOULLI, (1, 4, 5)),
    Case("conv-ladder", CATEGORICAL, (2, 4, 4)),
    Case("conv-deep", BERNOULLI, (1, 4, 5)),
]
CONDITIONAL = [
    Case("vae", NORMAL, (1, 2, 3), "covariates"),
    Case("autoregressive", LOGISTIC, condition="labels"),
    Case("two-level-sees-x", condition="labels"),
    Case("bottom-up", condition="covariates"),
    Case("ladder", condition="labels"),
    Case("top-down-residual", NORMAL, condition="covariates"),
    Case("conv-top-down", LOGISTIC, (1, 4, 4), "labels"),
    Case("spheres", condition="covariates"),
    Case("vae-triangular", condition="labels"),
    Case("conv-deep-together", LOGISTIC, (1, 4, 4), "labels"),
]
# Other posteriors and latents.
VARIANTS = [
    Case("vae-triangular"),
    Case("autoregressive-planar"),
    Case("two-level-householder"),
    Case("bottom-up-iaf"),
    Case("ladder-orthogonal"),
    Case("top-down-planar"),
    Case("sphere", BERNOULLI, (1, 2, 3)),
    Case("spheres"),
    Case("top-down-sphere"),
    Case("ladder-sphere-planar"),
]
# Every likelihood with the models that treat x differently: all values at once, one by one, and maps with channels.
LIKELIHOODS = [
    *(Case("vae", likelihood) for likelihood in (CATEGORICAL, LOGISTIC, NORMAL, FIXED_NORMAL)),
    *(Case("autoregressive", likelihood) for likelihood in (CATEGORICAL, NORMAL)),
    Case("conv-ladder", NORMAL, (2, 4, 4)),
]
KIND = [*PLAIN, *CONDITIONAL, *VARIANTS, ORACLE]


@pytest.fixture(params=[*KIND, *LIKELIHOODS], ids=str)
def case(request) -> Case:
    """Every kind of model, and every likelihood."""
    return request.param


@pytest.fixture(params=[*PLAIN, *CONDITIONAL, *VARIANTS, *LIKELIHOODS], ids=str)
def net_case(request) -> Case:
    """Every kind of model that is made of nets, and every likelihood."""
    return request.param


@pytest.fixture(params=KIND, ids=str)
def kind(request) -> Case:
    """Every kind of model, where the likelihood makes no difference."""
    return request.param


@pytest.fixture(params=[case for case in KIND if case.tempered], ids=str)
def gaussian_kind(request) -> Case:
    """Every kind of model whose priors are Gaussian at all levels."""
    return request.param


@pytest.fixture(params=[case for case in KIND if not case.tempered], ids=str)
def sphere_kind(request) -> Case:
    """Every kind of model with a level on a sphere."""
    return request.param


@pytest.fixture(params=CONDITIONAL, ids=str)
def conditional(request) -> Case:
    """Every kind of model with a condition."""
    return request.param


@pytest.fixture(params=[case for case in (*PLAIN, *CONDITIONAL, *VARIANTS, *LIKELIHOODS) if case.values], ids=str)
def discrete(request) -> Case:
    """Every kind of model of a finite number of images, which can be counted out."""
    return request.param
