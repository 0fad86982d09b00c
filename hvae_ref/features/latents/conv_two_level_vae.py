"""A convolutional VAE with two levels of latent maps, whose prior may be a density as one puts on features."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.latents.map_nets import Image, Pixels, downwards, to_vector, upwards
from hvae_ref.features.latents.map_prior import MapPrior, factor_of, kl_to_prior, nearly_standard
from hvae_ref.models.base import Choose, Inference, LatentVariableModel
from hvae_ref.nn.convolutions import halved
from hvae_ref.nn.heads import ConditionalNormal, conditional_pixels, outputs_per_pixel, standard_normal
from hvae_ref.nn.layers import Rescale

PRIORS = ("standard", "density")


class ConvTwoLevelVAE(LatentVariableModel):
    r"""p(x|z1, z2) p(z1|z2) p(z2) with q(z2|x) q(z1|z2, x), where z1 and z2 are maps; eq. 7.13 in the book.

    With prior="standard" both levels have N(0, I). Nothing connects them before x does: this is a one-level model whose
    latent lies in two tensors, a fine one and a coarse one. With prior="density" p(z2) and p(z1|z2) are the factors of
    a `HierarchicalLatentDensity`: at every position a mixture of Gaussians with full covariances, whose parameters in
    z1 come from z2 through attention. It is trained with the rest, by one bound,

    ELBO = E_q[log p(x|z1, z2) + log p(z1|z2) + log p(z2) − log q(z1, z2|x)].

    A mixture has no KL in closed form, so both levels' KLs are then one-sample estimates. The density cannot close in
    on the posteriors for free: x is discrete, so log p(x|z) ≤ 0, and −ELBO stays above −log p(x) whatever the prior
    does. The unit of z is free, though, and the density's floor is in that unit.

    Args:
        data_dim: D = H·W·channels; x holds an image row by row, the channels of a pixel side by side.
        latent_channels: of the maps (z1, z2).
        halvings: how many times height and width are halved from x to z1, and from z1 to z2; odd sizes are rounded up.
        hidden: channels of all maps inside the nets.
        image_shape: (H, W) or (H, W, channels); None for square grey images.
        prior: "standard" or "density".
        prior_components: Gaussians at a position, for prior="density".
        prior_width: size of the context that attention gives them, a multiple of 4.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".

    Attributes:
        shapes: (C, H, W) of each level's map, top to bottom.
        density: the prior's density, or None.

    Raises:
        ValueError: for an unknown prior, or shapes that do not fit.

    >>> model = ConvTwoLevelVAE(data_dim=784)
    >>> model.shapes
    {'z2': (8, 4, 4), 'z1': (4, 7, 7)}
    """

    density: FeatureDensity | None

    def __init__(
        self,
        data_dim: int,
        latent_channels: Sequence[int] = (4, 8),
        halvings: Sequence[int] = (2, 1),
        hidden: int = 24,
        image_shape: Sequence[int] | None = None,
        prior: str = "standard",
        prior_components: int = 8,
        prior_width: int = 32,
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
    ) -> None:
        *size, channels = _image_shape(data_dim, image_shape)
        for name, value, least in (("latent_channels", latent_channels, 1), ("halvings", halvings, 0)):
            if len(value) != 2 or min(value) < least:
                raise ValueError(f"{name}: expected two whole numbers of at least {least}, got {list(value)}")
        if hidden < 1:
            raise ValueError(f"hidden: expected at least 1, got {hidden}")
        if prior not in PRIORS:
            raise ValueError(f"prior: expected one of {', '.join(PRIORS)}, got {prior!r}")
        sizes = [tuple(size)]
        for _ in range(sum(halvings)):
            sizes.append(halved(sizes[-1]))
        fine, coarse = sizes[halvings[0]], sizes[-1]
        (c1, c2), outputs = latent_channels, outputs_per_pixel(likelihood, num_values, components)
        super().__init__(data_dim, (c1 * math.prod(fine), c2 * math.prod(coarse)), num_values)
        self.image_shape, self.prior = (*size, channels), prior
        self.shapes = {"z2": (c2, *coarse), "z1": (c1, *fine)}
        # Bottom up: what x says at the resolution of z1, and of z2.
        image = (Rescale(num_values - 1), Image(self.image_shape))
        self.r1_of_x = nn.Sequential(*image, *downwards(channels, hidden, halvings[0]))
        self.r2_of_r1 = downwards(hidden, hidden, halvings[1])
        self.q_z2_given_r2 = ConditionalNormal(to_vector(hidden, 2 * c2))
        self.q_z1_given_state = ConditionalNormal(to_vector(hidden, 2 * c1))
        # Top down: what z2 says at the resolution of z1, to the posterior of z1 and to x; and what z1 adds for x.
        up = sizes[::-1]
        self.state_of_z2 = nn.Sequential(nn.Conv2d(c2, hidden, 3, padding=1), *upwards(hidden, up[: halvings[1] + 1]))
        self.embed_z1 = nn.Conv2d(c1, hidden, 3, padding=1)
        decoder = nn.Sequential(*upwards(hidden, up[halvings[1] :], channels * outputs), Pixels(channels))
        self.p_x_given_state = conditional_pixels(decoder, likelihood, num_values, components)
        self.density = None
        if prior == "density":
            self.density = HierarchicalLatentDensity({"z1": c1, "z2": c2}, prior_components, width=prior_width)
            for level, channels in self.density.dims.items():
                self.density.p[level].start(nearly_standard(prior_components, channels))

    def p_z2(self, n: int) -> Independent | MapPrior:
        """The prior of the coarse map, batch (n,)."""
        if self.density is None:
            return standard_normal(n, self.dims["z2"], like=self.like)
        return MapPrior(factor_of(self.density, "z2"), None, n, self.shapes["z2"])

    def p_z1_given_z2(self, z2: Tensor) -> Independent | MapPrior:
        """The prior of the fine map given the coarse one; N(0, I), whatever z2 is, where there is no density."""
        if self.density is None:
            return standard_normal(len(z2), self.dims["z1"], like=self.like)
        return MapPrior(factor_of(self.density, "z1"), self.as_map("z2", z2), len(z2), self.shapes["z1"])

    def q_z2_given_x(self, r2: Tensor) -> Independent:
        """q(z2|x), which knows x through r2."""
        return self.q_z2_given_r2(r2)

    def q_z1_given_z2_x(self, state: Tensor, r1: Tensor) -> Independent:
        """q(z1|z2, x), which knows z2 through the state and x through r1."""
        return self.q_z1_given_state(state + r1)

    def side(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """r1 and r2, (B, hidden, H, W) at the resolutions of z1 and z2."""
        r1 = self.r1_of_x(self.check(x))
        return r1, self.r2_of_r1(r1)

    def as_map(self, level: str, z: Tensor) -> Tensor:
        """z (…, C·H·W) of a level as maps (…, C, H, W)."""
        return z.unflatten(-1, self.shapes[level])

    def elbo(self, x: Tensor, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z1, z2) − KL(q(z1|z2, x) ‖ p(z1|z2))] − KL(q(z2|x) ‖ p(z2)), from one sample of each latent.

        With a density as prior there is no KL in closed form; `kl_to_prior` says how much is left to the same samples.
        """
        r1, r2 = self.side(x)
        q_z2 = self.q_z2_given_x(r2)
        z2 = q_z2.rsample()
        state = self.state(z2)
        q_z1 = self.q_z1_given_z2_x(state, r1)
        z1 = q_z1.rsample()
        p_z2, p_z1, p_x = self.p_z2(len(x)), self.p_z1_given_z2(z2), self.p_x_given_z1_z2(z1, state)
        return Elbo(p_x.log_prob(x), kl={"z2": kl_to_prior(kl, q_z2, p_z2, z2), "z1": kl_to_prior(kl, q_z1, p_z1, z1)})

    def infer(self, x: Tensor) -> Inference:
        """q(z2|x), then q(z1|z2, x) given a sample of z2."""
        r1, r2 = self.side(x)
        q_z2 = self.q_z2_given_x(r2)
        z2 = q_z2.rsample()
        q_z1 = self.q_z1_given_z2_x(self.state(z2), r1)
        return Inference(q={"z2": q_z2, "z1": q_z1}, z={"z2": z2, "z1": q_z1.rsample()})

    def descend(self, choose: Choose, n: int) -> Distribution:
        """z2, then z1 given z2, then p(x|z1, z2)."""
        z2 = choose("z2", self.p_z2(n))
        z1 = choose("z1", self.p_z1_given_z2(z2))
        return self.p_x_given_z1_z2(z1, self.state(z2))

    def state(self, z2: Tensor) -> Tensor:
        """What z2 says to all below it, (B, hidden, H, W) at the resolution of z1."""
        return self.state_of_z2(self.as_map("z2", z2))

    def p_x_given_z1_z2(self, z1: Tensor, state: Tensor) -> Distribution:
        """p(x|z1, z2), which knows z2 through the state."""
        return self.p_x_given_state(state + self.embed_z1(self.as_map("z1", z1)))

    def with_density(self, density: FeatureDensity) -> ConvTwoLevelVAE:
        """A copy of this model with another prior: a density fitted to its latents after it was trained.

        The decoder and the posteriors stay as they are, so all that changes in the bound is the KL.

        Args:
            density: a `HierarchicalLatentDensity`, or a `SpatialGraphDensity`, which has edges inside a level too.

        Raises:
            ValueError: for a density over other maps, or one that isn't drawn from z2 to z1.
        """
        dims = {"z1": self.shapes["z1"][0], "z2": self.shapes["z2"][0]}
        if not isinstance(density, FeatureDensity):
            raise ValueError(f"density: expected a density over maps, got a {type(density).__name__}")
        condition = getattr(density, "condition", None)
        # The levels' order decides which of them is the coarser one.
        if list(density.dims.items()) != list(dims.items()) or condition == "finer":
            raise ValueError(
                f"density: expected the levels {dims}, drawn from z2 to z1, got {density.dims} with condition "
                f"{condition!r}"
            )
        model = copy.deepcopy(self)
        model.prior, model.density = "density", copy.deepcopy(density).to(self.like)
        return model


def _image_shape(data_dim: int, shape: Sequence[int] | None) -> tuple[int, int, int]:
    """(H, W, channels), from what the user said of them."""
    if shape is None:
        side = math.isqrt(max(data_dim, 0))
        if data_dim < 1 or side * side != data_dim:
            raise ValueError(f"image_shape: expected (H, W) or (H, W, channels), for {data_dim} values are no square")
        return side, side, 1
    if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape) != data_dim:
        raise ValueError(f"image_shape: expected (H, W) or (H, W, channels) of {data_dim} values, got {list(shape)}")
    return shape[0], shape[1], shape[2] if len(shape) == 3 else 1
