"""Top-down models: inferred on the way down, with a deterministic side path that tells each level of x."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, Latent, analytic_kl_or_sample
from hvae_ref.models.arrows import check_arrows
from hvae_ref.models.base import LatentVariableModel, Shape
from hvae_ref.models.latents import Inference, LatentSource
from hvae_ref.nn.conditions import Condition


class ResidualBlock(nn.Module):
    """x + f(LayerNorm(x)): the block of dense side paths and states. Keeps the shape, and starts near the identity."""

    def __init__(self, features: int, hidden: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = hidden or features
        self.norm = nn.LayerNorm(features)
        self.net = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features) to (B, features)."""
        return x + self.net(self.norm(x))


class TopDownModel(LatentVariableModel):
    """p(x|z) Π p(z_l|z_>l) with q(z_L|x) Π q(z_l|z_>l, x), inferred on the way down; eq. 3.1–3.2 in the book.

    Side path: r_1 = f_1(x), r_2 = f_2(r_1), …. Descent: a state s is carried from the top to x. At each level it is
    brought to the level's shape, s ← path_l(s); the prior reads it; and once z_l is known s becomes g_l(z_l), or
    s + g_l(z_l) on the residual path. p(x|·) reads the last one. Without the residual path z_l is all that the levels
    below see of those above, and x sees z1 alone.

    Every net comes from outside, by level ("z1" next to x): plain modules that map tensors, and heads that return
    distributions (`hvae_ref.nn.heads`). `TopDownVAE.dense` and `TopDownVAE.convolutional` build the usual ones.

    Args:
        x_shape: event shape of x.
        side_path: nets f_l from the bottom up; the first is called with x as `likelihood.embed` shows it (and with the
            condition), each other one with the r of the level below.
        prior: p(z_L), called with the number of examples n, and heads p(z_l|z_>l), called with the state; all with the
            condition too, where there is one.
        posterior: q(z_l|z_>l, x), called with the level's prior, r_l and the state (None at the top): a
            `RelativePosterior`, `LadderPosterior`, `DirectPosterior` or one of your own.
        descent: nets g_l from z_l to the state.
        p_x_given_state: called with the last state (and the condition).
        path: nets that bring the state above to the shape of a level's state; the identity where none is given.
        residual: carry the state past each latent, so that x sees all levels.
        condition: checks and embeds a condition; None for none.

    Raises:
        ValueError: where the levels of the nets differ.

    Reference:
        Sønderby et al. (2016), https://arxiv.org/abs/1602.02282; Kingma et al. (2016), https://arxiv.org/abs/1606.04934
        (ResNet VAE); Vahdat and Kautz (2020), NVAE, https://arxiv.org/abs/2007.03898
    """

    def __init__(
        self,
        x_shape: Shape,
        side_path: Mapping[str, nn.Module],
        prior: Mapping[str, nn.Module],
        posterior: Mapping[str, nn.Module],
        descent: Mapping[str, nn.Module],
        p_x_given_state: nn.Module,
        path: Mapping[str, nn.Module] | None = None,
        residual: bool = True,
        condition: Condition | None = None,
    ) -> None:
        check_arrows(side_path=side_path, prior=prior, posterior=posterior, descent=descent, path=path or {})
        check_arrows(p_x_given_state=p_x_given_state)
        levels = tuple(f"z{number}" for number in range(len(side_path), 0, -1))
        path = {level: (path or {}).get(level, nn.Identity()) for level in levels[1:]} | dict(path or {})
        for name, nets in (("side_path", side_path), ("prior", prior), ("posterior", posterior), ("descent", descent)):
            if set(nets) != set(levels):
                raise ValueError(f"{name}: expected nets for {', '.join(levels)}, got {', '.join(nets)}")
        if unknown := sorted(set(path) - set(levels[1:])):
            raise ValueError(f"path: expected levels among {', '.join(levels[1:])}, got {', '.join(unknown)}")
        super().__init__(x_shape, levels, getattr(p_x_given_state, "likelihood", None), condition)
        self.residual = residual
        self.side_path = nn.ModuleDict({level: side_path[level] for level in reversed(levels)})
        self.prior = nn.ModuleDict({level: prior[level] for level in levels})
        self.posterior = nn.ModuleDict({level: posterior[level] for level in levels})
        self.descent = nn.ModuleDict({level: descent[level] for level in levels})
        self.path = nn.ModuleDict({level: path[level] for level in levels[1:]})
        self.p_x_given_state = p_x_given_state

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z) − Σ_l KL(q(z_l|z_>l, x) ‖ p(z_l|z_>l))], from one sample of each latent."""
        latents, p_x = self.infer(x, condition=condition)
        divergence = {}
        for level, latent in latents.items():
            divergence[level] = kl(latent)
        return Elbo(p_x.log_prob(x), divergence)

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """The side path up, then one descent on which each level's posterior is met and drawn from."""
        h, c = self.observe(x, condition, next(self.parameters()))
        r: dict[str, Tensor] = {}
        for level, f in self.side_path.items():
            r[level] = h = f(h) if r else f(h, *c)
        latents: dict[str, Latent] = {}

        def from_posterior(level: str, p: Distribution, state: Tensor | None) -> Tensor:
            """Draw z of a level from its posterior, and keep all that is known of it."""
            q = self.posterior[level](p, r[level], state)
            z, log_q = q.rsample_and_log_prob() if hasattr(q, "rsample_and_log_prob") else (q.rsample(), None)
            latents[level] = Latent(q, p, z, log_q)
            return z

        p_x = self.ancestral_pass(from_posterior, len(x), c)
        return Inference(latents, p_x)

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """The shared top-down path: prior, latent, state, level by level; then p(x|state)."""
        state = None
        for level in self.levels:
            above = None if state is None else self.path[level](state)
            p = self.prior[level](n if above is None else above, *c)
            state = self.descent[level](source(level, p, above))
            if self.residual and above is not None:
                state = state + above
        return self.p_x_given_state(state, *c)
