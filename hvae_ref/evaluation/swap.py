"""Exchange latents between two examples: which of them does a measured feature follow?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvae_ref.data.seeds import EVALUATION_STREAM, derived_seed
from hvae_ref.evaluation.conditions import given
from hvae_ref.evaluation.utilisation import posterior_means
from hvae_ref.nn.eval_mode import eval_mode

Feature = Callable[[Tensor, Tensor | None], Tensor]
"""From decoded x (N, *shape) and the conditions (N, …) that they were decoded under, None for a model without one, to
one number each; NaN where there is none."""

CONDITION = "condition"
INTERACTION = "interaction"


@dataclass(frozen=True)
class SwapShares:
    """Whose feature it is, over many pairs of examples.

    Attributes:
        shares: of the feature's variation in the swapped pairs: one for each level, "condition" where it was swapped
            too, and "interaction" for what no single one of them decides. They add up to 1; NaN where nothing varied.
        spread: root mean square of that variation, in the feature's unit.
        pairs: how many pairs had the feature in all their combinations.
    """

    shares: dict[str, float]
    spread: float
    pairs: int


def swap_shares(values: Tensor) -> tuple[Tensor, Tensor]:
    """Split the variation over all exchanges of k parts into a share for each part and one for their interaction.

    S_k = Σ_pairs (m̄_{k=A} − m̄_{k=B})² / 4 ÷ Σ_pairs Var(m)   (book, eq. 6.13)

    m̄_{k=A} is the mean over all combinations that have part k from A. This is the analysis of variance of a full 2^k
    design, summed over the pairs.

    Args:
        values: (2, …, 2, N): a feature, with index 0 or 1 where a part comes from A or B.

    Returns:
        Shares (k + 1,), the last for the interaction, and the mean variation over pairs, a number.

    Raises:
        ValueError: for another shape.
    """
    parts = values.ndim - 1
    if parts < 1 or any(size != 2 for size in values.shape[:-1]) or values.shape[-1] < 1:
        raise ValueError(f"values: expected shape (2, …, 2, N), got {(*values.shape,)}")
    values = values.double()
    every = tuple(range(parts))
    total = values.var(every, unbiased=False).sum()
    main = torch.stack(
        [((means := values.mean([j for j in every if j != k]))[0] - means[1]).square().sum() / 4 for k in every]
        if parts > 1
        else [(values[0] - values[1]).square().sum() / 4]
    )
    # Nothing but rounding varies where the total is that small beside the values.
    nothing = total <= 1e-12 * values.square().mean() * values.shape[-1]
    shares = torch.cat([main, (total - main.sum()).clamp(min=0).reshape(1)]) / total
    return torch.full_like(shares, torch.nan) if nothing else shares, total / values.shape[-1]


def swap_test(
    model: nn.Module,
    x: Tensor,
    features: Mapping[str, Feature],
    condition: Tensor | None = None,
    pairs: int = 200,
    swap_condition: bool = True,
    seed: int = 0,
) -> dict[str, SwapShares]:
    """Decode pairs of examples with their latents, and their condition, exchanged in every combination.

    Latents are posterior means (`posterior_means`), and what is measured is E[x|z, c], so nothing varies but what was
    exchanged.

    Args:
        model: with `levels`, `encode` and `decode`.
        x: (N, *shape), at least two rows.
        features: name -> what is measured; such as `response_features()`.
        condition: (N, …) as the model takes it, or (1, …) for all rows; None for a model without one.
        pairs: how many pairs of rows are drawn, without a row that meets itself.
        swap_condition: exchange the condition too, where there is one; False decodes both halves of a pair under that
            of A.
        seed: of the pairs.

    Returns:
        One `SwapShares` for each feature, its parts in the order of `model.levels`.

    Raises:
        ValueError: with fewer than two rows, without a pair or a feature, or where x and condition differ in rows.
    """
    if len(x) < 2:
        raise ValueError(f"x: expected at least 2 rows, got {len(x)}")
    beside = given(condition, len(x))
    if pairs < 1 or not features:
        raise ValueError(f"pairs, features: expected at least one of each, got {pairs} and {len(features)}")
    generator = torch.Generator().manual_seed(derived_seed(seed, EVALUATION_STREAM, 1))
    a = torch.randint(len(x), (pairs,), generator=generator)
    b = (a + torch.randint(1, len(x), (pairs,), generator=generator)) % len(x)
    a, b = a.to(x.device), b.to(x.device)
    names = [*model.levels, *([CONDITION] if beside and swap_condition else [])]
    measured: dict[str, list[Tensor]] = {name: [] for name in features}
    means = posterior_means(model, x, condition=condition, seed=seed)
    with eval_mode(model, seed):
        for choice in itertools.product((0, 1), repeat=len(names)):
            rows = dict(zip(names, [(a, b)[which] for which in choice], strict=True))
            under = {name: value[rows.get(CONDITION, a)] for name, value in beside.items()}
            z = {level: means[level][rows[level]] for level in model.levels}
            decoded = model.decode(z, **under).mean
            for name, feature in features.items():
                measured[name].append(feature(decoded, under.get("condition")))
    result = {}
    for name, values in measured.items():
        table = torch.stack(values).view(*(2,) * len(names), pairs)
        whole = ~table.isnan().any(dim=tuple(range(len(names))))
        if not whole.any():
            result[name] = SwapShares(dict.fromkeys([*names, INTERACTION], float("nan")), float("nan"), 0)
            continue
        shares, variation = swap_shares(table[..., whole])
        result[name] = SwapShares(
            dict(zip([*names, INTERACTION], shares.tolist(), strict=True)), variation.sqrt().item(), int(whole.sum())
        )
    return result
