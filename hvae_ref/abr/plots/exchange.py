"""Two responses that exchange their latents under a level that moves: a live figure."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS, STATIC_NAMES, STATICS, WAVES, AbrDataset
from hvae_ref.abr.models import HierarchicalResponseCVAE
from hvae_ref.abr.models.covariates import COUNTS
from hvae_ref.abr.models.response_heads import LATENCY_UNIT, START_LATENCY
from hvae_ref.abr.models.response_parts import COEFFICIENT_RATE, DRIVE_UNIT, LAGS, FilmTrunk
from hvae_ref.evaluation import posterior_means
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure, drawn
from hvae_ref.viz.live.weights import dequantised, fingerprint, packed
from hvae_ref.viz.style import CYCLE

LOUD = 70.0
"""dB nHL, from which on responses are chosen from."""
KEPT = ("trunk.", "expected.", "peak_head.", "p_x_given_features.out.")
"""What of the model a page is given: all that decodes. The encoders stay here."""
CAPTION = (
    "Two test responses, decoded by a model with a global and a local latent. They were chosen because their hidden "
    "delays differ much: A has early waves, B late ones. "
    "Each panel has one part of B's in A's place, or another level of the click. Where scripts run, exchange the "
    "parts and move the level yourself; waves are labelled where the model's peak head takes them to be present. "
    "One model, recipe abr-hierarchical, seed 0."
)
ALT = (
    "Four panels with curves over ten milliseconds. With B's global latent the curve nearly becomes B's: all "
    "waves come later. With B's local latent it nearly stays A's. At 40 dB only wave V keeps its label, "
    "small and late; of the others weak bumps are left."
)
PANELS = (
    ("A, with the global latent of B", (1, 0, 0), None),
    ("A, with the local latent of B", (0, 1, 0), None),
    ("A, under the condition of B", (0, 0, 1), None),
    ("A, with a click of 40 dB", (0, 0, 0), 40.0),
)
"""Title; whose global latent, local latent and condition; the level, where it is another than the condition's."""


def live_response(model: nn.Module, data: AbrDataset, name: str | None = None) -> LiveFigure:
    """Choices of the global latent, the local latent and the condition of two responses, and a slider for the level.

    Args:
        model: `HierarchicalResponseCVAE.dense(…)` with FiLM, correlated noise, the conditional prior and peaks.
        data: generated responses with their hidden factors, some of them loud with all waves present.
        name: what the site calls the model's data.

    Raises:
        ValueError: for another model, or data without two such responses.
    """
    state, two = state_for_pages(model), parts_of_two(model, data)
    figure, axes = plt.subplots(2, 2, figsize=(7.8, 4.4), sharex=True, sharey=True, layout="constrained")
    time = torch.arange(data.x.shape[1]) * SAMPLE_INTERVAL_MS
    for ax, (title, (first, second, third), level) in zip(axes.flat, PANELS, strict=True):
        for one, color, dashes in zip(two, (CYCLE[0], CYCLE[1]), (":", "--"), strict=True):
            ax.plot(time, decoded(model, one)["x"], dashes, color=color, linewidth=1.3)
        mixed = {
            "z_global": two[first]["z_global"],
            "z_local": two[second]["z_local"],
            "condition": two[third]["condition"],
        }
        if level is not None:
            mixed["condition"] = [level, *mixed["condition"][1:]]
        found = decoded(model, mixed)
        ax.plot(time, found["x"], color="black", linewidth=1.6)
        for wave, latency, present in zip(WAVES, found["latency"], found["present"], strict=True):
            if present > 0:
                ax.annotate(wave, (latency, found["x"][round(float(latency) / SAMPLE_INTERVAL_MS)] + 0.03), ha="center")
        ax.set_title(title)
    for ax in axes[1]:
        ax.set_xlabel("ms after the click")
    for ax in axes[:, 0]:
        ax.set_ylabel("µV")
    picture, size = drawn(figure)
    return LiveFigure(
        "response",
        lambda: stored(model, data),
        picture,
        size,
        ALT,
        CAPTION,
        ("chart",),
        name,
        fingerprint(state),
    )


