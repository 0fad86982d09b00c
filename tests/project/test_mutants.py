"""The list of changes that tests must notice; `python -m tools.mutants` tries them."""

import pytest

from tools.mutants import Mutant, mutants

MUTANTS = mutants()
TESTS = ("tests/flows/test_flows.py",)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_change_still_fits_the_source(mutant):
    assert mutant.complaint() is None


def test_no_two_have_one_name_and_every_kind_is_there():
    assert len({str(mutant) for mutant in MUTANTS}) == len(MUTANTS) >= 100
    files = {mutant.file for mutant in MUTANTS}
    for part in ("exercises/engine/", "distributions/", "flows/", "models/", "objectives/", "evaluation/", "features/"):
        assert any(file.startswith(part) for file in files), part


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"file": "flows/nowhere.py"}, "no such file"),
        ({"old": "no such text"}, "exactly once, found it 0 times"),
        ({"old": "torch"}, "exactly once, found it"),
        ({"tests": ("tests/flows/test_nothing.py",)}, "there is no tests/flows/test_nothing.py"),
        ({"tests": ()}, "expected a test"),
        ({"old": "Planar flows: every", "new": "Planar flows: each"}, "a change within a function"),
    ],
)
def test_a_change_that_does_not_fit_is_told(change, told):
    fits = {"file": "flows/planar.py", "old": "z - u_hat * h", "new": "z + u_hat * h", "tests": TESTS}
    assert Mutant("the way back goes on", **fits).complaint() is None
    assert told in Mutant("the way back goes on", **(fits | change)).complaint()


def test_the_code_of_the_changed_function_is_compiled():
    mutant = Mutant("", "flows/planar.py", "z - u_hat * h", "z + u_hat * h", ())
    (name,) = mutant.changed()
    assert name == "PlanarFlow._undo"
