"""Surprise of a texture on the two finest levels of a pyramid, in a form that is small enough to compute anywhere."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hvae_ref.features.data.textures import TEXTURES, crops
from hvae_ref.features.density.density_fit import fit_density
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.pca_residual import leading_components, residual_log_prob
from hvae_ref.features.pyramid.reduction import Reduction

SIDE = 48
"""Pixels of a crop, high and wide."""
ALL = {"level1": 24, "level2": 40}
"""Channels of the two levels."""
KEPT = {"level1": 8, "level2": 12}
"""How many leading components of each the mixtures know."""
COMPONENTS = 8
WHAT = ("kept", "left out")
SHIPPED = Path(__file__).parents[1] / "bundles" / "grass.safetensors"


class TextureSurprise(nn.Module):
    """s_l = (−log p_l − m_l) / d_l at every position, for components that are kept and for those left out; eq. 7.10.

    The features are those of EfficientNet-Lite0's first two stages, on crops of 48 × 48 pixels. On each level a mixture
    of eight Gaussians knows the leading components, and independent Gaussians know the rest; no level is given another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid("efficientnet_lite0")
        self.reduction = Reduction(ALL, whiten=True).fit({level: torch.randn(1, d, 9, 9) for level, d in ALL.items()})
        self.density = HierarchicalLatentDensity(KEPT, COMPONENTS, condition=None)
        self.register_buffer("normal", torch.tensor([[0.0, 1.0]]).repeat(len(WHAT) * len(ALL), 1))
        self.requires_grad_(False)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Features (N, C_l, 48 / s_l, 48 / s_l) of images (N, 1 or 3, 48, 48) in [0, 1].

        Raises:
            ValueError: for other images.
        """
        if images.ndim != 4 or images.shape[2:] != (SIDE, SIDE) or not images.isfinite().all():
            raise ValueError(f"images: expected finite values (N, 1 or 3, {SIDE}, {SIDE}), got {tuple(images.shape)}")
        h = (images.to(self.pyramid.mean).expand(-1, 3, -1, -1) - self.pyramid.mean) / self.pyramid.std
        fine = self.pyramid.stages[0](h)
        return {"level1": fine, "level2": self.pyramid.stages[1](fine)}

    def fit(self, name: str) -> TextureSurprise:
        """Fit to the left half of a texture; m and d are those of crops of its right half.

        Raises:
            ValueError: for a name that is no texture.
        """
        if name not in TEXTURES:
            raise ValueError(f"name: expected one of {', '.join(TEXTURES)}, got {name!r}")
        with torch.no_grad():
            self.reduction = Reduction(ALL, whiten=True).fit(self.maps(crops(name, SIDE, 250, 0, "train")))
            self.density.requires_grad_(True)
            whitened = self.reduction.transform(self.maps(crops(name, SIDE, 250, 0, "train")))
        fit_density(self.density, leading_components(whitened, KEPT), rows=6000)
        self.requires_grad_(False)
        held = self.raw(crops(name, SIDE, 100, 1, "test"))
        rows = [held[what][level] for what in WHAT for level in ALL]
        self.normal = torch.stack([torch.stack([row.mean(), row.std()]) for row in rows])
        return self

    def raw(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """−log p (N, 48 / s_l, 48 / s_l) in nats, by `WHAT` and level."""
        with torch.no_grad():
            whitened = self.reduction.transform(self.maps(images))
            kept = self.density.log_prob(leading_components(whitened, KEPT))
            others = residual_log_prob(whitened, KEPT)
        return {"kept": {k: -v for k, v in kept.items()}, "left out": {k: -v for k, v in others.items()}}

    def forward(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """Standardised surprise (N, 48 / s_l, 48 / s_l), by `WHAT` and level."""
        found, normal = self.raw(images), iter(self.normal)
        return {what: {level: (s - (n := next(normal))[0]) / n[1] for level, s in found[what].items()} for what in WHAT}

    def mixture(self, level: str) -> GaussianMixture:
        """The mixture of a level's kept components, the same at every position."""
        empty = {name: torch.zeros(1, d, 1, 1, dtype=self.normal.dtype) for name, d in KEPT.items()}
        mixture = self.density.distribution(level, empty)
        parts = (getattr(mixture, name) for name in ("logits", "loc", "scale_tril"))
        batch = len(mixture.batch_shape)
        return GaussianMixture(*(part[(0,) * batch] for part in parts))

    def save(self, path: Path) -> None:
        """Write what was fitted; the backbone's weights are installed with the package."""
        state = {k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("pyramid.")}
        save_file(state, path)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> TextureSurprise:
        """What was fitted and written; by default the one of grass that comes with the package.

        Raises:
            ValueError: for a file that is not there, or holds something else.
        """
        if not path.is_file():
            raise ValueError(f"path: expected a file that `save` wrote, got {str(path)!r}")
        found, state = cls(), load_file(path)
        missing = [name for name in found.state_dict() if name not in state and not name.startswith("pyramid.")]
        if missing or set(state) - set(found.state_dict()):
            raise ValueError(f"path: expected what `save` writes, got a file without {', '.join(missing) or 'nothing'}")
        found.load_state_dict(state, strict=False)
        return found.eval()
