"""Whatever a net answers, the head makes a valid mixture of it."""

import pytest
import torch

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MixtureHead, inverse_softplus


def randomized(head, scale=1.0):
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=scale)
    return head


@pytest.mark.parametrize("dim", [1, 2, 7])
@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0, 1e4])
def test_scale_tril_is_a_cholesky_factor_above_the_floor(dim, scale):
    head = randomized(MixtureHead(5, dim, 3, min_scale=0.01), scale)
    mixture = head(torch.randn(64, 5))
    diagonal = mixture.scale_tril.diagonal(dim1=-2, dim2=-1)
    assert (diagonal >= 0.01).all() and diagonal.isfinite().all()
    assert torch.equal(mixture.scale_tril, mixture.scale_tril.tril())
    assert (mixture.scale_tril.tril(-1) != 0).any() == (dim > 1 and scale > 0)
    # What the constructor checks when it is asked to.
    GaussianMixture(mixture.logits, mixture.loc, mixture.scale_tril, validate_args=True)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_every_gradient_is_finite_also_for_extreme_parameters(scale):
    head = randomized(MixtureHead(4, 3, 2), scale)
    context = torch.randn(16, 4, requires_grad=True)
    head(context).log_prob(torch.randn(16, 3)).sum().backward()
    for gradient in (context.grad, head.weight.grad, head.bias.grad):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_a_started_head_is_the_mixture_for_every_context():
    torch.manual_seed(3)
    scale_tril = torch.randn(3, 2, 2).tril(-1) + torch.diag_embed(torch.tensor([5.0, 0.02]).expand(3, 2))
    mixture = GaussianMixture(torch.randn(3), torch.tensor([100.0, 0.0]) + torch.randn(3, 2), scale_tril)
    head = randomized(MixtureHead(4, 2, 3))
    head.init_from_mixture(mixture)
    answered = head(10 * torch.randn(6, 4))
    torch.testing.assert_close(answered.logits, mixture.logits.expand(6, 3))
    torch.testing.assert_close(answered.loc, mixture.loc.expand(6, 3, 2), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(answered.scale_tril, scale_tril.expand(6, 3, 2, 2), rtol=1e-4, atol=1e-5)


def test_a_component_on_the_floor_starts_there_and_can_leave():
    head = MixtureHead(0, 2, 1, min_scale=0.01)
    head.init_from_mixture(GaussianMixture(torch.zeros(1), torch.zeros(1, 2), 0.01 * torch.eye(2)[None]))
    mixture = head(torch.empty(0))
    torch.testing.assert_close(mixture.scale_tril, 0.01 * torch.eye(2)[None], rtol=2e-3, atol=0)
    mixture.log_prob(torch.ones(2)).backward()
    diagonal = head.bias.grad[3:5]
    assert (diagonal != 0).all() and head.bias.grad.isfinite().all()


def test_softplus_has_its_inverse():
    y = torch.tensor([1e-8, 1e-3, 1.0, 40.0, 1e4]).double()
    torch.testing.assert_close(torch.nn.functional.softplus(inverse_softplus(y)), y)


def test_half_precision_contexts_give_single_precision_mixtures():
    head = randomized(MixtureHead(4, 2, 3)).bfloat16()
    assert head(torch.randn(5, 4).bfloat16()).scale_tril.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 2, 3), "context_dim: expected at least 0, got -1"),
        ((4, 0, 3), "dim: expected at least 1, got 0"),
        ((4, 2, 0), "components: expected at least 1, got 0"),
        ((4, 2, 3, 0.0), "min_scale: expected a positive number, got 0.0"),
        ((4, 2, 3, float("nan")), "min_scale: expected a positive number, got nan"),
    ],
)
def test_sizes_that_are_too_small_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MixtureHead(*arguments)


def test_a_context_or_a_mixture_of_another_size_is_named():
    head = MixtureHead(4, 2, 3)
    with pytest.raises(ValueError, match="context: expected a last dimension of 4"):
        head(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"mixture: expected locations of shape \(3, 2\), got \(1, 2\)"):
        head.init_from_mixture(GaussianMixture(torch.zeros(1), torch.zeros(1, 2), torch.eye(2)[None]))
