"""Two levels of latents, inferred from the bottom up; and two mistaken objectives for them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from hvae_ref.elbo import Divergence, Elbo, KlEstimator, Latent, analytic_kl_or_sample, draw, sampled_kl
from hvae_ref.flows import FlowDistribution
from hvae_ref.models.arrows import check_arrows
from hvae_ref.models.base import LatentVariableModel, Shape
from hvae_ref.models.latents import Inference, LatentSource
from hvae_ref.models.nets import dense
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import ConditionalNormal, StandardNormal
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood


class TwoLevelVAE(LatentVariableModel):
    """p(x|z1) p(z1|z2) p(z2) with q(z1|x) q(z2|z1), or q(z1|x) q(z2|z1, x); eq. 2.1–2.3 in the book.

    Args:
        x_shape: event shape of x.
        p_z2: prior, called with the number of examples n (and the condition).
        p_z1_given_z2: called with z2 (and the condition).
        p_x_given_z1: called with z1 (and the condition).
        q_z1_given_x: called with what nets see of x (and of the condition).
        q_z2_given_below: called with z1, with what nets see of x where `z2_sees_x`, and with the condition.
        z2_sees_x: infer z2 from z1 and x instead of from z1 alone.
        condition: checks and embeds a condition; None for none.

    The KL of z1 is a one-sample estimate, because q(z1|x) does not know the z2 that p(z1|z2) is given;
    the KL of z2 is exact unless `kl` says otherwise.
    """

    def __init__(
        self,
        x_shape: Shape,
        p_z2: nn.Module,
        p_z1_given_z2: nn.Module,
        p_x_given_z1: nn.Module,
        q_z1_given_x: nn.Module,
        q_z2_given_below: nn.Module,
        z2_sees_x: bool = False,
        condition: Condition | None = None,
    ) -> None:
        check_arrows(
            p_z2=p_z2,
            p_z1_given_z2=p_z1_given_z2,
            p_x_given_z1=p_x_given_z1,
            q_z1_given_x=q_z1_given_x,
            q_z2_given_below=q_z2_given_below,
        )
        super().__init__(x_shape, ("z2", "z1"), getattr(p_x_given_z1, "likelihood", None), condition)
        self.p_z2, self.p_z1_given_z2, self.p_x_given_z1 = p_z2, p_z1_given_z2, p_x_given_z1
        self.q_z1_given_x, self.q_z2_given_below, self.z2_sees_x = q_z1_given_x, q_z2_given_below, z2_sees_x

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (32, 16),
        hidden: Sequence[int] = (256, 256),
        hidden_top: Sequence[int] = (128,),
        z2_sees_x: bool = False,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        dropout: float = 0.0,
        flow: dense.Flow = None,
        flow_steps: int = 4,
        condition: Condition | None = None,
    ) -> TwoLevelVAE:
        """Multilayer perceptrons for all arrows.

        Args:
            x_shape: event shape of x; images are flattened inside the nets.
            latent_dims: two sizes, (z1, z2).
            hidden: sizes of the hidden layers between x and z1, from x up.
            hidden_top: sizes of the hidden layers between z1 and z2, from z1 up.
            z2_sees_x: infer z2 from z1 and x instead of from z1 alone.
            likelihood: of each value of x.
            dropout: probability of dropping a hidden unit while training.
            flow: family of `hvae_ref.flows` that bends the Gaussian posteriors ("planar", "orthogonal", "householder",
                "triangular", "iaf"): one for all levels, or one by level, {"z1": "iaf"}. The KL of a level with a flow
                is a one-sample estimate.
            flow_steps: length of each flow.
            condition: what every net sees too; None for none.

        Raises:
            ValueError: for another number of levels, or sizes below 1.
        """
        d1, d2 = dense.check_dims(latent_dims, levels=2)
        hidden, hidden_top = dense.check_sizes("hidden", hidden), dense.check_sizes("hidden_top", hidden_top)
        family, c = dense.flow_names(flow, ("z2", "z1")), dense.size_of(condition)
        seen = (d1, x_shape, c) if z2_sees_x else (d1, c)
        return cls(
            x_shape,
            p_z2=StandardNormal((d2,)),
            p_z1_given_z2=ConditionalNormal(dense.net((d2, c), hidden_top[::-1], 2 * d1, dropout)),
            p_x_given_z1=dense.pixels(x_shape, (d1, c), hidden[::-1], likelihood, dropout),
            q_z1_given_x=dense.posterior(
                lambda outputs: dense.net((x_shape, c), hidden, outputs, dropout), d1, family["z1"], flow_steps
            ),
            q_z2_given_below=dense.posterior(
                lambda outputs: dense.net(seen, hidden_top, outputs, dropout), d2, family["z2"], flow_steps
            ),
            z2_sees_x=z2_sees_x,
            condition=condition,
        )

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1) + log p(z1|z2) − log q(z1|x) − KL(q(z2|·) ‖ p(z2))], from one sample of each latent."""
        latents, p_x = self.infer(x, condition=condition)
        return Elbo(p_x.log_prob(x), kl={"z2": kl(latents["z2"]), "z1": sampled_kl(latents["z1"])})

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """q(z1|x), then q(z2|·) given a sample of z1; and both priors and p(x|z1) at these samples."""
        seen, c = self.observe(x, condition, self.like)
        q_z1 = self.q_z1_given_x(seen, *c)
        z1, log_q1 = draw(q_z1)
        q_z2 = self.q_z2_given_below(z1, seen, *c) if self.z2_sees_x else self.q_z2_given_below(z1, *c)
        z2, log_q2 = draw(q_z2)
        p_z2, p_z1, p_x = self.p_z2(len(x), *c), self.p_z1_given_z2(z2, *c), self.p_x_given_z1(z1, *c)
        return Inference({"z2": Latent(q_z2, p_z2, z2, log_q2), "z1": Latent(q_z1, p_z1, z1, log_q1)}, p_x)

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """z2, then z1 given z2, then p(x|z1)."""
        z2 = source("z2", self.p_z2(n, *c), None)
        z1 = source("z1", self.p_z1_given_z2(z2, *c), z2)
        return self.p_x_given_z1(z1, *c)

    def mistaken_shortcut(self, x: Tensor, *, condition: Tensor | None = None) -> Elbo:
        """NOT the ELBO: KL(q(z1|x) ‖ p(z1|z2)) in closed form, with z2 drawn from q(z2|z1).

        The expectation over z2 no longer knows which z1 it came from. In expectation this is the ELBO of the
        mean-field posterior q(z1|x) q(z2|x) minus I_q(z1; z2|x): it punishes a z2 that knows its z1 (eq. 2.6).

        Raises:
            ValueError: as `infer`, and for posteriors with a flow.
        """
        latents, p_x = self.infer(x, condition=condition)
        return Elbo(p_x.log_prob(x), kl={level: _closed(level, latents[level]) for level in ("z2", "z1")})

    def mistaken_standard_normal_kl(self, x: Tensor, *, condition: Tensor | None = None) -> Elbo:
        """NOT the ELBO of this model: both levels against N(0, I), so z2 is left out of the generative model.

        Raises:
            ValueError: as `infer`, and for posteriors with a flow.
        """
        latents, p_x = self.infer(x, condition=condition)
        prior = StandardNormal(latents["z1"].z.shape[1:]).to(latents["z1"].z)(len(x))
        z1 = latents["z1"]._replace(p=prior)
        return Elbo(p_x.log_prob(x), kl={"z2": _closed("z2", latents["z2"]), "z1": _closed("z1", z1)})


def _closed(level: str, latent: Latent) -> Divergence:
    """KL(q ‖ p) in closed form; the mistakes are about these, and a posterior with a flow has none."""
    if isinstance(latent.q, FlowDistribution):
        raise ValueError(f"{level}: expected a Gaussian posterior for an objective in closed form, got a flow")
    return Divergence(kl_divergence(latent.q, latent.p), sampled=False)
