"""The logo, computed: a hierarchy of densities, from one bump at the top to eight at the bottom, between two rails.

Each level is a marginal of one small hierarchical model: a standard normal at the top, and every value below drawn
from the level above by `z_below = +-offset + z_above * shrink`, so each density is a mixture of twice as many normals.
Write the files with `python -m ladders_site.logo book/_static` from `book/_ext`.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

WIDTH, HEIGHT = 120.0, 128.0
RAIL = 10.0
LEVELS = (("#c2559d", 1), ("#e08e2b", 2), ("#2a9d8f", 4), ("#3b7dd8", 8))
OFFSETS = (0.52, 0.26, 0.13)
SIGMAS = (0.30, 0.155, 0.078, 0.042)


def centres(level: int) -> list[float]:
    """Centres of the bumps of a level, 0 being the top, on the interval (-1, 1)."""
    places = [0.0]
    for offset in OFFSETS[:level]:
        places = [place + sign * offset for place in places for sign in (-1, 1)]
    return places


def density(level: int, position: float) -> float:
    """Height of a level's marginal density at a position, scaled to a maximum near one."""
    sigma = SIGMAS[level]
    return sum(math.exp(-0.5 * ((position - centre) / sigma) ** 2) for centre in centres(level))


def outline(level: int, baseline: float, height: float, points: int = 97) -> str:
    """SVG path of one level's density above its rung."""
    steps = []
    for index in range(points):
        position = -1 + 2 * index / (points - 1)
        across = WIDTH / 2 + position * (WIDTH / 2 - RAIL - 2)
        steps.append(f"{across:.1f} {baseline - height * density(level, position):.1f}")
    return "M" + " L".join(steps)


def render(size: int = 4) -> str:
    """Draw the logo with the given number of levels, counted from the top."""
    gap = HEIGHT / (size + 0.35)
    shapes = [
        f'<path d="M{x:.1f} 4 V{HEIGHT - 4:.1f}" stroke="#8a93a6" stroke-width="4" stroke-linecap="round" fill="none"/>'
        for x in (RAIL / 2 + 1, WIDTH - RAIL / 2 - 1)
    ]
    for level in range(size):
        colour = LEVELS[level][0]
        baseline = HEIGHT - 10 - gap * (size - 1 - level)
        path = outline(level, baseline, gap * 0.72)
        left, right = RAIL / 2 + 1, WIDTH - RAIL / 2 - 1
        shapes.append(f'<path d="{path} Z" fill="{colour}" fill-opacity=".32"/>')
        shapes.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="3" stroke-linejoin="round"/>')
        shapes.append(
            f'<path d="M{left:.1f} {baseline:.1f} H{right:.1f}" stroke="{colour}" stroke-width="3.2" '
            'stroke-linecap="round"/>'
        )
    body = "\n  ".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">\n'
        "  <title>A ladder whose rungs are densities, one bump at the top, many at the bottom</title>\n"
        f"  {body}\n</svg>\n"
    )


def main(folder: Path) -> None:
    """Write logo and favicon into a folder."""
    (folder / "logo.svg").write_text(render(4), encoding="utf-8")
    (folder / "favicon.svg").write_text(render(3), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
