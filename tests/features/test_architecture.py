"""The figure of a density as a whole: a map a level in three columns, and arrows that say what reads what."""

import pytest
import torch

from hvae_ref.features.plots import density_architecture

SIZES = {"level1": (5, 8), "level2": (7, 4)}


def maps(kept: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {level: torch.randn(kept or channels, size, size) for level, (channels, size) in SIZES.items()}


def test_every_level_has_its_row_and_its_shapes() -> None:
    log_p = {level: f.mean(0) for level, f in maps().items()}
    figure = density_architecture(torch.rand(3, 16, 16), maps(), maps(3), log_p, torch.rand(3, 16, 16))
    labels = [ax.get_xlabel() for ax in figure.axes if ax.get_xlabel()]
    assert labels == ["level2: 7 × 4 × 4", "3 × 4 × 4", "4 × 4", "level1: 5 × 8 × 8", "3 × 8 × 8", "8 × 8"]
    # For each row: from the image, and two on the way; one from row to row; three parts of the line to the decoder.
    assert len(figure.artists) == 3 * len(SIZES) + len(SIZES) - 1 + 3
    collected = [ax for ax in figure.axes for text in ax.texts if text.arrow_patch]
    assert len(collected) == len(SIZES)


def test_maps_of_other_levels_are_refused() -> None:
    log_p = {"level1": torch.zeros(8, 8)}
    with pytest.raises(ValueError, match="expected one map a level"):
        density_architecture(torch.rand(3, 16, 16), maps(), maps(3), log_p, torch.rand(3, 16, 16))
