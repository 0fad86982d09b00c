"""The autoregressive distribution: normalised over all x, and sampled in the right order."""

import itertools

import pytest
import torch
from scipy.stats import chisquare
from torch.distributions import Bernoulli

from hvae_ref.distributions import Autoregressive
from hvae_ref.nn import MADE, Categorical, ConditionalAutoregressive, LogisticMixture
from hvae_ref.nn import Bernoulli as Binary

LIKELIHOODS = {
    "bernoulli": lambda v: Binary(),
    "categorical": Categorical,
    "logistic_mixture": lambda v: LogisticMixture(v, 2),
}


def everything(num_values: int, data_dim: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(num_values), repeat=data_dim)), dtype=torch.float64)


def made_distribution(likelihood: str, num_values: int, data_dim: int, z: torch.Tensor) -> Autoregressive:
    torch.manual_seed(3)
    pixel = LIKELIHOODS[likelihood](num_values)
    made = MADE(data_dim, pixel.outputs, (12, 10), context_dim=z.shape[1])
    net = ConditionalAutoregressive(made, pixel).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3.0)
    return net(z)


@pytest.mark.parametrize(
    ("likelihood", "num_values", "data_dim"),
    [("bernoulli", 2, 4), ("bernoulli", 2, 1), ("categorical", 3, 3), ("logistic_mixture", 4, 3)],
)
def test_probabilities_of_all_x_sum_to_one(likelihood: str, num_values: int, data_dim: int) -> None:
    x = everything(num_values, data_dim)
    z = torch.tensor([[0.5, -2.0]]).double().expand(len(x), 2)
    probability = made_distribution(likelihood, num_values, data_dim, z).log_prob(x).exp().detach()
    assert abs(float(probability.sum()) - 1) < 1e-12
    assert probability.std() > 0.2 / len(x), "all but uniform: the net is too tame to test anything"


def test_samples_have_the_probabilities_of_log_prob() -> None:
    x = everything(2, 4)
    z = torch.tensor([[1.0, 1.0]]).double()
    expected = made_distribution("bernoulli", 2, 4, z.expand(16, 2)).log_prob(x).exp()
    torch.manual_seed(0)
    n = 20_000
    samples = made_distribution("bernoulli", 2, 4, z.expand(n, 2)).sample()
    codes = (samples @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long()
    assert chisquare(torch.bincount(codes, minlength=16).double(), expected.detach() * n).pvalue > 1e-3


def test_sample_shape_comes_first() -> None:
    p = made_distribution("bernoulli", 2, 4, torch.zeros(3, 2).double())
    assert p.sample((5, 2)).shape == (5, 2, 3, 4)
    assert (p.batch_shape, p.event_shape) == ((3,), (4,))


def test_mean_is_the_chain_of_conditional_means() -> None:
    def conditionals(x: torch.Tensor) -> Bernoulli:
        before = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1].cumsum(-1)], -1)
        return Bernoulli(probs=0.5 * torch.ones_like(x) / (1 + before))

    p = Autoregressive(conditionals, torch.Size((1,)), 3, like=torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(p.mean, torch.tensor([[0.5, 0.5 / 1.5, 0.5 / (1.5 + 0.5 / 1.5)]]).double())


def test_values_outside_the_support_are_refused() -> None:
    p = made_distribution("bernoulli", 2, 4, torch.zeros(2, 2).double())
    with pytest.raises(ValueError, match="support"):
        p.log_prob(torch.full((2, 4), 0.5).double())
    assert p.support.check(torch.ones(2, 4).double()).all()
    assert not p.support.check(torch.full((2, 4), 0.5).double()).any()


def test_other_shapes_are_named(unchecked) -> None:
    p = made_distribution("bernoulli", 2, 3, torch.zeros(2, 2))
    for value in (torch.zeros(2, 4), torch.zeros(2, 1), torch.tensor(0.0)):
        with pytest.raises(ValueError, match=r"value: expected a tensor \(…, 3\), got \("):
            p.log_prob(value)
    with pytest.raises(ValueError, match=r"sample_shape: expected a sequence .*such as \(5,\), got 5"):
        p.sample(5)
    with pytest.raises(ValueError, match="data_dim: expected a whole number of at least 1, got 0"):
        Autoregressive(p.conditionals, (2,), 0, p.like)
    with pytest.raises(ValueError, match="batch_shape: expected a sequence"):
        Autoregressive(p.conditionals, 2, 3, p.like)
    with pytest.raises(ValueError, match="like: expected a tensor, got list"):
        Autoregressive(p.conditionals, (2,), 3, [0.0])


def test_values_are_checked_even_where_the_conditionals_do_not_look() -> None:
    def conditionals(x: torch.Tensor) -> Bernoulli:
        return Bernoulli(logits=x.cumsum(-1) - x, validate_args=False)

    half = torch.full((2, 3), 0.5)
    for value in (half, half * torch.nan):
        with pytest.raises(ValueError, match="support"):
            Autoregressive(conditionals, (2,), 3, half, validate_args=True).log_prob(value)
    assert Autoregressive(conditionals, (2,), 3, half, validate_args=False).log_prob(half).isfinite().all()
