"""Fit the densities of grass that come with the package, which the live figure of chapter 7 moves a patch over.

    python benchmarks/ship_surprise.py

`hvae_ref.features.TextureSurprise.load()` reads them.
"""

from __future__ import annotations

import torch

from hvae_ref.features.measures.texture_surprise import SHIPPED, TextureSurprise


def main() -> None:
    """Fit and write them."""
    torch.set_num_threads(1)
    TextureSurprise().fit("grass").save(SHIPPED)
    print(f"{SHIPPED.name}: {SHIPPED.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
