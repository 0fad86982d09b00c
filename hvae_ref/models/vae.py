"""The variational autoencoder with one level of latents."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, Latent, analytic_kl_or_sample, draw
from hvae_ref.models.arrows import check_arrows
from hvae_ref.models.base import LatentVariableModel, Shape
from hvae_ref.models.latents import Inference, LatentSource
from hvae_ref.models.nets import dense
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import StandardNormal
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood


class VAE(LatentVariableModel):
    """p(x, z1) = p(x|z1) p(z1) with q(z1|x); eq. 1.5 in the book.

    Args:
        x_shape: event shape of x.
        p_z1: prior, called with the number of examples n (and the condition).
        q_z1_given_x: posterior, called with what nets see of x (and of the condition).
        p_x_given_z1: called with z1 (and the condition).
        condition: checks and embeds a condition; None for none.

    Each arrow is a module that returns a distribution of batch shape (B,): see `hvae_ref.nn.heads` and
    `hvae_ref.nn.likelihoods`. `VAE.dense` makes the usual ones.

    Reference:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114

    >>> import torch
    >>> model = VAE.dense(64, latent_dims=(8,), hidden=(32,))
    >>> model.elbo(torch.zeros(5, 64)).value.shape
    torch.Size([5])
    """

    def __init__(
        self,
        x_shape: Shape,
        p_z1: nn.Module,
        q_z1_given_x: nn.Module,
        p_x_given_z1: nn.Module,
        condition: Condition | None = None,
    ) -> None:
        check_arrows(p_z1=p_z1, q_z1_given_x=q_z1_given_x, p_x_given_z1=p_x_given_z1)
        super().__init__(x_shape, ("z1",), getattr(p_x_given_z1, "likelihood", None), condition)
        self.p_z1, self.q_z1_given_x, self.p_x_given_z1 = p_z1, q_z1_given_x, p_x_given_z1

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (16,),
        hidden: Sequence[int] = (256, 256),
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        dropout: float = 0.0,
        flow: dense.Flow = None,
        flow_steps: int = 4,
        condition: Condition | None = None,
    ) -> VAE:
        """Multilayer perceptrons from x to z1 and back.

        Args:
            x_shape: event shape of x; images are flattened inside the nets.
            latent_dims: one size, (z1,).
            hidden: sizes of the hidden layers from x to z1; the decoder has them in reverse.
            likelihood: of each value of x.
            dropout: probability of dropping a hidden unit while training.
            flow: family of `hvae_ref.flows` that bends the Gaussian posterior: "planar", "orthogonal", "householder",
                "triangular" or "iaf". The KL is then a one-sample estimate.
            flow_steps: length of the flow.
            condition: what both nets see beside x and z1; None for none.

        Raises:
            ValueError: for another number of levels, or sizes below 1.
        """
        (size,) = dense.check_dims(latent_dims, levels=1)
        family = dense.flow_names(flow, ("z1",))["z1"]
        hidden = dense.check_sizes("hidden", hidden)
        c = dense.size_of(condition)
        return cls(
            x_shape,
            p_z1=StandardNormal((size,)),
            q_z1_given_x=dense.posterior(
                lambda outputs: dense.net((x_shape, c), hidden, outputs, dropout), size, family, flow_steps
            ),
            p_x_given_z1=dense.pixels(x_shape, (size, c), hidden[::-1], likelihood, dropout),
            condition=condition,
        )

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1)] − KL(q(z1|x) ‖ p(z1)), the expectation from one sample."""
        latents, p_x = self.infer(x, condition=condition)
        return Elbo(p_x.log_prob(x), kl={"z1": kl(latents["z1"])})

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """q(z1|x), a sample of it, and p(x|z1)."""
        seen, c = self.observe(x, condition, self.like)
        p_z1, q_z1 = self.p_z1(len(x), *c), self.q_z1_given_x(seen, *c)
        z1, log_q = draw(q_z1)
        return Inference({"z1": Latent(q_z1, p_z1, z1, log_q)}, self.p_x_given_z1(z1, *c))

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """z1 from `source`, then p(x|z1)."""
        return self.p_x_given_z1(source("z1", self.p_z1(n, *c), None), *c)
