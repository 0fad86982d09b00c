"""The three objectives of chapter 2: TwoLevelVAE's own code, run with linear arrows, against the closed forms."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.models import LinearGaussianModel, TwoLevelVAE
from hvae_ref.nn import StandardNormal

N = 40_000


class LinearNormal(nn.Module):
    """A linear arrow with diagonal noise, returning the `Independent(Normal, 1)` that `TwoLevelVAE` works with."""

    def __init__(self, arrow: nn.Module) -> None:
        super().__init__()
        self.arrow = arrow

    def forward(self, *given: torch.Tensor) -> Independent:
        arrow = self.arrow.arrow
        loc = arrow.mean(torch.cat(given, -1))
        return Independent(Normal(loc, arrow.scale_tril.diagonal().expand_as(loc)), 1)


@pytest.fixture
def oracle() -> LinearGaussianModel:
    return LinearGaussianModel.random(4, (3, 2), seed=1, q="random")


@pytest.mark.parametrize("bound", ["mistaken_shortcut", "mistaken_standard_normal_kl"])
def test_mistakes_about_closed_forms_are_not_made_with_flows(bound: str) -> None:
    model = TwoLevelVAE.dense(4, (3, 2), (4,), (4,), flow={"z1": "iaf"})
    with pytest.raises(
        ValueError, match="z1: expected a Gaussian posterior for an objective in closed form, got a flow"
    ):
        getattr(model, bound)(torch.zeros(2, 4))


@pytest.fixture
def sampled(oracle) -> TwoLevelVAE:
    """The package's two-level model with the oracle's arrows, for real-valued data."""
    p_x, p_z1 = (LinearNormal(arrow) for arrow in oracle.p_given_above)
    q_z1, q_z2 = (LinearNormal(arrow) for arrow in oracle.posterior.values())
    return TwoLevelVAE(
        4,
        p_z2=StandardNormal((2,)).double(),
        p_z1_given_z2=p_z1,
        p_x_given_z1=p_x,
        q_z1_given_x=q_z1,
        q_z2_given_below=q_z2,
    )


@pytest.fixture
def x() -> torch.Tensor:
    return torch.tensor([[0.5, -1.0, 2.0, 0.1]]).double()


OBJECTIVES = [
    ("elbo", "exact_elbo"),
    ("mistaken_shortcut", "exact_shortcut"),
    ("mistaken_standard_normal_kl", "exact_standard_normal_kl"),
]


@torch.no_grad()
@pytest.mark.parametrize(("estimate", "closed_form"), OBJECTIVES)
def test_samples_agree_with_the_closed_form_term_by_term(sampled, oracle, x, estimate: str, closed_form: str) -> None:
    bound, exact = getattr(sampled, estimate)(x.expand(N, -1)), getattr(oracle, closed_form)(x)
    pairs = {"log_px": (bound.log_px, exact.log_px), "value": (bound.value, exact.value)}
    pairs |= {level: (bound.kl[level], exact.kl[level]) for level in ("z2", "z1")}
    for name, (values, expected) in pairs.items():
        assert abs(values.mean() - expected) < 4 * values.std() / N**0.5 + 1e-12, name


@torch.no_grad()
def test_the_three_objectives_differ_by_far_more_than_their_errors(sampled, x) -> None:
    values = [getattr(sampled, name)(x.expand(N, -1)).value for name, _ in OBJECTIVES]
    for i in range(3):
        for j in range(i):
            error = ((values[i].var() + values[j].var()) / N).sqrt()
            assert abs(values[i].mean() - values[j].mean()) > 8 * error


@torch.no_grad()
def test_the_shortcut_in_samples_is_the_mean_field_bound_minus_the_information(sampled, oracle, x) -> None:
    values = sampled.mistaken_shortcut(x.expand(N, -1)).value
    expected = oracle.exact_mean_field_elbo(x).value - oracle.posterior_mutual_information(x)
    assert abs(values.mean() - expected) < 4 * values.std() / N**0.5


def test_the_generative_model_of_the_standard_normal_objective_does_not_know_z2() -> None:
    """Its gradient by p(z1|z2) is none at all: z2 has left the model."""
    torch.manual_seed(0)
    model, data = TwoLevelVAE.dense(5, (3, 2), (8,), (6,)), torch.ones(4, 5)
    model.mistaken_standard_normal_kl(data).value.mean().backward()
    assert all(parameter.grad is None for parameter in model.p_z1_given_z2.parameters())
    model.zero_grad()
    model.mistaken_shortcut(data).value.mean().backward()
    assert all((parameter.grad != 0).any() for parameter in model.p_z1_given_z2.parameters())


@torch.no_grad()
def test_z2_seeing_x_reads_it() -> None:
    torch.manual_seed(0)
    for sees in (False, True):
        model, z1 = TwoLevelVAE.dense(5, (3, 2), (8,), (6,), z2_sees_x=sees), torch.zeros(1, 3)
        more = ((torch.zeros(1, 5),), (torch.ones(1, 5),)) if sees else ((), ())
        a, b = (model.q_z2_given_below(z1, *x).mean for x in more)
        assert torch.allclose(a, b) == (not sees)
