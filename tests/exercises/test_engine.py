"""The check itself, on small exercises made for the purpose."""

import math
import random

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from hvae_ref.exercises import check, exercises
from hvae_ref.exercises.engine.cases import cases
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import integers, normal, size, uniform
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import collect, get
from hvae_ref.exercises.engine.surroundings import fixed_randomness


def square_sum(x):
    return (x**2).sum(-1)


def rows(rng):
    return (normal(rng, size(rng), size(rng, low=2)),)


def exercise(reference=square_sum, inputs=rows, **options):
    options = {"id": "9.1", "title": "Lengths", "kind": "implement", "section": "9.1 · Lengths"} | options
    return Exercise(reference=reference, inputs=inputs, **options)


# -- what counts as right ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        square_sum,
        lambda x: torch.einsum("bd,bd->b", x, x),
        lambda x: (x.double() ** 2).sum(-1),
        lambda x: (x.numpy() ** 2).sum(-1),
        lambda x: [float(v) for v in (x**2).sum(-1)],
        lambda any_name: square_sum(any_name),
        lambda *arguments: square_sum(*arguments),
    ],
)
def test_right_in_any_clothes(answer):
    assert judge(exercise(), answer).passed


@pytest.mark.parametrize("answer", [4, 4.0, torch.tensor(4.0), np.float32(4)])
def test_a_number_in_any_clothes(answer):
    assert judge(exercise(4.0, None), answer).passed


def test_words_are_compared_without_case_and_space():
    question = exercise("both", None, kind="predict", choices=("both", "neither"))
    assert judge(question, " Both ").passed
    assert judge(question, "neither").status == "failed"
    wrong_word = judge(question, "perhaps")
    assert wrong_word.status == "failed"
    assert "'neither'" in wrong_word.message


def test_distributions_are_compared_by_shape_and_parameters():
    def reference(x):
        return Independent(Normal(x, x.exp()), 1)

    asked = exercise(reference)
    assert judge(asked, lambda x: Independent(Normal(loc=x, scale=torch.exp(x)), 1)).passed
    assert judge(asked, lambda x: Normal(x, x.exp())).status == "failed"
    assert judge(asked, lambda x: Independent(Normal(x, (0.5 * x).exp()), 1)).status == "failed"
    assert judge(asked, lambda x: Independent(Bernoulli(logits=x), 1)).difference == "structure"


def test_tuples_and_dicts_are_compared_part_by_part():
    assert judge(exercise(lambda x: (x, x.sum())), lambda x: [x, x.sum()]).passed
    asked = exercise(lambda x: {"mean": x.mean(), "rows": len(x)})
    assert judge(asked, lambda x: {"rows": len(x), "mean": x.mean()}).passed
    assert judge(asked, lambda x: {"mean": x.mean()}).difference == "structure"


def test_another_right_answer_passes_through_compare_as():
    def basis(x):
        return torch.linalg.qr(x).Q

    asked = exercise(basis, lambda rng: (normal(rng, 5, size(rng, high=4)),), compare_as=lambda q: q @ q.T)
    assert judge(asked, lambda x: -basis(x)).passed
    assert judge(asked, lambda x: 2 * basis(x)).status == "failed"


# -- what is asked but missing -------------------------------------------------------------------------------------


def test_an_answer_filled_in_by_half_is_not_attempted():
    assert judge(exercise((1.0, 2.0), None), (1.0, ...)).status == "not attempted"


def test_none_on_some_inputs_only_is_a_failure():
    verdict = judge(exercise(), lambda x: square_sum(x) if len(x) > 1 else None)
    assert verdict.status == "failed"
    assert "returns nothing" in verdict.message


@pytest.mark.parametrize("answer", [3.0, torch.ones(2), "word"])
def test_a_result_in_place_of_the_function(answer):
    assert "the function itself" in judge(exercise(), answer).message


def test_a_function_in_place_of_the_value():
    assert "asks for a value" in judge(exercise(4.0, None), lambda: 4.0).message


def test_wrong_number_of_arguments_names_the_right_ones():
    message = judge(exercise(), lambda x, y: x).message
    assert "1 argument" in message
    assert "`x`" in message


# -- kinds of difference -------------------------------------------------------------------------------------------

