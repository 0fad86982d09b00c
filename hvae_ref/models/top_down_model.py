"""What all top-down models share: the deterministic side path, the descent, the bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from hvae_ref.distributions import HypersphericalUniform
from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample
from hvae_ref.flows import FlowDistribution, build_flow
from hvae_ref.models.base import Choose, Inference, LatentVariableModel
from hvae_ref.models.posteriors import Flow, flow_names
from hvae_ref.nn.heads import (
    ConditionalNormal,
    ConditionalVonMisesFisher,
    conditional_pixels,
    full_precision,
    outputs_per_pixel,
    standard_normal,
)
from hvae_ref.nn.layers import Rescale, ResidualBlock, Scale, mlp

TOPS = ("gaussian", "sphere")


class TopDownModel(LatentVariableModel):
    """p(x|z) Π p(z_l|z_>l) with q(z_L|x) Π q(z_l|z_>l, x), inferred on the way down; eq. 3.1–3.2 in the book.

    Side path: r_1 = f_1(x), r_2 = f_2(r_1), …. Descent: a state s is carried from the top to x. After z_l is known,
    s becomes g_l(z_l), or s + g_l(z_l) on the residual path; the prior of the next level, or p(x|·), reads s. Without
    the residual path z_l is all that the levels below see of those above, and x sees z1 alone.

    A concrete model says how q(z_l|z_>l, x) comes from its prior, the state and the side path.

    Args:
        data_dim: D.
        latent_dims: sizes from the bottom up.
        hidden: width of the side path and of the state.
        residual: carry the state past each latent, so that x sees all levels.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        flow: family of `hvae_ref.flows` for every Gaussian level, or families by level; None for none.
        flow_steps: length of each flow.
        top: "gaussian", or "sphere" for z_L uniform on the unit sphere with a von Mises-Fisher posterior (eq. 5.15).
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int],
        hidden: int,
        residual: bool,
        likelihood: str,
        num_values: int,
        components: int,
        dropout: float,
        flow: Flow,
        flow_steps: int,
        top: str,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        if top not in TOPS:
            raise ValueError(f"top: expected one of {', '.join(TOPS)}, got {top!r}")
        if top == "sphere":
            if self.dims[self.levels[0]] < 2:
                raise ValueError(f"latent_dims: expected a top level of at least 2 for a sphere, got {latent_dims}")
            self.spheres[self.levels[0]] = 1
        out = data_dim * outputs_per_pixel(likelihood, num_values, components)
        self.hidden, self.residual = hidden, residual
        self.side_path = nn.ModuleDict()
        self.embed = nn.ModuleDict()
        self.p_given_state = nn.ModuleDict()
        for level, size in reversed(self.dims.items()):
            into = [Rescale(num_values - 1), nn.Linear(data_dim, hidden)] if level == "z1" else []
            self.side_path[level] = nn.Sequential(*into, ResidualBlock(hidden, dropout=dropout))
            scale = [Scale(size**0.5)] if level in self.spheres else []
            self.embed[level] = nn.Sequential(*scale, nn.Linear(size, hidden), ResidualBlock(hidden, dropout=dropout))
            if level != self.levels[0]:
                self.p_given_state[level] = ConditionalNormal(mlp([hidden, hidden, 2 * size], dropout))
        self.p_x_given_state = conditional_pixels(
            nn.Sequential(nn.LayerNorm(hidden), mlp([hidden, hidden, out], dropout)),
            likelihood,
            num_values,
            components,
        )
        self.q_sphere_given_x = nn.ModuleDict(
            {
                level: ConditionalVonMisesFisher(mlp([hidden, hidden, self.dims[level] + 1], dropout))
                for level in self.spheres
            }
        )
        self.gaussian_levels = tuple(level for level in self.levels if level not in self.spheres)
        family = flow_names(flow, self.gaussian_levels)
        self.flows = nn.ModuleDict(
            {
                level: build_flow(family[level], self.dims[level], hidden, flow_steps)
                for level in self.gaussian_levels
                if family[level] is not None
            }
        )

    @abstractmethod
    def q_z_given_above_x(self, level: str, p: Independent, r: Tensor) -> Independent:
        """The Gaussian q(z_l|z_>l, x) from the level's prior p(z_l|z_>l) and the side path's r_l (B, hidden)."""

    def posterior(self, level: str, p: Distribution, r: Tensor) -> Distribution:
        """q(z_l|z_>l, x): von Mises-Fisher on a sphere, else the Gaussian, bent by the level's flow if it has one."""
        if level in self.spheres:
            return self.q_sphere_given_x[level](r)
        q = self.q_z_given_above_x(level, p, r)
        return FlowDistribution(q, self.flows[level], full_precision(r)) if level in self.flows else q

    def p_top(self, n: int) -> Distribution:
        """The prior of the top level, batch (n,): N(0, I), or the uniform distribution on the sphere."""
        size = self.dims[self.levels[0]]
        if self.levels[0] in self.spheres:
            return HypersphericalUniform(size, (n,), dtype=self.like.dtype, device=self.like.device)
        return standard_normal(n, size, like=self.like)

    def side(self, x: Tensor) -> dict[str, Tensor]:
        """r_1 = f_1(x), r_2 = f_2(r_1), …: what each level is told of x, (B, hidden) each."""
        r: dict[str, Tensor] = {}
        h = self.check(x)
        for level, f in self.side_path.items():
            r[level] = h = f(h)
        return r

    def infer(self, x: Tensor) -> Inference:
        """Every posterior and its sample, met on one descent."""
        r, q, z = self.side(x), {}, {}

        def from_posterior(level: str, p: Distribution) -> Tensor:
            """Draw z of a level from its posterior and keep both."""
            q[level] = self.posterior(level, p, r[level])
            z[level] = q[level].rsample()
            return z[level]

        self.descend(from_posterior, len(x))
        return Inference(q, z)

    def elbo(self, x: Tensor, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z) − Σ_l KL(q(z_l|z_>l, x) ‖ p(z_l|z_>l))], from one sample of each latent."""
        r, divergence = self.side(x), {}

        def from_posterior(level: str, p: Distribution) -> Tensor:
            """Draw z of a level from q and note what it cost."""
            q = self.posterior(level, p, r[level])
            z = q.rsample()
            divergence[level] = kl(q, p, z)
            return z

        p_x = self.descend(from_posterior, len(x))
        return Elbo(p_x.log_prob(x), divergence)

    def descend(self, choose: Choose, n: int) -> Distribution:
        """The shared top-down path: prior, latent, state, level by level; then p(x|state)."""
        top, *below = self.levels
        z = choose(top, self.p_top(n))
        state = self.embed[top](z)
        for level in below:
            z = choose(level, self.p_given_state[level](state))
            state = self.embed[level](z) + (state if self.residual else 0.0)
        return self.p_x_given_state(state)
