"""What all models with one level of latents share: their bound."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample
from hvae_ref.models.base import Choose, Inference, LatentVariableModel


class OneLevelModel(LatentVariableModel):
    """p(x, z1) = p(x|z1) p(z1) with q(z1|x); eq. 1.5 in the book.

    A concrete model brings its three arrows. The KL is exact where torch knows it, unless `kl` says otherwise, and a
    one-sample estimate for a posterior that a flow bends.
    """

    q_z1_given_x: nn.Module
    p_x_given_z1: nn.Module

    @abstractmethod
    def p_z1(self, n: int) -> Distribution:
        """The prior, batch (n,)."""

    def elbo(self, x: Tensor, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1)] − KL(q(z1|x) ‖ p(z1)), the expectation from one sample."""
        x = self.check(x)
        p_z1, q_z1 = self.p_z1(len(x)), self.q_z1_given_x(x)
        z1 = q_z1.rsample()
        p_x = self.p_x_given_z1(z1)
        return Elbo(p_x.log_prob(x), kl={"z1": kl(q_z1, p_z1, z1)})

    def infer(self, x: Tensor) -> Inference:
        """q(z1|x) and a sample from it."""
        q_z1 = self.q_z1_given_x(self.check(x))
        return Inference(q={"z1": q_z1}, z={"z1": q_z1.rsample()})

    def descend(self, choose: Choose, n: int) -> Distribution:
        """z1 from `choose`, then p(x|z1)."""
        return self.p_x_given_z1(choose("z1", self.p_z1(n)))
