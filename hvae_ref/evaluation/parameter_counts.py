"""How many numbers a model learns, part by part."""

from __future__ import annotations

from torch import nn


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Parameters of each part of a model, and their sum.

    Args:
        model: any module; its parts are its direct children, and parameters of its own are counted as "itself".

    Returns:
        Counts by the parts' names, in the order in which they were made, without parts that have none; then "total".
        A parameter that two parts share is counted in the first.

    >>> parameter_counts(nn.Sequential(nn.Linear(3, 2), nn.SiLU(), nn.Linear(2, 1)))
    {'0': 8, '2': 3, 'total': 11}
    """
    seen: set[int] = set()

    def count(parameters: list[nn.Parameter]) -> int:
        new = [parameter for parameter in parameters if id(parameter) not in seen]
        seen.update(map(id, new))
        return sum(parameter.numel() for parameter in new)

    counts = {"itself": count(list(model.parameters(recurse=False)))}
    counts |= {name: count(list(part.parameters())) for name, part in model.named_children()}
    counts = {name: number for name, number in counts.items() if number}
    return counts | {"total": sum(counts.values())}
