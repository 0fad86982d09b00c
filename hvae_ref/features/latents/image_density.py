"""One density on two kinds of maps: the features of a pretrained network, or the latents of a VAE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from hvae_ref.errors import did_you_mean
from hvae_ref.features.density.density_fit import DensityEpoch, fit_density
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.latents.conv_two_level_vae import ConvTwoLevelVAE
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.reduction import Reduction
from hvae_ref.nn.eval_mode import eval_mode

INPUT_TYPES = ("features", "latents")
TAKES = ("sample", "mean")
BATCH = 100
"""Images that go through the source together."""


class ImageDensity(nn.Module):
    r"""p(f_1 … f_L) = p(f_L) Π_l p(f_l | f_{l+1}) for the maps that a source makes of an image.

    - input_type="features": the source is a `FeaturePyramid`. Its maps are reduced to whitened principal components.
    - input_type="latents": the source is a trained `ConvTwoLevelVAE`, its maps are draws of z1 and z2 from the
      posterior. With prior="standard" the density is fitted after the model (*separately*), and `as_prior` puts it in
      the place of N(0, I); with prior="density" it is the one that the model was trained with (*jointly*).

    In both cases log p is a log-density of maps, in their units: of latents or features, and never of the image. Two
    sources cannot be compared by it. Only the bound of `as_prior()` is about the image.

    A density for latents is fitted to draws, not to means: the KL asks for log p at draws, and where a latent says
    nothing of x its means have no spread at all. `take="mean"` is there to see what happens then.

    Args:
        input_type: "features" or "latents".
        source: a `FeaturePyramid`, or a `ConvTwoLevelVAE`.
        dims: kept principal components of each level, for features; one number for all of them.
        components: Gaussians at a position.
        density: instead of a new `HierarchicalLatentDensity` another one to fit, such as a `SpatialGraphDensity`.
        take: what stands for an image's latents: a "sample" of q(z|x), or its "mean", that of z1 given that of z2.

    Raises:
        ValueError: for an unknown name, a source of another type, or a density over other maps.

    Reference:
        Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020), From Variational to Deterministic Autoencoders,
        https://arxiv.org/abs/1903.12436 (ex-post density estimation)

    >>> model = ConvTwoLevelVAE.convolutional((1, 8, 8), halvings=(1, 1))
    >>> density = ImageDensity("latents", model, components=2)
    >>> x = torch.randint(0, 2, (20, 1, 8, 8)).float()
    >>> epochs = density.fit(x, epochs=1)
    >>> {level: tuple(log_p.shape) for level, log_p in density.log_prob(x).items()}
    {'z1': (20, 4, 4), 'z2': (20, 2, 2)}
    """

    fitted: Tensor

    def __init__(
        self,
        input_type: str,
        source: FeaturePyramid | ConvTwoLevelVAE,
        dims: int | Mapping[str, int] = 8,
        components: int = 8,
        density: FeatureDensity | None = None,
        take: str = "sample",
    ) -> None:
        super().__init__()
        for name, value, known in (("input_type", input_type, INPUT_TYPES), ("take", take, TAKES)):
            if value not in known:
                hint = did_you_mean(value, known)
                raise ValueError(f"{name}: expected {' or '.join(map(repr, known))}, got {value!r}{hint}")
        wanted = FeaturePyramid if input_type == "features" else ConvTwoLevelVAE
        if not isinstance(source, wanted):
            raise ValueError(f"source: expected a {wanted.__name__} for {input_type}, got a {type(source).__name__}")
        self.input_type, self.take, self.source = input_type, take, source
        self.reduction: Reduction | None = None
        self.shapes: dict[str, tuple[int, int]] = {}
        if isinstance(source, FeaturePyramid):
            sizes = dict.fromkeys(source.levels, dims) if isinstance(dims, int) else dict(dims)
            if sizes.keys() != source.channels.keys():
                raise ValueError(f"dims: expected one for each of {', '.join(source.levels)}, got {', '.join(sizes)}")
            self.reduction = Reduction(sizes, whiten=True)
        else:
            sizes = {level: shape[0] for level, shape in reversed(source.shapes.items())}
            self.shapes = {level: tuple(source.shapes[level][1:]) for level in sizes}
        self.joint = isinstance(source, ConvTwoLevelVAE) and source.density is not None
        if self.joint and density is not None:
            raise ValueError("density: expected None, for this model was trained with one of its own")
        if density is not None and getattr(density, "dims", None) != sizes:
            raise ValueError(f"density: expected one over {sizes}, got {getattr(density, 'dims', None)}")
        if self.joint:
            density = source.density
        self.density = HierarchicalLatentDensity(sizes, components) if density is None else density
        self.register_buffer("fitted", torch.tensor(self.joint))

    def maps(self, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
        """The maps (B, D, H, W) that the density is over, fine to coarse, without gradients.

        Args:
            images: for features (B, 3, H, W) or (B, 1, H, W) in [0, 1]; for latents (B, C, H, W) as the VAE takes them.
            seed: of the draws from posteriors. The caller's random state is left alone.

        Raises:
            ValueError: for images that the source doesn't take, and for features before `fit`.
        """
        parts = []
        with eval_mode(self.source, seed):
            for batch in images.split(BATCH) if len(images) else [images]:
                if self.reduction is not None:
                    parts.append(self.reduction.transform(self.source(batch)))
                else:
                    parts.append(self._latents(batch))
        return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}

    def fit(
        self, images: Tensor, validation: Tensor | None = None, seed: int = 0, **settings: int | float
    ) -> list[DensityEpoch]:
        """Fit the reduction, where there is one, and then the density; the source stays as it is.

        Args:
            images: as for `maps`.
            validation: the same, or None.
            seed: of everything that is random.
            settings: of `fit_density`, such as `epochs`.

        Raises:
            ValueError: where the density was trained with the model, and for images that the source doesn't take.
        """
        if self.joint:
            raise ValueError(
                "fit: this density is the prior that its model was trained with; expected prior='standard'"
            )
        if self.reduction is not None:
            with eval_mode(self.source):
                self.reduction.fit(self.source.stream(images))
            maps = self.maps(images)
        else:
            maps = Draws(self, images) if self.take == "sample" else self.maps(images)
        self.shapes = {level: tuple(f.shape[2:]) for level, f in self.maps(images[:1]).items()}
        held_out = None if validation is None else self.maps(validation, seed)
        history = fit_density(self.density, maps, held_out, seed=seed, **settings)
        self.fitted.fill_(True)
        return history

    @torch.no_grad()
    def log_prob(self, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
        """log p at every position of the maps of each image, (B, H, W) for each level, nats; see `maps`.

        It is the log-density of these maps, not of the image: for latents, of one draw from the posterior.
        """
        self._check_fitted()
        return self.density.log_prob(self.maps(images, seed))

    def sample(
        self, n: int = 1, shapes: Mapping[str, tuple[int, int]] | None = None, temperature: float = 1.0
    ) -> dict[str, Tensor]:
        """Draw maps (n, D, H, W); `shapes` are (H, W) by level, those of the images of the fit where it is None.

        Raises:
            ValueError: before `fit`, or without shapes where none are known.
        """
        self._check_fitted()
        if not (shapes or self.shapes):
            raise ValueError(f"shapes: expected (H, W) for each of {', '.join(self.density.levels)}, got None")
        return self.density.sample(shapes or self.shapes, n, temperature=temperature)

    def as_prior(self) -> ConvTwoLevelVAE:
        """The VAE with this density as its prior, for its bound and its samples: nothing but the KL differs.

        Raises:
            ValueError: for features, or before `fit`.
        """
        if not isinstance(self.source, ConvTwoLevelVAE):
            raise ValueError("as_prior: expected input_type 'latents', got 'features'")
        self._check_fitted()
        return self.source.with_density(self.density)

    def _latents(self, x: Tensor) -> dict[str, Tensor]:
        z = self.source.latent_means(x) if self.take == "mean" else self.source.infer(x).z
        return {"z1": z["z1"], "z2": z["z2"]}

    def _check_fitted(self) -> None:
        if not self.fitted:
            raise ValueError("density: not fitted yet; call fit first")


class Draws:
    """Batches of latent maps to go through again and again: other draws and another order each time.

    Both come from torch's random numbers, which `fit` sets anew for each epoch.

    Args:
        density: whose `maps` are drawn.
        images: (N, C, H, W).
    """

    def __init__(self, density: ImageDensity, images: Tensor) -> None:
        self.density, self.images = density, images

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.images) // BATCH)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """One pass over the images."""
        for index in torch.randperm(len(self.images)).split(BATCH):
            seed = int(torch.randint(2**31, ()))
            yield self.density.maps(self.images[index.to(self.images.device)], seed)