def state_for_pages(model: nn.Module) -> dict[str, Tensor]:
    """What a page is given of the model; the coefficients of the noise as one row, which is not rounded.

    Raises:
        ValueError: for a model that the page would compute wrongly.
    """
    usual = isinstance(model, HierarchicalResponseCVAE) and isinstance(model.trunk, FilmTrunk)
    usual = usual and set(model.expected or ()) == set(model.levels) and model.peak_head is not None
    if not usual or model.p_x_given_features.coefficients is None or model.observe.condition.names != STATIC_NAMES:
        raise ValueError(
            "model: expected HierarchicalResponseCVAE.dense(…) with FiLM, all covariates, noise='correlated', "
            f"prior='conditional' and peaks, got {type(model).__name__}"
        )
    kept = {name: value for name, value in model.state_dict().items() if name.startswith(KEPT)}
    coefficients = COEFFICIENT_RATE * model.p_x_given_features.coefficients.detach()
    return kept | {"coefficients": coefficients.flatten()}


def two_responses(data: AbrDataset) -> list[int]:
    """Among loud responses with all waves: the one with nine in ten later than it, and the one with one in ten.

    Raises:
        ValueError: where there are fewer than ten.
    """
    loud = (data.condition[:, STATIC_NAMES.index("level")] >= LOUD) & data.targets["present"].all(1)
    if loud.sum() < 10:
        raise ValueError(f"data: expected ten responses or more at {LOUD:g} dB with all waves, got {int(loud.sum())}")
    index = loud.nonzero()[:, 0]
    early_to_late = index[data.truth.factors["delay"][index].argsort()].tolist()
    return [early_to_late[len(index) // 10], early_to_late[9 * len(index) // 10]]


def parts_of_two(model: nn.Module, data: AbrDataset) -> list[dict[str, list[float]]]:
    """Posterior means of both latents, and the condition, of the two responses."""
    pair = two_responses(data)
    means = posterior_means(model, data.x[pair], data.condition[pair])
    found = {**means, "condition": data.condition[pair]}
    return [{name: values[n].tolist() for name, values in found.items()} for n in range(2)]


def decoded(model: nn.Module, parts: Mapping[str, Sequence[float]]) -> dict[str, Tensor]:
    """Mean response "x" (L,) in µV, and each wave's "latency" in ms and logit "present", from lists of numbers."""
    like = next(model.parameters())
    given = {name: torch.tensor([values], dtype=like.dtype) for name, values in parts.items()}
    condition = given.pop("condition")
    with eval_mode(model, 0):
        heads = model.heads(given, condition=condition)
        x = model.decode(given, condition=condition).mean
    return {"x": x[0], "latency": heads.peak_latency[0], "present": heads.peak_present[0]}


def as_a_page_has_it(model: nn.Module) -> nn.Module:
    """The same model with rounded weights; the coefficients of the noise are not rounded."""
    coarse = copy.deepcopy(model)
    state = model.state_dict()
    coarse.load_state_dict(state | dequantised({k: v for k, v in state.items() if k.startswith(KEPT)}))
    return coarse


def stored(model: nn.Module, data: AbrDataset) -> dict[str, Any]:
    """What a page is given: weights, two responses, units; and by how many µV rounding moves them."""
    two, ranges = parts_of_two(model, data), {"low": [s.low for s in STATICS], "high": [s.high for s in STATICS]}
    exact, coarse = (torch.stack([decoded(m, one)["x"] for one in two]) for m in (model, as_a_page_has_it(model)))
    return packed(
        state_for_pages(model),
        pair=two,
        interval=SAMPLE_INTERVAL_MS,
        waves=list(WAVES),
        lags=LAGS,
        statics={"names": list(STATIC_NAMES), "counts": [s.name in COUNTS for s in STATICS], **ranges},
        units={"drive": DRIVE_UNIT, "latency": LATENCY_UNIT, "start": list(START_LATENCY)},
        error={"mean": float((exact - coarse).mean()), "largest": float((exact - coarse).abs().max())},
    )
