"""The ladder VAE: prior and bottom-up estimate merged by their precisions."""

from __future__ import annotations

from hvae_ref.models.top_down_vae import TopDownVAE


class LadderVAE(TopDownVAE):
    """A `TopDownModel` whose builders give it ladder posteriors: the product of prior and a Gaussian read from x.

    q(z_l|z_>l, x) ∝ p(z_l|z_>l) N(z_l; μ̂_l(x), σ̂_l(x)²) for l < L, and N(μ̂_L(x), σ̂_L(x)²) at the top;
    eq. 3.3–3.4 in the book. The KL is taken against the *prior* of the level, not against the bottom-up estimate. The
    paper's ladder has no residual path, and neither have these builders unless asked.

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282
    """

    builds = {"posterior": "ladder", "residual": False}