DIFFERENCES = {
    "sign": lambda x: -square_sum(x),
    "factor": lambda x: 0.5 * square_sum(x),
    "offset": lambda x: square_sum(x) + 1,
    "reduction": lambda x: (x**2).mean(-1),
    "permuted": lambda x: square_sum(x).flip(0),
    "partial": lambda x: square_sum(x) * (1 + (len(x) > 1)),
    "value": lambda x: x.abs().sum(-1).sqrt() + x[:, 0],
    "shape": lambda x: x**2,
    "nan": lambda x: square_sum(x) / 0,
    "dtype": lambda x: square_sum(x).round().int(),
    "structure": lambda x: (square_sum(x), x),
    "error": lambda x: x @ torch.ones(1000),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_kinds_of_difference(kind):
    verdict = judge(exercise(), DIFFERENCES[kind])
    assert (verdict.status, verdict.difference) == ("failed", kind), str(verdict)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: (x**2).mean(-1), "A mean where a sum is asked: your answer is off by the size of axis 1 of `x`."),
        (
            lambda x: square_sum(x) / len(x),
            "A mean where a sum is asked: your answer is off by the size of axis 0 of `x`.",
        ),
        (
            lambda x: square_sum(x) * len(x),
            "A sum where a mean is asked: your answer is off by the size of axis 0 of `x`.",
        ),
    ],
)
def test_a_reduction_names_the_axis(answer, words):
    assert judge(exercise(), answer).message == words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x: x**2, "reduced or squeezed"),
        (lambda x: (x**2).sum(), "One axis too many"),
        (lambda x: (x**2).sum(-1, keepdim=True), "reduced or squeezed"),
    ],
)
def test_shapes_come_with_a_hint(answer, hint):
    assert hint in judge(exercise(), answer).message


def test_transposed_shapes_are_called_so():
    assert "transposed" in judge(exercise(lambda x: x.exp()), lambda x: x.exp().T).message


def test_squeezing_away_a_batch_of_one_is_right_elsewhere():
    verdict = judge(exercise(), lambda x: square_sum(x).squeeze())
    assert verdict.difference == "shape"
    assert "inputs it is right" in verdict.message
    assert dict(verdict.facts)["yours"].replace(".", "").replace("e-", "").isdigit()


def test_gradients_are_compared_where_asked():
    asked = exercise(check_gradient=True)
    assert judge(asked, lambda x: torch.einsum("bd,bd->b", x, x)).passed
    detached = judge(asked, lambda x: square_sum(x).detach())
    assert detached.difference == "gradient missing"
    assert ("yours", "none") in detached.facts
    by_half = judge(asked, lambda x: (x * x.detach()).sum(-1))
    assert by_half.difference == "gradient"
    assert judge(exercise(), lambda x: square_sum(x).detach()).passed


def test_a_gradient_that_is_rightly_zero_may_be_absent():
    asked = exercise(
        lambda x, y: square_sum(x) + 0 * y.sum(), lambda rng: (*rows(rng), *rows(rng)), check_gradient=True
    )
    assert judge(asked, lambda x, y: square_sum(x)).passed


# -- what is shown -------------------------------------------------------------------------------------------------


def test_the_smallest_failing_input_is_shown():
    asked = exercise()
    verdict = judge(asked, DIFFERENCES["sign"])
    smallest = min(case.inputs[0].numel() for case in cases(asked))
    shape = tuple(int(n) for n in dict(verdict.facts)["x"].split("shape (")[1].rstrip(")").split(",") if n.strip())
    assert math.prod(shape) == smallest
    assert [name for name, _ in verdict.facts] == ["x", "expected", "yours"]


def test_an_error_is_told_without_a_traceback():
    verdict = judge(exercise(), DIFFERENCES["error"])
    assert "RuntimeError" in verdict.message
    assert "shapes: x (" in verdict.message
    assert "Traceback" not in str(verdict)


def test_a_wrong_value_is_not_told_the_right_one():
    verdict = judge(exercise(4.25, None), 8.5)
    assert verdict.status == "failed"
    assert "4.25" not in str(verdict)
    assert "factor" not in str(verdict)
    assert judge(exercise(4.25, None), -4.25).difference == "sign"
    assert judge(exercise(4.25, None), math.nan).difference == "nan"
    assert judge(exercise((1.0, 2.0), None), 1.0).difference == "shape"


