"""Likelihoods: supports, what nets see of x, and densities from the numbers that a net gives for each value."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Independent
from torch.distributions import Normal as TorchNormal

from hvae_ref.distributions import GreyLevels
from hvae_ref.nn import Bernoulli, Categorical, ConditionalLikelihood, LogisticMixture, Normal
from hvae_ref.nn.heads import ConditionalNormal, bounded_log_sigma

LIKELIHOODS = [Bernoulli(), Categorical(5), LogisticMixture(5, components=2), Normal(), Normal(scale=0.5)]


def values(likelihood, *shape: int) -> torch.Tensor:
    """Random values of the support."""
    generator = torch.Generator().manual_seed(0)
    v = likelihood.num_values
    return (
        torch.randn(shape, generator=generator) if v is None else torch.randint(0, v, shape, generator=generator) * 1.0
    )


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
@pytest.mark.parametrize("shape", [(4,), (2, 3, 5)])
def test_one_event_an_example_for_vectors_and_maps(likelihood, shape: tuple) -> None:
    torch.manual_seed(0)
    channels = shape[0] * likelihood.outputs
    net = nn.Linear(3, channels) if len(shape) == 1 else nn.Conv2d(3, channels, 1)
    h = torch.randn(6, 3, *shape[1:])
    p = ConditionalLikelihood(net, likelihood)(h)
    x = p.sample()
    assert (p.batch_shape, p.event_shape, x.shape, p.mean.shape) == ((6,), shape, (6, *shape), (6, *shape))
    assert x.dtype == torch.float32 and likelihood.support.check(x).all()
    # Each value has its own numbers: those of its channel, in a row, at its own place.
    raw = net(h).view(6, shape[0], likelihood.outputs, *shape[1:]).movedim(2, -1)
    expected = likelihood.distribution(raw).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(p.log_prob(x), expected)
    for outside in (-1.0, 0.5, float(likelihood.num_values)) if likelihood.num_values else (math.nan,):
        with pytest.raises(ValueError, match="support"):
            p.log_prob(torch.full((6, *shape), outside))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
def test_half_precision_nets_give_full_precision_densities(likelihood) -> None:
    torch.manual_seed(0)
    net, h = nn.Linear(3, 4 * likelihood.outputs), torch.randn(6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        p = ConditionalLikelihood(net, likelihood)(h)
        q = ConditionalNormal(nn.Linear(3, 4))(h)
    assert p.log_prob(p.sample()).dtype == torch.float32 and q.rsample().dtype == torch.float32


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
def test_a_net_with_other_outputs_is_refused(likelihood) -> None:
    if likelihood.outputs > 1:
        told = (
            f"net: expected a multiple of {likelihood.outputs} outputs, which .* needs for each value of x, got shape"
        )
        with pytest.raises(ValueError, match=told):
            ConditionalLikelihood(nn.Linear(3, 4 * likelihood.outputs + 1), likelihood)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="net: expected a multiple of"):
        ConditionalLikelihood(nn.Flatten(0), likelihood)(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("likelihood", "x", "seen"),
    [
        (Bernoulli(), [0.0, 1.0], [-1.0, 1.0]),
        (Categorical(17), [0.0, 8.0, 16.0], [-1.0, 0.0, 1.0]),
        (LogisticMixture(17), [0.0, 8.0, 16.0], [-1.0, 0.0, 1.0]),
        (Normal(), [-3.0, 2.0], [-3.0, 2.0]),
        (Normal(center=10.0, unit=4.0), [10.0, 6.0], [0.0, -1.0]),
    ],
)
def test_what_nets_see_is_of_the_order_of_one(likelihood, x: list, seen: list) -> None:
    torch.testing.assert_close(likelihood.embed(torch.tensor(x)), torch.tensor(seen))


def test_a_real_value_has_a_density_in_its_own_unit() -> None:
    """The net speaks in units; a change of the data's unit changes the density by its logarithm, and nothing else."""
    raw, x = torch.tensor([[0.3, -0.7]], dtype=torch.float64), torch.tensor([1.9], dtype=torch.float64)
    plain = Normal().distribution(raw)
    torch.testing.assert_close(plain.mean, torch.tensor([0.3], dtype=torch.float64))
    torch.testing.assert_close(plain.stddev, bounded_log_sigma(raw[:, 1]).exp())
    other = Normal(center=5.0, unit=4.0).distribution(raw)
    torch.testing.assert_close(other.log_prob(5 + 4 * x), plain.log_prob(x) - math.log(4.0))
    fixed = Normal(scale=0.25, center=5.0, unit=4.0).distribution(raw[:, :1])
    torch.testing.assert_close(
        fixed.log_prob(x), TorchNormal(torch.tensor([6.2], dtype=torch.float64), 0.25).log_prob(x)
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Categorical(1), "num_values: expected a whole number of at least 2, got 1"),
        (lambda: LogisticMixture(2.5), "num_values: expected a whole number of at least 2, got 2.5"),
        (lambda: LogisticMixture(17, components=0), "components: expected a whole number of at least 1, got 0"),
        (lambda: Normal(scale=0.0), "scale: expected a number > 0, got 0.0"),
        (lambda: Normal(unit=-1.0), "unit: expected a number > 0, got -1.0"),
        (lambda: Normal(unit=math.inf), "unit: expected a number > 0, got inf"),
        (lambda: Normal(center=math.nan), "center: expected a finite number, got nan"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_likelihoods_that_cannot_be_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_likelihoods_are_values() -> None:
    assert LogisticMixture(17) == LogisticMixture(17) != LogisticMixture(16) and len({Normal(), Normal()}) == 1
    assert repr(Normal(unit=2.0)) == "Normal(scale=None, center=0.0, unit=2.0)"


def test_bernoulli_takes_logits_and_does_not_saturate() -> None:
    p = Bernoulli().distribution(torch.tensor([[200.0], [-200.0]]))
    assert p.log_prob(torch.tensor([1.0, 0.0])).sum() == 0.0
    torch.testing.assert_close(p.log_prob(torch.tensor([0.0, 1.0])).sum(), torch.tensor(-400.0))
    logits, x = torch.tensor([0.3, -1.2, 4.0]), torch.tensor([1.0, 0.0, 1.0])
    expected = TorchBernoulli(logits=logits).log_prob(x)
    torch.testing.assert_close(Bernoulli().distribution(logits[:, None]).log_prob(x), expected)


def test_grey_levels_have_the_mean_of_their_values() -> None:
    p = GreyLevels(logits=torch.randn(4, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(p.mean, (p.probs * torch.arange(6.0)).sum(-1))
    assert p.sample().dtype == torch.float32
    assert Independent(p, 1).expand((2,)).sample().shape == (2, 4)


def test_categorical_numbers_belong_to_their_pixels() -> None:
    p = Categorical(3).distribution(torch.tensor([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]))
    assert p.probs.argmax(-1).tolist() == [1, 2]


def test_logistic_mixture_counts_from_the_middle_of_the_scale() -> None:
    likelihood = LogisticMixture(17, components=1)
    p = likelihood.distribution(torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64))
    assert p.loc.item() == 12.0
    torch.testing.assert_close(p.scale, bounded_log_sigma(torch.zeros(1).double()).exp() * 2)
    start = likelihood.distribution(torch.zeros(3, dtype=torch.float64)).log_probs.exp()
    assert start.min() > 0.005, "a fresh net must give every grey level a chance"


def test_no_likelihood_loses_its_density_however_small_the_net_wants_it() -> None:
    p = LogisticMixture(17, components=1).distribution(torch.tensor([[0.0, 1e3, -1e30]]))
    assert torch.isfinite(p.log_prob(torch.zeros(1))).all()
    assert torch.isfinite(Normal().distribution(torch.tensor([[0.0, -1e30]])).log_prob(torch.zeros(1))).all()


def test_checks_of_values_stay_on_where_torch_turned_its_own_off(monkeypatch):
    """`torch.compile` switches off the checks of all torch distributions, for good, as soon as it is used once."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", False)
    for likelihood in (Bernoulli(), Normal(), Categorical(5), LogisticMixture(5, 2)):
        with pytest.raises(ValueError, match="NaN|nan|constraint|finite"):
            likelihood.distribution(torch.full((2, 3, likelihood.outputs), torch.nan))
