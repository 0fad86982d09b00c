"""Conditions out of range are refused by name, row, unit and range."""

import numpy as np
import pytest
import torch

from hvae_ref.abr.data import STATIC_NAMES, STATICS, check_condition, static_parameters

GOOD = [70.0, 21.0, 40.0, 1.0, 10.0, -1.0, 2000.0]


def test_the_ends_of_every_range_are_allowed_and_nothing_beyond_them() -> None:
    for ends, outwards in (([s.low for s in STATICS], -0.5), ([s.high for s in STATICS], 0.5)):
        check_condition(torch.tensor([ends]))
        check_condition(np.array([ends]))
        for column, static in enumerate(STATICS):
            beyond = list(ends)
            beyond[column] += outwards
            with pytest.raises(ValueError, match=f"row 0: {static.name} "):
                check_condition(torch.tensor([beyond]))
    check_condition(torch.empty(0, 7))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("level", 91.0, r"row 1: level \(dB nHL\): expected 10 to 90, got 91"),
        ("level", 9.0, "level .*expected 10 to 90, got 9"),
        ("rate", 0.0, r"rate \(clicks/s\): expected 8 to 90, got 0"),
        ("age", float("nan"), r"age \(years\): expected 18 to 85, got nan"),
        ("sex", 0.5, r"sex \(0 female, 1 male\): expected 0 or 1, got 0.5"),
        ("threshold", float("inf"), "threshold .*expected 0 to 60, got inf"),
        ("polarity", 0.5, "polarity .*expected -1 or 0 or 1, got 0.5"),
        ("sweeps", 100.0, "sweeps .*expected 500 to 8000, got 100"),
    ],
)
def test_values_out_of_range(name: str, value: float, message: str) -> None:
    rows = np.array([GOOD, GOOD])
    rows[1, STATIC_NAMES.index(name)] = value
    for condition in (rows, torch.tensor(rows)):
        with pytest.raises(ValueError, match=message):
            check_condition(condition)


def test_some_of_the_parameters_in_another_order() -> None:
    check_condition(torch.tensor([[30.0, 80.0]]), ("age", "level"))
    with pytest.raises(ValueError, match="row 0: age .*got 80000"):
        check_condition(torch.tensor([[80000.0, 80.0]]), ("age", "level"))


def test_unknown_and_repeated_names() -> None:
    with pytest.raises(ValueError, match="got 'levl'; did you mean 'level'"):
        static_parameters(("levl",))
    with pytest.raises(ValueError, match="expected each static parameter once"):
        static_parameters(("age", "age"))


@pytest.mark.parametrize("shape", [(7,), (2, 8), (1, 2, 7)])
def test_wrong_shapes(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"condition: expected \(N, 7\) with the columns level, rate"):
        check_condition(torch.zeros(shape))
