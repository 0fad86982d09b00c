"""What all chains inferred from the bottom up share: their bound."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample, sampled_kl
from hvae_ref.models.base import LatentVariableModel


class BottomUpModel(LatentVariableModel):
    """p(x|z1) Π p(z_l|z_{l+1}) p(z_L) with q(z1|x) Π q(z_{l+1}|z_l); eq. 2.8 in the book.

    A concrete model brings its arrows, `infer` and `descend`. The KL of the top level is exact (unless `kl` says
    otherwise); those below are one-sample estimates, because q(z_l|z_{l−1}) does not know the z_{l+1} of its prior.
    """

    def elbo(self, x: Tensor, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1) − Σ_l (log q(z_l|z_{l−1}) − log p(z_l|z_{l+1}))], from one sample of each latent."""
        q, z = self.infer(x)
        divergence: dict[str, Tensor] = {}

        def from_posterior(level: str, p: Distribution) -> Tensor:
            estimate = kl if level == self.levels[0] else sampled_kl
            divergence[level] = estimate(q[level], p, z[level])
            return z[level]

        p_x = self.descend(from_posterior, len(x))
        return Elbo(p_x.log_prob(x), divergence)