def test_something_that_cannot_be_compared_is_told_so():
    assert "cannot be compared" in judge(exercise(), lambda x: torch.nn.Linear(2, 2)).message
    assert "cannot be compared" in judge(exercise(4.0, None), object()).message


# -- misconceptions ------------------------------------------------------------------------------------------------

MEAN = Misconception("O1", lambda x: (x**2).mean(-1), "Averaged.", "9.1 · Lengths")


def test_a_misconception_is_named_only_where_it_agrees_everywhere():
    asked = exercise(misconceptions=(MEAN,))
    assert judge(asked, lambda x: square_sum(x) / x.shape[-1]).misconception == "O1"
    now_and_then = judge(asked, lambda x: square_sum(x) / (x.shape[-1] if len(x) > 1 else 1))
    assert now_and_then.status == "failed"
    assert now_and_then.misconception is None


def test_a_misconception_that_is_hardly_wrong_is_not_named():
    hardly = Misconception("O2", lambda x: square_sum(x) * (1 + 3e-4), "Close.", "9.1 · Lengths")
    verdict = judge(exercise(misconceptions=(hardly,)), hardly.wrong)
    assert verdict.status == "failed"
    assert verdict.misconception is None


def test_a_misconception_that_ends_in_nan_is_recognised_and_nan_never_passes():
    def reference(x):
        return x.sum(-1) / (x != 0).sum(-1).clamp(min=1)

    def zero_by_zero(x):
        return x.sum(-1) / (x != 0).sum(-1)

    asked = exercise(
        reference,
        lambda rng: (integers(rng, size(rng), size(rng, low=2)),),
        misconceptions=(Misconception("C2", zero_by_zero, "Nothing is divided by nothing.", "9.1 · Lengths"),),
    )
    assert judge(asked, zero_by_zero).misconception == "C2"
    everywhere = judge(asked, lambda x: reference(x) * math.nan)
    assert everywhere.misconception is None
    assert everywhere.difference == "nan"


def test_a_misconception_about_gradients_alone_is_recognised():
    stopped = Misconception("G1", lambda x: square_sum(x.detach()), "Detached.", "9.1 · Lengths")
    verdict = judge(exercise(misconceptions=(MEAN, stopped), check_gradient=True), lambda x: square_sum(x).detach())
    assert verdict.misconception == "G1"


def test_a_misconception_of_a_value_is_named():
    asked = exercise(4.0, None, misconceptions=(Misconception("O14", 8.0, "Twice.", "9.1 · Lengths"),))
    assert judge(asked, 8).misconception == "O14"
    assert judge(asked, 8.1).misconception is None


# -- runs are fair -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [lambda x: x.zero_(), lambda x: x.numpy().fill(0), lambda x: x.resize_(0)])
def test_an_answer_that_changes_its_inputs_is_told_so(write):
    def greedy(x):
        total = square_sum(x)
        write(x)
        return total

    verdict = judge(exercise(), greedy)
    assert verdict.difference == "changed input"
    assert "changes its input `x`" in verdict.message
    assert judge(exercise(), square_sum).passed
    in_place = judge(exercise(check_gradient=True), lambda x: x.mul_(x).sum(-1))
    assert "changes its input in place" in in_place.message
    listed = exercise(lambda x: float(sum(x)), lambda rng: (list(rng.standard_normal(size(rng))),))
    popping = judge(listed, lambda x: float(sum(x.pop() for _ in range(len(x)))))
    assert popping.difference == "changed input"


def test_stochastic_answers_draw_the_same_and_leave_the_generators_alone():
    asked = exercise(lambda x: x + torch.randn(x.shape) + np.random.rand() + random.random())
    states = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert judge(asked, lambda x: torch.randn_like(x) + x + np.random.rand() + random.random()).passed
    assert judge(asked, lambda x: x + torch.rand(x.shape)).status == "failed"
    assert states == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_fixed_randomness_puts_every_state_back():
    random.seed(2), np.random.seed(2), torch.manual_seed(2)
    before = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with pytest.raises(KeyError), fixed_randomness(0):
        inside = random.random(), np.random.rand(), torch.rand(()).item()
        raise KeyError
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected
    assert inside not in (before, expected)
    with fixed_randomness(0):
        assert (random.random(), np.random.rand(), torch.rand(()).item()) == inside


