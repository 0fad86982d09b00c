"""The one-latent model: the peer of the hierarchical one at equal budget, and exact where it can be."""

import torch

from hvae_ref.abr import HierarchicalResponseCVAE, ResponseCVAE
from hvae_ref.abr.data import STATIC_NAMES
from tests.abr.models.responses import conditions, signals


def test_it_has_one_latent_of_the_same_name_and_the_same_budget() -> None:
    one, two = ResponseCVAE.dense(), HierarchicalResponseCVAE.dense()
    assert one.levels == ("z_global",) and two.levels == ("z_global", "z_local")
    assert sum(one.dims.values()) == sum(two.dims.values()) == 16
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (one, two)]
    assert abs(sizes[0] / sizes[1] - 1) < 0.01, sizes


@torch.no_grad()
def test_without_a_decoder_that_reads_z_the_bound_is_log_p() -> None:
    """Where z says nothing and q is the prior, ELBO = log p(x|c) = log N(x; μ(c), σ(c)²), with no noise left in it."""
    torch.manual_seed(0)
    model = ResponseCVAE.dense(6, latent_dim=2, hidden=()).double()
    model.p_x_given_features.out.weight[:, :2] = 0
    for parameter in model.q_z_global_given_x.parameters():
        parameter.zero_()
    x, c = signals(5), conditions(5)
    p_x = model.decode(model.sample_latents(5, condition=c), condition=c)
    bound = model.elbo(x, condition=c)
    torch.testing.assert_close(bound.log_px, p_x.log_prob(x), rtol=1e-12, atol=1e-12)
    # The head's smooth floor leaves σ_q a little above 1: a KL of 3e-6.
    torch.testing.assert_close(bound.value, p_x.log_prob(x), rtol=0, atol=1e-4)
    assert model.log_weight(x, 50, condition=c).std(0).max() < 0.05


def test_only_the_chosen_statics_reach_the_decoder() -> None:
    """Jacobian of the mean by the condition: every static in, every sample out."""
    torch.manual_seed(0)
    model = ResponseCVAE.dense(6, latent_dim=2, hidden=(9,)).double()
    c = conditions(1)
    z = model.sample_latents(1, condition=c)
    jacobian = torch.autograd.functional.jacobian(lambda c: model.decode(z, condition=c).mean, c)[0, :, 0]
    assert jacobian.shape == (6, len(STATIC_NAMES)) and (jacobian != 0).all()
