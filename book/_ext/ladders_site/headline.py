"""The introduction's own figures: the digits study in two sentences, computed from its runs."""

from __future__ import annotations

import json
from typing import Any

from .project import Project
from .results import spread

STUDY = "digits_study_long"
SHIPPED = "warm-up + free bits"


def headline(project: Project) -> str:
    """Write what our best recipe reaches, with both levels' KL, beside one level trained in the same way.

    Raises:
        ValueError: where the study lacks one of the two models.
    """
    content = json.loads((project.root / "hvae_ref" / "results" / f"{STUDY}.json").read_text(encoding="utf-8"))
    ladder, flat = _runs(content, "digits-top-down"), _runs(content, "digits-vae")
    levels = ", ".join(f"KL({level}) = {spread([run['kl'][level] for run in ladder])}" for level in ladder[0]["kl"])
    return (
        f"Our top-down model, with data augmentation and the same test images, ends at "
        f"**{spread([run['neg_elbo'] for run in ladder])}** nats over {len(ladder)} seeds "
        f"(IWAE-512: {spread([run['iwae512'] for run in ladder])}), and both levels carry information: {levels}. "
        f"One level, trained in the same way, ends at {spread([run['neg_elbo'] for run in flat])}. "
        "What a second level buys, and what it does not, is what this course measures ([all results](results.md))."
    )


def _runs(content: dict[str, Any], recipe: str) -> list[dict[str, Any]]:
    runs = [run for run in content["runs"] if (run["recipe"], run["variant"]) == (recipe, SHIPPED)]
    if not runs:
        raise ValueError(f"{STUDY}.json: expected runs of {recipe} as shipped ({SHIPPED}), found none")
    return runs
