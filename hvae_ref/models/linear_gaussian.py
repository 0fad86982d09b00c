"""A hierarchy of linear maps with Gaussian noise: every quantity of the book in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from hvae_ref.distributions.gaussian_algebra import (
    ChainMoments,
    LinearGaussian,
    chain_moments,
    expected_log_normal,
    gaussian_entropy,
)
from hvae_ref.elbo import Elbo
from hvae_ref.models.base import LatentVariableModel
from hvae_ref.models.bottom_up_vae import BottomUpVAE
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian


class LinearGaussianModel(BottomUpVAE):
    """z_L ~ N(0, I), z_l|z_{l+1} and x|z_1 linear-Gaussian, q(z_1|x) Π q(z_{l+1}|z_l) linear-Gaussian too.

    The oracle of the book: log p(x), the posterior, mutual information and every bound in closed form, beside the
    same sampled `elbo` and `log_weight` that all models have. Sampled KLs are as in `BottomUpVAE`. All in float64.

    Args:
        p: the generative arrows from x up: p(x|z1), p(z1|z2), ….
        q: the inference arrows from x up: q(z1|x), q(z2|z1), …; or "exact", the posterior of p, which factors in
            just this way and follows p when p is trained.

    Raises:
        ValueError: where arrows do not fit each other.

    Reference:
        Tipping and Bishop (1999), Probabilistic principal component analysis (the one-level case),
        https://doi.org/10.1111/1467-9868.00196

    >>> model = LinearGaussianModel.random(data_dim=5, latent_dims=(3, 2), seed=0)
    >>> x = model.sample(4)
    >>> bool(torch.allclose(model.log_weight(x, 7), model.log_prob(x).expand(7, 4)))
    True
    """

    def __init__(
        self,
        p: Iterable[ConditionalLinearGaussian],
        q: Iterable[ConditionalLinearGaussian] | Literal["exact"] = "exact",
    ) -> None:
        p = list(p)
        if not p:
            raise ValueError("p: expected at least one arrow, p(x|z1)")
        dims = [arrow.weight.shape[1] for arrow in p]
        levels = [f"z{number}" for number in range(1, len(dims) + 1)]
        chain = [len(p[0].weight), *dims]
        _check_arrows("p", p, [(low, high) for low, high in zip(chain[:-1], chain[1:], strict=True)])
        # Not BottomUpVAE's own: the exact posterior has no arrows of its own, it follows those of p.
        LatentVariableModel.__init__(self, chain[0], levels[::-1])
        self.p_x_given_z1 = p[0]
        self.prior = nn.ModuleDict(dict(zip(levels[:-1], p[1:], strict=True)) | {levels[-1]: _StandardNormal(dims[-1])})
        self.posterior = nn.ModuleDict()
        if not isinstance(q, str):
            q = list(q)
            _check_arrows("q", q, [(high, low) for low, high in zip(chain[:-1], chain[1:], strict=True)])
            self.posterior.update(zip(levels, q, strict=True))
        elif q != "exact":
            raise ValueError(f"q: expected 'exact' or arrows from x up, got {q!r}")

    @property
    def p_given_above(self) -> list[ConditionalLinearGaussian]:
        """The generative arrows from x up: p(x|z1), p(z1|z2), …."""
        return [self.p_x_given_z1, *(self.prior[level] for level in reversed(self.levels[1:]))]

    @classmethod
    def random(
        cls, data_dim: int, latent_dims: Sequence[int], seed: int, q: Literal["exact", "random"] = "exact"
    ) -> LinearGaussianModel:
        """A model with random weights, biases and diagonal noise; "random" draws such a q as well."""
        generator = torch.Generator().manual_seed(seed)

        def arrow(d_out: int, d_in: int) -> ConditionalLinearGaussian:
            """A factor with random weights of unit gain, scales in [0.4, 1.2) and a bias."""
            weight = torch.randn(d_out, d_in, generator=generator, dtype=torch.float64) / d_in**0.5
            scale = torch.empty(d_out, dtype=torch.float64).uniform_(0.4, 1.2, generator=generator)
            bias = torch.randn(d_out, generator=generator, dtype=torch.float64) / 2
            return ConditionalLinearGaussian(weight, scale, bias=bias)

        pairs = list(zip([data_dim, *latent_dims[:-1]], latent_dims, strict=True))
        if q not in ("exact", "random"):
            raise ValueError(f"q: expected 'exact' or 'random', got {q!r}")
        p = [arrow(low, high) for low, high in pairs]
        return cls(p, "exact" if q == "exact" else [arrow(high, low) for low, high in pairs])

    # Exact quantities of p ----------------------------------------------------------------------------------------

    def prior_moments(self) -> ChainMoments:
        """Moments of (z_L, …, z_1, x) under p, in this order."""
        eye = self.prior[self.levels[0]].identity
        return chain_moments(eye.new_zeros(len(eye)), eye, [arrow.arrow for arrow in reversed(self.p_given_above)])

    def marginal(self) -> MultivariateNormal:
        """p(x), event (data_dim,)."""
        return MultivariateNormal(*self.prior_moments().joint(len(self.levels)))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), exactly; (B,) nats."""
        return self.marginal().log_prob(self.observe(x, None, self.like)[0])

    def entropy(self) -> Tensor:
        """H(x) of the model's p(x); a scalar, nats."""
        return self.marginal().entropy()

    def mutual_information(self, level: str | None = None) -> Tensor:
        """I(x; z_l) = H(x) + H(z_l) − H(x, z_l) under p; without a level I(x; z_1, …, z_L). A scalar, nats.

        x depends on the levels above z1 only through z1, so the latents all together tell of x what z1 tells.
        """
        level = "z1" if level is None else level
        if level not in self.levels:
            raise ValueError(f"level: expected one of {', '.join(self.levels)} or None, got {level!r}")
        moments, at, x = self.prior_moments(), self.levels.index(level), len(self.levels)
        entropies = [gaussian_entropy(moments.joint(*which)[1]) for which in ((x,), (at,), (at, x))]
        return entropies[0] + entropies[1] - entropies[2]

    def exact_arrows(self) -> list[LinearGaussian]:
        """The posterior of p as arrows from x up: p(z1|x), p(z2|z1), …."""
        moments, top = self.prior_moments(), len(self.levels)
        return [arrow.arrow.reverse(*moments.joint(top - above)) for above, arrow in enumerate(self.p_given_above, 1)]

    def exact_posterior(self, x: Tensor) -> MultivariateNormal:
        """p(z_L, …, z_1 | x) of the concatenated latents, in the order of `levels`; batch (B,)."""
        moments = _moments_given_x(self.exact_arrows(), self.observe(x, None, self.like)[0])
        return MultivariateNormal(*moments.joint(*reversed(range(len(self.levels)))))

    def posterior_marginals(self, x: Tensor) -> dict[str, MultivariateNormal]:
        """p(z_l | x) of every level, top to bottom; batch (B,)."""
        moments = _moments_given_x(self.exact_arrows(), self.observe(x, None, self.like)[0])
        return {level: MultivariateNormal(*moments.joint(int(level[1:]) - 1)) for level in self.levels}

    # The package's contract: everything from samples ----------------------------------------------------------------

    def inference_arrows(self) -> dict[str, LinearGaussian]:
        """q(z1|x), q(z2|z1), … of this model, exact or given, by level from the bottom up."""
        arrows = [q.arrow for q in self.posterior.values()] or self.exact_arrows()
        return dict(zip(reversed(self.levels), arrows, strict=True))

    # Bounds in closed form, for any q of this model -----------------------------------------------------------------

    def exact_elbo(self, x: Tensor) -> Elbo:
        """The expectation of `elbo(x)`; eq. 2.4 in the book. With the exact posterior its value is log p(x)."""
        arrows = list(self.inference_arrows().values())
        m = _moments_given_x(arrows, self.observe(x, None, self.like)[0])
        cross = [m.blocks[i][i + 1] for i in range(len(arrows) - 1)]
        return self._bound(x, m, cross, [gaussian_entropy(arrow.covariance) for arrow in arrows])

    def exact_mean_field_elbo(self, x: Tensor) -> Elbo:
        """The ELBO of the mean-field posterior Π q(z_l|x), made of the marginals of this model's q."""
        arrows = list(self.inference_arrows().values())
        m = _moments_given_x(arrows, self.observe(x, None, self.like)[0])
        cross = [torch.zeros_like(m.blocks[i][i + 1]) for i in range(len(arrows) - 1)]
        return self._bound(x, m, cross, [gaussian_entropy(m.blocks[i][i]) for i in range(len(arrows))])

    def exact_shortcut(self, x: Tensor) -> Elbo:
        """NOT the ELBO: the expectation of Σ_l KL(q(z_l|z_{l−1}) ‖ p(z_l|z_{l+1})) with z_{l+1} drawn from the chain.

        The z_l inside the KL is another draw than the one z_{l+1} came from, so their covariance is lost. With two
        levels the value is `exact_mean_field_elbo` minus I_q(z1; z2|x), eq. 2.6 in the book.
        """
        arrows = list(self.inference_arrows().values())
        m = _moments_given_x(arrows, self.observe(x, None, self.like)[0])
        cross = [torch.zeros_like(m.blocks[0][1])] if len(arrows) > 1 else []
        cross += [arrows[i].weight @ m.blocks[i - 1][i + 1] for i in range(1, len(arrows) - 1)]
        return self._bound(x, m, cross, [gaussian_entropy(arrow.covariance) for arrow in arrows])

    def exact_standard_normal_kl(self, x: Tensor) -> Elbo:
        """NOT the ELBO of this model: every level's q against N(0, I), so p(z_l|z_{l+1}) is left out of p."""
        arrows = list(self.inference_arrows().values())
        m = _moments_given_x(arrows, self.observe(x, None, self.like)[0])
        kl = {}
        for i, arrow in enumerate(arrows):
            identity = torch.eye(len(arrow.bias), dtype=x.dtype, device=x.device)
            expected_log_p = expected_log_normal(m.means[i], m.blocks[i][i], identity)
            kl[f"z{i + 1}"] = -gaussian_entropy(arrow.covariance) - expected_log_p
        return Elbo(self._expected_log_px(x, m), dict(reversed(kl.items())))

    def posterior_mutual_information(self, x: Tensor) -> Tensor:
        """I_q(z1; z2|x), for more levels the total correlation Σ_l H_q(z_l|x) − H_q(z_1, …, z_L|x); (B,) nats.

        The same for every x, since no covariance of a linear-Gaussian q depends on x.
        """
        arrows = list(self.inference_arrows().values())
        m = _moments_given_x(arrows, self.observe(x, None, self.like)[0])
        marginal = sum(gaussian_entropy(m.blocks[i][i]) for i in range(len(arrows)))
        return (marginal - sum(gaussian_entropy(arrow.covariance) for arrow in arrows)).expand(len(x))

    def _expected_log_px(self, x: Tensor, m: ChainMoments) -> Tensor:
        p_x = self.p_given_above[0].arrow
        return expected_log_normal(
            x - p_x.mean(m.means[0]), p_x.weight @ m.blocks[0][0] @ p_x.weight.mT, p_x.scale_tril
        )

    def _bound(self, x: Tensor, m: ChainMoments, cross: list[Tensor], entropies: list[Tensor]) -> Elbo:
        """E[log p] + entropy, level by level, where z_l and z_{l+1} inside log p(z_l|z_{l+1}) covary as in `cross`."""
        kl = {}
        for i, entropy in enumerate(entropies[:-1]):
            p = self.p_given_above[i + 1].arrow
            shared = cross[i] @ p.weight.mT
            spread = m.blocks[i][i] - shared - shared.mT + p.weight @ m.blocks[i + 1][i + 1] @ p.weight.mT
            expected_log_p = expected_log_normal(m.means[i] - p.mean(m.means[i + 1]), spread, p.scale_tril)
            kl[f"z{i + 1}"] = -entropy - expected_log_p
        identity = torch.eye(m.means[-1].shape[-1], dtype=x.dtype, device=x.device)
        kl[self.levels[0]] = -entropies[-1] - expected_log_normal(m.means[-1], m.blocks[-1][-1], identity)
        return Elbo(self._expected_log_px(x, m), dict(reversed(kl.items())))


class _StandardNormal(nn.Module):
    """N(0, I) as a `MultivariateNormal`, so that its KL from the exact posterior has a closed form."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("identity", torch.eye(size, dtype=torch.float64), persistent=False)

    def forward(self, n: int) -> MultivariateNormal:
        """Batch (n,), event (size,)."""
        return MultivariateNormal(self.identity.new_zeros(n, len(self.identity)), scale_tril=self.identity)


def _moments_given_x(arrows: list[LinearGaussian], x: Tensor) -> ChainMoments:
    """Moments of (z_1, …, z_L) given x under a posterior that climbs from x."""
    first, *rest = arrows
    return chain_moments(first.mean(x), first.covariance, rest)


def _check_arrows(name: str, arrows: Sequence[ConditionalLinearGaussian], shapes: list[tuple[int, int]]) -> None:
    got = [tuple(arrow.weight.shape) for arrow in arrows]
    if got != shapes:
        raise ValueError(f"{name}: expected arrows from x up with weights of shapes {shapes}, got {got}")
