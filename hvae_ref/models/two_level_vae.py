"""Two levels of latents, inferred from the bottom up; and two mistaken objectives for them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample, sampled_kl
from hvae_ref.flows import FlowPosterior
from hvae_ref.models.base import Choose, Inference, LatentVariableModel
from hvae_ref.models.posteriors import Flow, conditional_posterior, flow_names
from hvae_ref.nn.heads import ConditionalNormal, conditional_pixels, outputs_per_pixel, standard_normal
from hvae_ref.nn.layers import Rescale, mlp


class TwoLevelVAE(LatentVariableModel):
    """p(x|z1) p(z1|z2) p(z2) with q(z1|x) q(z2|z1), or q(z1|x) q(z2|z1, x); eq. 2.1–2.3 in the book.

    Args:
        data_dim: D.
        latent_dims: two sizes, (z1, z2).
        hidden: sizes of the hidden layers between x and z1, from x up.
        hidden_top: sizes of the hidden layers between z1 and z2, from z1 up.
        z2_sees_x: infer z2 from z1 and x instead of from z1 alone.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        flow: family of `hvae_ref.flows` that bends the Gaussian posteriors ("planar", "orthogonal", "householder",
            "triangular", "iaf"): one for all levels, or one by level, {"z1": "iaf"}. The KL of a level with a flow is
            a one-sample estimate.
        flow_steps: length of each flow.

    The KL of z1 is a one-sample estimate, because q(z1|x) does not know the z2 that p(z1|z2) is given;
    the KL of z2 is exact unless `kl` says otherwise.
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (32, 16),
        hidden: Sequence[int] = (256, 256),
        hidden_top: Sequence[int] = (128,),
        z2_sees_x: bool = False,
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        dropout: float = 0.0,
        flow: Flow = None,
        flow_steps: int = 4,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        if len(latent_dims) != 2:
            raise ValueError(
                f"latent_dims: expected two levels, got {len(latent_dims)}; see BottomUpVAE and TopDownVAE"
            )
        (d1, d2), out = latent_dims, data_dim * outputs_per_pixel(likelihood, num_values, components)
        self.z2_sees_x, self.rescale = z2_sees_x, Rescale(num_values - 1)
        seen = d1 + (data_dim if z2_sees_x else 0)
        decoder = mlp([d1, *reversed(hidden), out], dropout)

        def encoder(outputs: int) -> nn.Module:
            return nn.Sequential(self.rescale, mlp([data_dim, *hidden, outputs], dropout))

        def encoder_top(outputs: int) -> nn.Module:
            return mlp([seen, *hidden_top, outputs], dropout)

        family = flow_names(flow, self.levels)
        self.q_z1_given_x = conditional_posterior(encoder, d1, family["z1"], flow_steps)
        self.q_z2_given_below = conditional_posterior(encoder_top, d2, family["z2"], flow_steps)
        self.p_z1_given_z2 = ConditionalNormal(mlp([d2, *reversed(hidden_top), 2 * d1], dropout))
        self.p_x_given_z1 = conditional_pixels(decoder, likelihood, num_values, components)

    def p_z2(self, n: int) -> Independent:
        """The prior N(0, I) of the top level, batch (n,)."""
        return standard_normal(n, self.dims["z2"], like=self.like)

    def q_z2_given_z1_x(self, z1: Tensor, x: Tensor) -> Distribution:
        """q(z2|z1), or q(z2|z1, x) where the model was built with `z2_sees_x`."""
        return self.q_z2_given_below(z1, self.rescale(x)) if self.z2_sees_x else self.q_z2_given_below(z1)

    def elbo(self, x: Tensor, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1) + log p(z1|z2) − log q(z1|x) − KL(q(z2|·) ‖ p(z2))], from one sample of each latent."""
        x = self.check(x)
        q_z1 = self.q_z1_given_x(x)
        z1 = q_z1.rsample()
        q_z2 = self.q_z2_given_z1_x(z1, x)
        z2 = q_z2.rsample()
        p_z2, p_z1, p_x = self.p_z2(len(x)), self.p_z1_given_z2(z2), self.p_x_given_z1(z1)
        return Elbo(p_x.log_prob(x), kl={"z2": kl(q_z2, p_z2, z2), "z1": sampled_kl(q_z1, p_z1, z1)})

    def mistaken_shortcut(self, x: Tensor) -> Elbo:
        """NOT the ELBO: KL(q(z1|x) ‖ p(z1|z2)) in closed form, with z2 drawn from q(z2|z1).

        The expectation over z2 no longer knows which z1 it came from. In expectation this is the ELBO of the
        mean-field posterior q(z1|x) q(z2|x) minus I_q(z1; z2|x): it punishes a z2 that knows its z1 (eq. 2.6).
        """
        self._refuse_flows("mistaken_shortcut")
        x = self.check(x)
        q_z1 = self.q_z1_given_x(x)
        z1 = q_z1.rsample()
        q_z2 = self.q_z2_given_z1_x(z1, x)
        z2 = q_z2.rsample()
        p_z2, p_z1, p_x = self.p_z2(len(x)), self.p_z1_given_z2(z2), self.p_x_given_z1(z1)
        return Elbo(p_x.log_prob(x), kl={"z2": kl_divergence(q_z2, p_z2), "z1": kl_divergence(q_z1, p_z1)})

    def mistaken_standard_normal_kl(self, x: Tensor) -> Elbo:
        """NOT the ELBO of this model: both levels against N(0, I), so z2 is left out of the generative model."""
        self._refuse_flows("mistaken_standard_normal_kl")
        x = self.check(x)
        q_z1 = self.q_z1_given_x(x)
        z1 = q_z1.rsample()
        q_z2 = self.q_z2_given_z1_x(z1, x)
        prior = standard_normal(len(x), self.dims["z1"], like=z1)
        return Elbo(
            self.p_x_given_z1(z1).log_prob(x),
            kl={"z2": kl_divergence(q_z2, self.p_z2(len(x))), "z1": kl_divergence(q_z1, prior)},
        )

    def _refuse_flows(self, bound: str) -> None:
        """The mistakes are about divergences in closed form, and a posterior with a flow has none."""
        levels = {"z2": self.q_z2_given_below, "z1": self.q_z1_given_x}
        if bent := [level for level, q in levels.items() if isinstance(q, FlowPosterior)]:
            raise ValueError(f"{bound}: expected Gaussian posteriors, got a flow at {', '.join(bent)}")

    def infer(self, x: Tensor) -> Inference:
        """q(z1|x), then q(z2|·) given a sample of z1."""
        q_z1 = self.q_z1_given_x(self.check(x))
        z1 = q_z1.rsample()
        q_z2 = self.q_z2_given_z1_x(z1, x)
        return Inference(q={"z2": q_z2, "z1": q_z1}, z={"z2": q_z2.rsample(), "z1": z1})

    def descend(self, choose: Choose, n: int) -> Distribution:
        """z2, then z1 given z2, then p(x|z1)."""
        z2 = choose("z2", self.p_z2(n))
        z1 = choose("z1", self.p_z1_given_z2(z2))
        return self.p_x_given_z1(z1)
