"""Sampling from what a trained model's latents are, in the place of its prior."""

import pytest
import torch
from torch.utils.data import TensorDataset

from hvae_ref.evaluation import fit_latent_mixture
from hvae_ref.models import VAE, HypersphericalVAE, TopDownVAE
from hvae_ref.nn import ConditionalLikelihood, ConditionalNormal, Normal, StandardNormal


@pytest.fixture
def copying():
    """z is x and a little noise, and the other way round, whatever the prior says."""
    encoder, decoder = torch.nn.Linear(1, 2), torch.nn.Linear(1, 1)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor([[1.0], [0.0]]))
        encoder.bias.copy_(torch.tensor([0.0, -2.0]))
        decoder.weight.fill_(1.0)
        decoder.bias.fill_(0.0)
    return VAE(1, StandardNormal((1,)), ConditionalNormal(encoder), ConditionalLikelihood(decoder, Normal(scale=0.1)))


@pytest.mark.parametrize("wrap", [lambda x: x, TensorDataset])
def test_samples_are_where_the_data_are(copying, wrap):
    side = torch.where(torch.arange(600) % 3 == 0, -4.0, 4.0)[:, None]
    x = side + 0.2 * torch.randn(600, 1)
    found = fit_latent_mixture(copying, wrap(x), components=2, seed=1)
    drawn = found.sample(copying, 2000, seed=2)
    assert drawn.shape == (2000, 1)
    assert ((drawn.abs() - 4).abs() < 1.5).float().mean() > 0.99  # one in ten of the prior's own lies there
    assert abs((drawn < 0).float().mean().item() - 1 / 3) < 0.06
    torch.testing.assert_close(found.sample(copying, 5, seed=2), found.sample(copying, 5, seed=2))


def test_lower_levels_come_from_their_priors():
    torch.manual_seed(1)
    model = TopDownVAE.dense(6, (3, 2), 8)
    found = fit_latent_mixture(model, (torch.rand(50, 6) > 0.5).float(), components=3)
    assert found.level == "z2" and found.shape == (2,)
    assert found.sample(model, 4).shape == (4, 6)


def test_what_has_no_mixture_is_told():
    x = (torch.rand(8, 6) > 0.5).float()
    with pytest.raises(ValueError, match="more examples than the 10 components, got 8"):
        fit_latent_mixture(VAE.dense(6, (2,), (8,)), x)
    with pytest.raises(ValueError, match="unit vectors for z1"):
        fit_latent_mixture(HypersphericalVAE.dense(6, (3,), hidden=(8,)), x, components=2)
