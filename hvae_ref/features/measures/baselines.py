"""What else finds anomalies in the same features: a Gaussian at each position, and the nearest normal neighbour."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.errors import real_number, whole_number
from hvae_ref.features.measures.alignment import aligned, check_levels
from hvae_ref.features.measures.local_contrast import local_contrast
from hvae_ref.features.pyramid.map_geometry import MapGeometry
from hvae_ref.features.validation import feature_vectors

__all__ = ["NearestNeighbour", "PositionGaussian", "aligned", "local_contrast"]

ROWS_AT_ONCE = 2048
"""Rows whose distances to a memory are held at once."""

POOL = 20_000
"""Rows among which a memory is chosen."""


class PositionGaussian:
    r"""log N(f_i; μ_i, Σ_i + ε I): one Gaussian at each position i, over all levels' vectors side by side (PaDiM).

    Made for objects that all stand at the same place. `shared=True` has one Gaussian for all positions, which suits
    crops of a texture: every position then is like every other.

    Args:
        shrinkage: ε, added to every variance, in the units of the features.
        shared: one μ and Σ for all positions.
        geometry: see `aligned`.

    Raises:
        ValueError: for a shrinkage that is not a positive number.

    Reference:
        Defard, Setkov, Loesch and Audigier (2021), PaDiM, https://arxiv.org/abs/2011.08785

    >>> features = {"level1": torch.randn(50, 4, 8, 8), "level2": torch.randn(50, 6, 4, 4)}
    >>> PositionGaussian().fit(features).surprise(features).shape
    torch.Size([50, 8, 8])
    """

    def __init__(
        self, shrinkage: float = 0.01, shared: bool = False, geometry: Mapping[str, MapGeometry] | None = None
    ) -> None:
        self.shrinkage, self.shared, self.geometry = real_number("shrinkage", shrinkage, above=0), shared, geometry
        self.mean: Tensor | None = None
        self.scale_tril: Tensor | None = None

    def fit(self, features: Mapping[str, Tensor]) -> PositionGaussian:
        """Take mean and covariance of normal features, (N, D_l, H_l, W_l) for each level.

        Raises:
            ValueError: for features that `aligned` does not take, fewer than two vectors a Gaussian, or a shrinkage so
                small beside the variances that a covariance stays singular.
        """
        f = aligned(features, self.geometry)
        rows = feature_vectors(f)[None] if self.shared else f.flatten(2).permute(2, 0, 1)
        rows = rows.double()
        if rows.shape[1] < 2:
            raise ValueError(f"features: expected at least two vectors for each Gaussian, got {rows.shape[1]}")
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        covariance = centred.mT @ centred / (rows.shape[1] - 1)
        identity = torch.eye(rows.shape[-1], dtype=rows.dtype, device=rows.device)
        self._levels, self._shape = list(features), tuple(f.shape[2:])
        dtype = torch.promote_types(f.dtype, torch.float32)
        self.mean = mean[:, 0].to(dtype)
        scale_tril, failed = torch.linalg.cholesky_ex(covariance + self.shrinkage * identity)
        scale_tril = scale_tril.to(dtype)
        # A direction without variance: its place is taken by rounding, about eps times the largest variance.
        least = 1e2 * torch.finfo(rows.dtype).eps * covariance.diagonal(dim1=-2, dim2=-1).amax()
        if failed.any() or not (scale_tril.diagonal(dim1=-2, dim2=-1) > 0).all() or self.shrinkage < least:
            raise ValueError(
                f"shrinkage: expected more than rounding, {least:.1g} beside the variances of these features, got "
                f"{self.shrinkage}"
            )
        self.scale_tril = scale_tril
        return self

    def surprise(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch height width"]:
        """Mahalanobis distance of each position's vector from its Gaussian, which is what PaDiM scores with.

        Raises:
            ValueError: before `fit`, and for levels' channels or maps of other sizes than those of the fit.
        """
        f = aligned(features, self.geometry)
        if self.mean is None or self.scale_tril is None:
            raise ValueError("features: there is no Gaussian yet; call fit first")
        dim = self.mean.shape[-1]
        if f.shape[1] != dim or not (self.shared or tuple(f.shape[2:]) == self._shape):
            raise ValueError(f"features: expected {dim} channels and maps {self._shape}, got {tuple(f.shape[1:])}")
        check_levels(features, self._levels)
        f = f.to(self.mean)
        # (positions, D, B), or (1, D, everything) for one Gaussian.
        columns = feature_vectors(f).mT[None] if self.shared else f.flatten(2).permute(2, 1, 0)
        white = torch.linalg.solve_triangular(self.scale_tril, columns - self.mean.unsqueeze(-1), upper=False)
        distance = white.square().sum(1).sqrt()
        flat = distance[0].view(len(f), -1) if self.shared else distance.mT
        return flat.unflatten(-1, f.shape[2:])


class NearestNeighbour:
    r"""min_m ‖f_i − f_m‖ over a memory of normal vectors, all levels side by side (PatchCore).

    The memory is a coreset: starting from a random vector, always the one farthest from those taken already, so that
    rare normal vectors are in it as well.

    Args:
        memory: how many vectors to keep; all of them where there are fewer.
        seed: of the vectors among which the memory is chosen.
        geometry: see `aligned`.

    Raises:
        ValueError: for a memory that is no whole number of at least 1, or a seed that is none of at least 0.

    Reference:
        Roth, Pemula, Zepeda, Schölkopf, Brox and Gehler (2022), Towards Total Recall in Industrial Anomaly Detection,
        https://arxiv.org/abs/2106.08265

    >>> features = {"level1": torch.randn(5, 4, 8, 8), "level2": torch.randn(5, 6, 4, 4)}
    >>> NearestNeighbour(memory=100).fit(features).surprise(features).shape
    torch.Size([5, 8, 8])
    """

    def __init__(self, memory: int = 2000, seed: int = 0, geometry: Mapping[str, MapGeometry] | None = None) -> None:
        self.memory, self.seed, self.geometry = whole_number("memory", memory), whole_number("seed", seed, 0), geometry
        self.rows: Tensor | None = None

    def fit(self, features: Mapping[str, Tensor]) -> NearestNeighbour:
        """Choose the memory among normal features, (N, D_l, H_l, W_l) for each level; single precision at least.

        Raises:
            ValueError: for features that `aligned` does not take.
        """
        rows = feature_vectors(aligned(features, self.geometry))
        # Squared distances of half precision overflow at 256, and the farthest vector would be any.
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        self._levels = list(features)
        generator = torch.Generator().manual_seed(self.seed)
        pool = rows[torch.randperm(len(rows), generator=generator)[:POOL].to(rows.device)]
        if len(pool) <= self.memory:
            self.rows = pool
            return self
        taken = [0]
        distance = (pool - pool[0]).square().sum(1)
        for _ in range(self.memory - 1):
            taken.append(int(distance.argmax()))
            distance = torch.minimum(distance, (pool - pool[taken[-1]]).square().sum(1))
        self.rows = pool[taken]
        return self

    def surprise(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch height width"]:
        """Euclidean distance of each position's vector to the nearest one in memory; in chunks of bounded size.

        Raises:
            ValueError: before `fit`, and for another number of channels than that of the fit.
        """
        f, memory = self._checked(features)
        return self._nearest(feature_vectors(f), memory)[0].view(len(f), *f.shape[2:])

    def image_surprise(self, features: Mapping[str, Tensor], neighbours: int = 9) -> Float[Tensor, " batch"]:
        r"""The largest distance of each image, reweighted: how unusual is its neighbour in memory itself?

        w = 1 − exp(d(f*, m*)) / Σ_{m ∈ N(m*)} exp(d(f*, m)),   score = w · d(f*, m*)

        f* is the image's vector farthest from memory, m* its nearest vector there, and N(m*) are the vectors of memory
        nearest to m*, with m* itself: equation 7 of PatchCore. Far from everything alike, m* is rare, and w is large.

        Args:
            features: maps (B, D_l, H_l, W_l).
            neighbours: vectors in N(m*); 1 leaves the distance as it is.

        Raises:
            ValueError: as `surprise`, and for fewer neighbours than 1.
        """
        neighbours = whole_number("neighbours", neighbours)
        f, memory = self._checked(features)
        rows = feature_vectors(f)
        distance, at = (part.view(len(f), -1) for part in self._nearest(rows, memory))
        score, place = distance.max(1)
        farthest = rows.view(len(f), -1, rows.shape[1]).to(memory)[torch.arange(len(f)), place]
        nearest = memory[at.gather(1, place[:, None]).squeeze(1)]
        count = min(neighbours, len(memory))
        if count == 1:
            return score
        around = _doubled_distances(nearest, memory).topk(count, largest=False).indices
        exact = torch.linalg.vector_norm(farthest[:, None] - memory[around], dim=-1)
        return (1 - (score - torch.logsumexp(exact, 1)).exp()) * score

    def _checked(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The levels side by side, and the memory in single precision at least."""
        f = aligned(features, self.geometry)
        if self.rows is None:
            raise ValueError("features: there is no memory yet; call fit first")
        if f.shape[1] != self.rows.shape[1]:
            raise ValueError(f"features: expected {self.rows.shape[1]} channels, got {f.shape[1]}")
        check_levels(features, self._levels)
        return f, self.rows.to(torch.promote_types(self.rows.dtype, torch.float32))

    @staticmethod
    def _nearest(rows: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Distance of each row to the nearest in memory, and which one that is."""
        distances, indices = [], []
        for chunk in rows.split(ROWS_AT_ONCE):
            chunk = chunk.to(memory)
            index = _doubled_distances(chunk, memory).argmin(1)
            # From the difference itself: a row of the memory is at a distance of 0, in any batch.
            distances.append(torch.linalg.vector_norm(chunk - memory[index], dim=1))
            indices.append(index)
        return torch.cat(distances), torch.cat(indices)


def _doubled_distances(rows: Tensor, memory: Tensor) -> Tensor:
    """Distances (P, M) in float64, around the memory's mean: enough digits to tell which is the smallest."""
    rows, others = (x.cpu() if x.device.type == "mps" else x for x in (rows, memory))
    centre = others.double().mean(0)
    return torch.cdist(rows.double() - centre, others.double() - centre).to(memory.device)
