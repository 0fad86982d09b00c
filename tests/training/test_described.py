"""Settings by value: equal where two runs are, different where they are not, in every process."""

import functools
import json
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hvae_ref.objectives import Constant, FreeBits, Geco, LinearWarmup, NegativeElbo, Objective
from hvae_ref.training import ElboStep, FunctionStep
from hvae_ref.training.described import described, differences


def half(state):
    return 0.5


def scaled(factor, offset=0.0):
    def schedule(state, power=2):
        return factor * state.fraction**power + offset

    return schedule


class Colour(Enum):
    RED = 1
    BLUE = 2


class Plain:
    """An object of the user's own: no dataclass, no repr but its address."""

    def __init__(self, size, other=None):
        self.size, self.other = size, other
        self._cache = object()

    def weight(self, state):
        return self.size


class OwnObjective(Objective):
    def __init__(self, weight):
        self.weight, self.learned = weight, torch.zeros(())

    def __call__(self, elbo, state=None, latents=None):
        return -elbo.value.mean() * self.weight

    def report(self, levels, state):
        return {}

    def state_dict(self):
        return {"learned": self.learned}


@dataclass
class Own:
    values: tuple
    inner: object = None


# Each is a function, so that it can be built twice; all are to be told apart.
KINDS = [
    lambda: None,
    lambda: True,
    lambda: 1,
    lambda: 1.5,
    lambda: "1.5",
    lambda: [1, 2],
    lambda: {"a": [1, 2]},
    lambda: math.nan,
    lambda: math.inf,
    lambda: Colour.RED,
    lambda: Colour.BLUE,
    lambda: half,
    lambda: scaled(2.0),
    lambda: scaled(3.0),
    lambda: scaled(2.0, 1.0),
    lambda: functools.partial(scaled, 2.0),
    lambda: functools.partial(scaled, offset=2.0),
    lambda: lambda state: 0.5,
    lambda: lambda state: 0.25,
    lambda: lambda state: state.fraction,
    lambda: lambda state: state.step,
    lambda: Plain(3),
    lambda: Plain(4),
    lambda: Plain(3, Plain(4)),
    lambda: Plain(3).weight,
    lambda: Plain(4).weight,
    lambda: Plain,
    lambda: Own((1, 2)),
    lambda: Own((1, 3)),
    lambda: Own((1, 2), half),
    lambda: OwnObjective(1.0),
    lambda: OwnObjective(2.0),
    lambda: NegativeElbo(),
    lambda: NegativeElbo(0.5),
    lambda: NegativeElbo(Constant(0.5)),
    lambda: NegativeElbo(half),
    lambda: NegativeElbo({"z1": LinearWarmup(), "z2": half}),
    lambda: NegativeElbo(free_bits=FreeBits(0.5)),
    lambda: NegativeElbo(free_bits=FreeBits(0.5, over="example")),
    lambda: Geco(constraint=1.0),
    lambda: ElboStep(),
    lambda: ElboStep(NegativeElbo(0.5)),
    lambda: ElboStep(bound=half),
    lambda: ElboStep(bound=half, auxiliary=True),
    lambda: FunctionStep(half),
    lambda: torch.zeros(3),
    lambda: torch.ones(3),
    lambda: np.zeros(3),
    lambda: np.zeros(4),
    lambda: nn.Linear(3, 4),
    lambda: nn.Linear(3, 5),
    lambda: Path("runs") / "a",
    lambda: torch.float32,
    lambda: torch.device("cpu"),
    lambda: {1, 2, 3},
    lambda: b"ab",
    lambda: torch.relu,
    lambda: math.sin,
]


def test_what_is_built_twice_is_described_alike_and_all_else_apart():
    first, second = [described(make()) for make in KINDS], [described(make()) for make in KINDS]
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        assert json.loads(json.dumps(a)) == a == b, KINDS[index]()
        assert " at 0x" not in json.dumps(a)
        for other in first[:index]:
            assert a != other or a in (0.5, True, 1), (a, other)


def test_numbers_of_numpy_are_numbers():
    assert described(np.float32(0.5)) == described(0.5) == 0.5 and described(np.int64(3)) == 3
    assert described((1, 2)) == described([1, 2])


def test_what_was_learned_is_no_setting():
    geco, own = Geco(constraint=1.0), OwnObjective(1.0)
    before = described(geco), described(own)
    geco.load_state_dict({"multiplier": torch.tensor(3.0), "excess": torch.tensor(1.0)})
    own.learned = torch.tensor(5.0)
    assert (described(geco), described(own)) == before


def test_objects_that_hold_each_other_come_to_an_end():
    one = Plain(1)
    one.other = Plain(2, one)
    assert json.dumps(described(one))


def test_differences_are_told_with_their_place():
    old, new = (
        described(ElboStep(NegativeElbo(beta, free_bits=bits))) for beta, bits in ((0.5, FreeBits(1.0)), (half, None))
    )
    assert differences(old, new, "step") == [
        "step.objective.beta was 0.5 and is half",
        "step.objective.free_bits was FreeBits and is None",
    ]
    assert differences(old, old) == []


@pytest.mark.parametrize("value", [object(), Plain])
def test_any_object_can_be_described(value):
    assert json.dumps(described(value))
