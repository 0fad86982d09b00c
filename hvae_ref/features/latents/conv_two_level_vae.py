"""A convolutional VAE with two levels of latent maps, whose prior may be a density as one puts on features."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, Latent, draw
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.latents.map_nets import conv_decoder, conv_encoder, conv_head
from hvae_ref.features.latents.map_prior import MapPrior, factor_of, kl_to_map_prior, nearly_standard
from hvae_ref.models import Inference, LatentSource, LatentVariableModel
from hvae_ref.nn.convolutions import halved
from hvae_ref.nn.heads import ConditionalNormal, StandardNormal
from hvae_ref.nn.likelihoods import Bernoulli, ConditionalLikelihood, Likelihood

PRIORS = ("standard", "density")
Shape = Sequence[int]


class ConvTwoLevelVAE(LatentVariableModel):
    r"""p(x|z1, z2) p(z1|z2) p(z2) with q(z2|x) q(z1|z2, x), where x, z1 and z2 are maps; eq. 7.11 in the book.

    Without a density both levels have the prior N(0, I). Nothing connects them before x does: this is a one-level model
    whose latent lies in two tensors, a fine one and a coarse one. With a density p(z2) and p(z1|z2) are its factors,
    for a `HierarchicalLatentDensity` a mixture of Gaussians with full covariances at every position, whose parameters
    in z1 come from z2 through attention. It is trained with the rest, by one bound,

    ELBO = E_q[log p(x|z1, z2) + log p(z1|z2) + log p(z2) − log q(z1, z2|x)].

    A mixture has no KL in closed form, so both levels' KLs are then estimates from the sample. The density cannot lower
    the bound without end by shrinking onto the posteriors: x is discrete, so log p(x|z) ≤ 0, and −ELBO stays above
    −log p(x) whatever the prior does. The unit of z is free, though, and the density's `min_scale` is in that unit.

    Every net comes from outside; `ConvTwoLevelVAE.convolutional` builds the usual ones. In the shapes below r is what x
    says at one level, and s what z2 says to everything below it, both (B, hidden, H, W) at the size of the level.

    Args:
        x_shape: (channels, height, width) of x.
        latent_shapes: (C, H, W) of z1 and of z2.
        r1_of_x: from what nets see of x to r1.
        r2_of_r1: from r1 to r2.
        q_z2_given_r2: called with r2, returns q(z2|x).
        q_z1_given_state: called with s + r1, returns q(z1|z2, x).
        state_of_z2: from z2 to s.
        embed_z1: from z1 to what is added to s.
        p_x_given_state: called with s + embed_z1(z1), returns p(x|z1, z2).
        density: over the levels z1 and z2, in this order, drawn from z2 to z1; None for N(0, I) on both.

    Attributes:
        density: the prior's density, or None.

    Raises:
        ValueError: for a density over other maps.

    >>> model = ConvTwoLevelVAE.convolutional((1, 28, 28))
    >>> model.shapes
    {'z2': torch.Size([8, 4, 4]), 'z1': torch.Size([4, 7, 7])}
    """

    density: FeatureDensity | None

    def __init__(
        self,
        x_shape: Shape,
        latent_shapes: Sequence[Shape],
        r1_of_x: nn.Module,
        r2_of_r1: nn.Module,
        q_z2_given_r2: nn.Module,
        q_z1_given_state: nn.Module,
        state_of_z2: nn.Module,
        embed_z1: nn.Module,
        p_x_given_state: nn.Module,
        density: FeatureDensity | None = None,
    ) -> None:
        super().__init__(x_shape, ("z2", "z1"), getattr(p_x_given_state, "likelihood", None))
        if len(latent_shapes) != 2 or any(len(shape) != 3 or min(shape) < 1 for shape in latent_shapes):
            raise ValueError(f"latent_shapes: expected (C, H, W) of z1 and of z2, got {latent_shapes}")
        self.r1_of_x, self.r2_of_r1 = r1_of_x, r2_of_r1
        self.q_z2_given_r2, self.q_z1_given_state = q_z2_given_r2, q_z1_given_state
        self.state_of_z2, self.embed_z1, self.p_x_given_state = state_of_z2, embed_z1, p_x_given_state
        self.standard_normal = nn.ModuleDict(
            {level: StandardNormal(shape) for level, shape in zip(("z1", "z2"), latent_shapes, strict=True)}
        )
        self.density = None if density is None else self._checked(density)

    @classmethod
    def convolutional(
        cls,
        x_shape: Shape,
        latent_channels: Sequence[int] = (4, 8),
        halvings: Sequence[int] = (2, 1),
        hidden: int = 24,
        prior: str = "standard",
        prior_components: int = 8,
        prior_width: int = 32,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
    ) -> ConvTwoLevelVAE:
        """Residual convolutions for all nets.

        Args:
            x_shape: (channels, height, width).
            latent_channels: of the maps (z1, z2).
            halvings: how many times height and width are halved from x to z1, and from z1 to z2; odd sizes are rounded
                up.
            hidden: channels of all maps inside the nets.
            prior: "standard" for N(0, I) on both levels, or "density" for a `HierarchicalLatentDensity`.
            prior_components: Gaussians at a position, for prior="density".
            prior_width: size of the context that attention gives them, a multiple of 4.
            likelihood: of each value of x.

        Raises:
            ValueError: for an unknown prior, or shapes that do not fit.
        """
        x_shape = (x_shape,) if isinstance(x_shape, int) else tuple(x_shape)
        if len(x_shape) != 3 or min(x_shape) < 1:
            raise ValueError(f"x_shape: expected (channels, height, width), got {x_shape}")
        for name, value, least in (("latent_channels", latent_channels, 1), ("halvings", halvings, 0)):
            if len(value) != 2 or min(value) < least:
                raise ValueError(f"{name}: expected two whole numbers of at least {least}, got {list(value)}")
        if hidden < 1:
            raise ValueError(f"hidden: expected at least 1, got {hidden}")
        if prior not in PRIORS:
            raise ValueError(f"prior: expected one of {', '.join(PRIORS)}, got {prior!r}")
        channels, *size = x_shape
        sizes = [(size[0], size[1])]
        for _ in range(sum(halvings)):
            sizes.append(halved(sizes[-1]))
        (c1, c2), up, outputs = latent_channels, sizes[::-1], channels * likelihood.outputs
        nets = {
            "r1_of_x": conv_encoder(channels, hidden, halvings[0]),
            "r2_of_r1": conv_encoder(hidden, hidden, halvings[1]),
            "q_z2_given_r2": ConditionalNormal(conv_head(hidden, 2 * c2)),
            "q_z1_given_state": ConditionalNormal(conv_head(hidden, 2 * c1)),
            "state_of_z2": nn.Sequential(
                nn.Conv2d(c2, hidden, 3, padding=1), *conv_decoder(hidden, up[: halvings[1] + 1])
            ),
            "embed_z1": nn.Conv2d(c1, hidden, 3, padding=1),
            "p_x_given_state": ConditionalLikelihood(conv_decoder(hidden, up[halvings[1] :], outputs), likelihood),
        }
        density = None
        if prior == "density":
            density = HierarchicalLatentDensity({"z1": c1, "z2": c2}, prior_components, width=prior_width)
            for level, dim in density.dims.items():
                density.p[level].init_from_mixture(nearly_standard(prior_components, dim))
        return cls(x_shape, ((c1, *sizes[halvings[0]]), (c2, *sizes[-1])), **nets, density=density)

    def p_z2(self, n: int) -> Distribution:
        """The prior of the coarse map, batch (n,)."""
        normal = self.standard_normal["z2"](n)
        return normal if self.density is None else MapPrior(factor_of(self.density, "z2"), None, n, normal.event_shape)

    def p_z1_given_z2(self, z2: Tensor) -> Distribution:
        """The prior of the fine map given the coarse one; N(0, I), whatever z2 is, where there is no density."""
        n = len(z2)
        normal = self.standard_normal["z1"](n)
        return normal if self.density is None else MapPrior(factor_of(self.density, "z1"), z2, n, normal.event_shape)

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = kl_to_map_prior) -> Elbo:
        """E_q[log p(x|z1, z2) − KL(q(z1|z2, x) ‖ p(z1|z2))] − KL(q(z2|x) ‖ p(z2)), from one sample of each latent.

        With a density as prior there is no KL in closed form; `kl_to_map_prior` says how much is left to the sample.
        """
        latents, p_x = self.infer(x, condition=condition)
        return Elbo(p_x.log_prob(x), kl={"z2": kl(latents["z2"]), "z1": kl(latents["z1"])})

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """q(z2|x), then q(z1|z2, x) given a sample of z2; and both priors and p(x|z1, z2) at these samples."""
        r1, r2 = self.side_path(x, condition=condition)
        q_z2 = self.q_z2_given_r2(r2)
        z2, log_q2 = draw(q_z2)
        state = self.state_of_z2(z2)
        q_z1 = self.q_z1_given_state(state + r1)
        z1, log_q1 = draw(q_z1)
        p_z2, p_z1, p_x = self.p_z2(len(x)), self.p_z1_given_z2(z2), self.p_x_given_state(state + self.embed_z1(z1))
        return Inference({"z2": Latent(q_z2, p_z2, z2, log_q2), "z1": Latent(q_z1, p_z1, z1, log_q1)}, p_x)

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """z2, then z1 given z2, then p(x|z1, z2)."""
        z2 = source("z2", self.p_z2(n), None)
        state = self.state_of_z2(z2)
        z1 = source("z1", self.p_z1_given_z2(z2), state)
        return self.p_x_given_state(state + self.embed_z1(z1))

    def side_path(self, x: Tensor, *, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """r1 and r2, what x says at the sizes of z1 and of z2."""
        seen, _ = self.observe(x, condition, self.like)
        r1 = self.r1_of_x(seen)
        return r1, self.r2_of_r1(r1)

    @torch.no_grad()
    def latent_means(self, x: Tensor) -> dict[str, Tensor]:
        """E[z2|x], and E[z1|z2, x] at that z2: the maps of each image without a draw, top to bottom."""
        r1, r2 = self.side_path(x)
        z2 = self.q_z2_given_r2(r2).mean
        return {"z2": z2, "z1": self.q_z1_given_state(self.state_of_z2(z2) + r1).mean}

    def with_density(self, density: FeatureDensity) -> ConvTwoLevelVAE:
        """A copy of this model with another prior: a density fitted to its latents after it was trained.

        The decoder and the posteriors stay as they are, so all that changes in the bound is the KL.

        Args:
            density: a `HierarchicalLatentDensity`, or a `SpatialGraphDensity`, which has edges inside a level too.

        Raises:
            ValueError: for a density over other maps, or one that isn't drawn from z2 to z1.
        """
        found = self._checked(density)
        model = copy.deepcopy(self)
        model.density = copy.deepcopy(found).to(self.like)
        return model

    def _checked(self, density: FeatureDensity) -> FeatureDensity:
        """A density over the maps of this model, drawn from z2 to z1."""
        if not isinstance(density, FeatureDensity):
            raise ValueError(f"density: expected a density over maps, got a {type(density).__name__}")
        dims = {level: normal.shape[0] for level, normal in self.standard_normal.items()}
        # The levels' order decides which of them is the coarser one.
        if list(density.dims.items()) != list(dims.items()) or density.sampling_order != ("z2", "z1"):
            raise ValueError(
                f"density: expected the levels {dims}, drawn from z2 to z1, got {density.dims}, drawn in the order "
                f"{', '.join(density.sampling_order)}"
            )
        return density