def test_verdicts_repeat_word_for_word():
    asked = exercise(misconceptions=(MEAN,))
    for wrong in (DIFFERENCES["value"], DIFFERENCES["partial"], MEAN.wrong):
        first, second = judge(asked, wrong), judge(asked, wrong)
        assert first.facts == second.facts
        assert first.misconception == second.misconception


def test_edge_cases_follow_the_random_ones():
    edge = (torch.full((1, 2), 1e3),)
    found = cases(exercise(edge_cases=lambda: [edge], random_cases=3))
    assert len(found) == 4
    assert found[-1].inputs is edge
    assert judge(exercise(edge_cases=lambda: [edge]), lambda x: square_sum(x.clamp(-100, 100))).difference == "partial"


# -- the registry --------------------------------------------------------------------------------------------------


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(ValueError, match=r"'1\.1'.*got '1\.01'"):
        check("1.01", ...)
    with pytest.raises(ValueError, match="got ''"):
        get("")


def test_the_index_lists_every_exercise():
    entries = exercises()
    assert [entry.id for entry in entries] == sorted((e.id for e in entries), key=lambda i: [*map(int, i.split("."))])
    assert exercises(2) == tuple(entry for entry in entries if entry.chapter == 2)


def test_ids_are_in_order_of_their_numbers():
    found = collect({9: tuple(exercise(id=f"9.{n}") for n in (10, 2, 1))})
    assert list(found) == ["9.1", "9.2", "9.10"]


@pytest.mark.parametrize("chapter", [8, 9])
def test_an_id_twice_or_in_the_wrong_chapter_is_refused(chapter):
    with pytest.raises(ValueError, match=rf"ch{chapter:02}\.EXERCISES"):
        collect({chapter: (exercise(), exercise())})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": "nine"}, "Exercise.id"),
        ({"kind": "guess"}, "Exercise.kind"),
        ({"atol": 0.0}, "atol > 0"),
        ({"reference": 4.0}, "functions"),
        ({"inputs": None}, "values"),
        ({"misconceptions": (Misconception("O1", 3.0, "Text.", "9.1"),)}, "functions"),
        ({"reference": "c", "inputs": None, "choices": ("a", "b")}, "choices"),
        ({"reference": 4.0, "inputs": None, "check_gradient": True}, "check_gradient"),
    ],
)
def test_an_exercise_that_cannot_work_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        exercise(**options)


def test_a_misconception_without_explanation_is_refused():
    with pytest.raises(ValueError, match="explanation"):
        Misconception("O1", 3.0, " ", "9.1")


# -- ingredients of inputs -----------------------------------------------------------------------------------------


def test_sizes_cover_their_range_and_favour_the_smallest():
    rng = np.random.default_rng(0)
    drawn = [size(rng, 1, 4) for _ in range(400)]
    assert set(drawn) == {1, 2, 3, 4}
    assert drawn.count(1) > 130
    with pytest.raises(ValueError, match="low, high"):
        size(rng, 3, 2)


def test_tensors_follow_their_distribution():
    rng = np.random.default_rng(0)
    assert abs(normal(rng, 10_000, scale=3.0).std() - 3) < 0.1
    assert normal(rng, 2, 3).dtype == torch.float32
    drawn = uniform(rng, 1000, low=2, high=5)
    assert 2 <= drawn.min() < 2.1 < 4.9 < drawn.max() < 5
    assert set(integers(rng, 200, high=3).tolist()) == {0.0, 1.0, 2.0}


def test_a_mistake_that_overflows_is_recognised_however_its_numbers_overflow():
    """Infinity less infinity is NaN, in another order it may stay infinite: both are the same mistake."""

    def wrong(x):
        return x.exp().sum(-1)

    named = Misconception("O14", wrong, "It is exponentiated.", "9.1 · Lengths")
    asked = exercise(lambda x: x.sum(-1), misconceptions=(named,), edge_cases=lambda: [(torch.full((1, 3), 900.0),)])
    assert "It is exponentiated." in judge(asked, lambda x: (2 * x.exp() - x.exp()).sum(-1)).message
    assert "It is exponentiated." not in judge(asked, lambda x: (x.exp() + (x < 800)).sum(-1)).message
