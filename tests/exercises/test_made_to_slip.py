"""Wrong answers of one kind to every exercise: each is the reference with one thing changed, and none passes."""

import pytest
import torch

from hvae_ref.exercises.engine import judge as judging
from hvae_ref.exercises.engine.cases import cases
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import registered

FUNCTIONS = [id_ for id_, exercise in registered().items() if exercise.is_function]
WITH_TENSORS = [
    id_ for id_ in FUNCTIONS if any(isinstance(value, torch.Tensor) for value in cases(registered()[id_])[0].inputs)
]
# Of one row a call (1.1), and of a graph (7.6), there are no rows; these answer other things than rows of the inputs.
WITHOUT_ROWS = {"1.1", "1.3", "2.7", "4.2", "6.6", "6.8", "7.4", "7.6", "7.7"}


def each(answer, change):
    return tuple(map(change, answer)) if isinstance(answer, tuple) else change(answer)


def changed(id_, change):
    return lambda *arguments: each(registered()[id_].reference(*arguments), change)


@pytest.mark.parametrize("id_", [id_ for id_ in WITH_TENSORS if id_ not in WITHOUT_ROWS])
def test_more_rows_than_a_hundred_are_looked_at(id_):
    def few(found):
        return torch.cat([found[:100], found[:1].expand(len(found) - 100, *found.shape[1:])])

    assert not judge(registered()[id_], changed(id_, lambda found: few(found) if len(found) > 100 else found))


@pytest.mark.parametrize("id_", WITH_TENSORS)
def test_an_answer_that_remembers_a_shape_fails(id_):
    known = {}

    def answer(*arguments):
        key = tuple(value.shape if isinstance(value, torch.Tensor) else str(value) for value in arguments)
        if key not in known:
            known[key] = registered()[id_].reference(*arguments)
        return known[key]

    assert not judge(registered()[id_], answer)


class Agreeable(torch.Tensor):
    """A tensor that is close to every other."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.allclose:
            return True
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.mark.parametrize("id_", ["1.2", "2.1", "7.7"])
def test_a_tensor_has_no_say_in_its_comparison(id_):
    assert not judge(registered()[id_], changed(id_, lambda found: torch.zeros_like(found).as_subclass(Agreeable)))


def test_a_word_has_no_say_in_its_comparison():
    class Word(str):
        def casefold(self):
            return "less"

        def strip(self):
            return self

    assert not judge(registered()["1.6"], Word("more"))
    assert judge(registered()["1.6"], Word(" LESS"))


@pytest.mark.parametrize("id_", [id_ for id_ in FUNCTIONS if registered()[id_].check_gradient])
@pytest.mark.parametrize("factor", [1.0009, 0.9991])
def test_a_gradient_that_is_a_thousandth_off_fails(id_, factor):
    def scaled(found):
        return factor * found + (found * (1 - factor)).detach()

    assert judge(registered()[id_], changed(id_, scaled)).difference == "gradient"


@pytest.mark.parametrize("name", ["difference", "expected", "tolerance"])
def test_what_an_answer_replaces_in_the_check_is_put_back(name, monkeypatch):
    monkeypatch.setattr(judging, name, getattr(judging, name))  # as it was, should the check not put it back

    def vandal(log_w):
        setattr(judging, name, lambda *arguments: None)
        return 0 * log_w[0]

    before = getattr(judging, name)
    assert not judge(registered()["1.5"], vandal)
    assert getattr(judging, name) is before


@pytest.mark.parametrize("id_", ["1.7", "2.5", "3.2"])
def test_a_complex_number_is_no_real_one(id_):
    verdict = judge(registered()[id_], registered()[id_].reference + 0.1j)
    assert verdict.status == "failed"
    assert "complex" in verdict.message
