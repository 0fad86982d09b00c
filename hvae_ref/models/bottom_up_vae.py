"""Any number of levels in a chain, inferred from the bottom up: the baseline of the ladder paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, Latent, analytic_kl_or_sample, draw, sampled_kl
from hvae_ref.models.arrows import check_arrows
from hvae_ref.models.base import LatentVariableModel, Shape
from hvae_ref.models.latents import Inference, LatentSource
from hvae_ref.models.nets import dense
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import ConditionalNormal, StandardNormal
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood


class BottomUpVAE(LatentVariableModel):
    """p(x|z1) Π p(z_l|z_{l+1}) p(z_L) with q(z1|x) Π q(z_{l+1}|z_l); eq. 2.8 in the book.

    The KL of the top level is exact (unless `kl` says otherwise); those below are one-sample estimates, because
    q(z_l|z_{l−1}) does not know the z_{l+1} of its prior.

    Args:
        x_shape: event shape of x.
        prior: p(z_L), called with the number of examples n, and heads p(z_l|z_{l+1}), called with z_{l+1}; by level.
        posterior: heads q(z1|x), called with what nets see of x, and q(z_l|z_{l−1}), called with z_{l−1}; by level.
        p_x_given_z1: called with z1.
        condition: checks and embeds a condition, which every arrow is then called with too; None for none.

    Raises:
        ValueError: where the levels of priors and posteriors differ.

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282
    """

    def __init__(
        self,
        x_shape: Shape,
        prior: Mapping[str, nn.Module],
        posterior: Mapping[str, nn.Module],
        p_x_given_z1: nn.Module,
        condition: Condition | None = None,
    ) -> None:
        check_arrows(prior=prior, posterior=posterior, p_x_given_z1=p_x_given_z1)
        levels = tuple(f"z{number}" for number in range(len(prior), 0, -1))
        for name, arrows in (("prior", prior), ("posterior", posterior)):
            if set(arrows) != set(levels):
                raise ValueError(f"{name}: expected heads for {', '.join(levels)}, got {', '.join(arrows)}")
        super().__init__(x_shape, levels, getattr(p_x_given_z1, "likelihood", None), condition)
        self.prior = nn.ModuleDict({level: prior[level] for level in levels})
        self.posterior = nn.ModuleDict({level: posterior[level] for level in reversed(levels)})
        self.p_x_given_z1 = p_x_given_z1

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (64, 32, 16, 8, 4),
        hidden: int = 256,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        dropout: float = 0.0,
        flow: dense.Flow = None,
        flow_steps: int = 4,
        condition: Condition | None = None,
    ) -> BottomUpVAE:
        """Multilayer perceptrons for all arrows.

        Args:
            x_shape: event shape of x; images are flattened inside the nets.
            latent_dims: sizes from the bottom up.
            hidden: width of the two hidden layers between x and z1, and of the one between any two latents.
            likelihood: of each value of x.
            dropout: probability of dropping a hidden unit while training.
            flow: family of `hvae_ref.flows` that bends the Gaussian posteriors ("planar", "orthogonal", "householder",
                "triangular", "iaf"): one for all levels, or one by level, {"z1": "iaf"}. The KL of a level with a flow
                is a one-sample estimate.
            flow_steps: length of each flow.
            condition: what every net sees too; None for none.

        Raises:
            ValueError: for no level, or sizes below 1.
        """
        sizes = dense.check_dims(latent_dims)
        hidden = dense.check_width("hidden", hidden)
        family, c = dense.flow_names(flow, dense.names(sizes)), dense.size_of(condition)
        prior: dict[str, nn.Module] = {f"z{len(sizes)}": StandardNormal((sizes[-1],))}
        posterior: dict[str, nn.Module] = {}
        for number, size in enumerate(sizes, 1):
            level, below = f"z{number}", sizes[number - 2] if number > 1 else x_shape
            layers = (hidden, hidden) if number == 1 else (hidden,)

            def encoder(outputs: int, below: Shape = below, layers: tuple[int, ...] = layers) -> nn.Module:
                return dense.net((below, c), layers, outputs, dropout)

            posterior[level] = dense.posterior(encoder, size, family[level], flow_steps)
            if number < len(sizes):
                prior[level] = ConditionalNormal(dense.net((sizes[number], c), (hidden,), 2 * size, dropout))
        pixels = dense.pixels(x_shape, (sizes[0], c), (hidden, hidden), likelihood, dropout)
        return cls(x_shape, prior, posterior, pixels, condition)

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1) − Σ_l (log q(z_l|z_{l−1}) − log p(z_l|z_{l+1}))], from one sample of each latent."""
        latents, p_x = self.infer(x, condition=condition)
        top, *below = self.levels
        return Elbo(p_x.log_prob(x), {top: kl(latents[top])} | {level: sampled_kl(latents[level]) for level in below})

    def inference_arrows(self) -> Mapping[str, Callable[..., Distribution]]:
        """q(z1|x), q(z2|z1), …, by level from the bottom up."""
        return dict(self.posterior.items())

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """Bottom up: q(z1|x), then each level given a sample of the one below; then down along the priors."""
        below, c = self.observe(x, condition, self.like)
        q, drawn = {}, {}
        for level, q_given_below in self.inference_arrows().items():
            q[level] = q_given_below(below, *c)
            drawn[level] = draw(q[level])
            below = drawn[level][0]
        latents: dict[str, Latent] = {}

        def from_posterior(level: str, p: Distribution, above: Tensor | None) -> Tensor:
            """The sample from the way up, with the prior that it meets on the way down."""
            latents[level] = Latent(q[level], p, *drawn[level])
            return latents[level].z

        return Inference(latents, self.ancestral_pass(from_posterior, len(x), c))

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """Top down: each latent given the one above, then p(x|z1)."""
        z = None
        for level in self.levels:
            z = source(level, self.prior[level](n if z is None else z, *c), z)
        return self.p_x_given_z1(z, *c)
