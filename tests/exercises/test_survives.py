"""Whatever an answer is or does, the check says what happened, and leaves the reader's session as it was."""

import threading
import time
import warnings
from array import array
from collections import deque
from decimal import Decimal

import numpy as np
import pytest
import torch

from hvae_ref.exercises.engine import time_limit
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.judge import judge
from tests.exercises.asking import verdict


def square_sum(x):
    return (x**2).sum(-1)


def exercise(reference=square_sum, inputs=lambda rng: (normal(rng, size(rng), size(rng, low=2)),), **options):
    fixed = {"id": "9.1", "title": "Lengths", "kind": "implement", "section": "9.1 · Lengths", "random_cases": 4}
    return Exercise(reference=reference, inputs=inputs, **(fixed | options))


def endless(x):
    while True:
        time.sleep(0.01)


def deep(x):
    return deep(x)


def itself():
    found = []
    found.append(found)
    return found


def quit_early(error):
    def answer(x):
        raise error

    return answer


ODD = {
    "complex": (lambda x: torch.complex(square_sum(x), 0 * square_sum(x)), "Complex numbers"),
    "complex number": (lambda x: 1j, "single number"),
    "meta": (lambda x: square_sum(x).to("meta"), "no numbers"),
    "nested": (lambda x: torch.nested.nested_tensor([x[0], x[0, :1]]), "nested"),
    "text": (lambda x: "nine", "a word"),
    "bytes": (lambda x: b"9", "bytes"),
    "bool": (lambda x: square_sum(x) > 0, "truth values"),
    "dict": (lambda x: {"a": 1}, "another form"),
    "set": (lambda x: {1, 2}, "set"),
    "generator": (lambda x: (v for v in square_sum(x)), "in place of `yield`"),
    "module": (lambda x: torch.nn.Linear(1, 1), "Linear"),
    "ragged": (lambda x: [[1.0], [1.0, 2.0]], "another form"),
    "objects": (lambda x: np.array([None, "a"]), "holds no numbers"),
    "a list that holds itself": (lambda x: itself(), "a list in a list"),
    "empty": (lambda x: [], "shape"),
    "recursion": (deep, "RecursionError"),
    "exit": (quit_early(SystemExit(3)), "SystemExit"),
    "interrupt": (quit_early(KeyboardInterrupt()), "KeyboardInterrupt"),
    "an error of its own": (quit_early(type("Odd", (BaseException,), {})()), "Odd"),
    "a print in place of a return": (lambda x: print(end=""), "end with `return`"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("check_gradient", [False, True])
def test_odd_answers_are_named(kind, check_gradient):
    answer, words = ODD[kind]
    found = judge(exercise(check_gradient=check_gradient), answer)
    assert found.status == "failed"
    assert words in found.message, str(found)
    assert "Traceback" not in found._repr_html_()


@pytest.mark.parametrize(
    "form",
    [
        lambda v: v.to_sparse(),
        lambda v: v.tolist(),
        lambda v: tuple(v),
        lambda v: [np.float32(part) for part in v],
        lambda v: v.double().numpy()[::-1][::-1],
        lambda v: torch.nn.Parameter(v),
        lambda v: deque(v.tolist()),
        lambda v: array("d", v.tolist()),
        lambda v: [Decimal(part) for part in v.tolist()],
        lambda v: map(float, v),
    ],
)
def test_the_same_numbers_in_other_forms_pass(form):
    assert judge(exercise(), lambda x: form(square_sum(x))).passed
    pair = exercise(lambda x: (square_sum(x), x.sum(-1)))
    assert judge(pair, lambda x: [form(square_sum(x)), x.sum(-1).numpy()]).passed
    assert judge(pair, lambda x: torch.stack([square_sum(x), x.sum(-1)])).passed
    table = exercise(lambda x: torch.stack([x, x]))
    assert judge(table, lambda x: [x.numpy(), x.tolist()]).passed


@pytest.mark.parametrize("inside", ["main thread", "another thread"])
def test_an_endless_loop_is_stopped(monkeypatch, inside):
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 0.2)
    found = []
    if inside == "main thread":
        found.append(judge(exercise(), endless))
    else:
        thread = threading.Thread(target=lambda: found.append(judge(exercise(), endless)))
        thread.start()
        thread.join(60)
    assert "Does a loop in it never end?" in found[0].message


def test_a_broad_except_does_not_hide_the_limit(monkeypatch):
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 0.2)

    def stubborn(x):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    assert "seconds" in judge(exercise(), stubborn).message


def state():
    return (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        np.geterr(),
        warnings.filters[:],
        torch.exp,
        np.exp,
        torch.Tensor.sum,
    )


def test_what_an_answer_changes_is_put_back(monkeypatch):
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 5.0)

    def vandal(x):
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.manual_seed(1)
        np.random.seed(1)
        np.seterr(all="raise")
        warnings.simplefilter("error")
        torch.exp = torch.Tensor.sum = np.exp = lambda *args, **kwargs: 1 / 0
        return x

    before = state()
    assert judge(exercise(), vandal).status == "failed"
    assert state() == before
    assert judge(exercise(), square_sum).passed


@pytest.mark.parametrize(
    "mode", [lambda: torch.no_grad(), lambda: torch.inference_mode(), lambda: torch.autocast("cpu"), lambda: doubles()]
)
def test_verdicts_do_not_depend_on_the_readers_modes(mode):
    asked = exercise(check_gradient=True)
    with mode():
        assert judge(asked, lambda x: square_sum(x).detach()).difference == "gradient missing"
        assert judge(exercise(check_gradient=True), square_sum).passed
        assert verdict("1.1", lambda covariance, nats: (covariance, covariance)).status == "failed"


class doubles:
    def __enter__(self):
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_):
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("run", range(20))
def test_twenty_runs_have_one_verdict(run):
    """Random generators in any state: among the answers are random ones, and ones that are wrong on few inputs."""
    torch.manual_seed(run)
    np.random.seed(run)
    nearly = exercise(edge_cases=lambda: [(torch.full((1, 2), 30.0),)])
    assert judge(nearly, lambda x: square_sum(x.clamp(-20, 20))).difference == "partial"
    assert judge(nearly, lambda x: square_sum(x) + 1e-9 * torch.randn(len(x))).passed
    assert judge(nearly, lambda x: square_sum(x) + torch.randn(len(x))).status == "failed"


def test_an_answer_that_is_slow_on_every_input_is_stopped_after_a_while(monkeypatch):
    monkeypatch.setattr(time_limit, "TOTAL_LIMIT", 0.1)
    calls = []

    def slow(*arguments):
        calls.append(arguments)
        time.sleep(0.06)

    found = judge(exercise(), slow)
    assert found.status == "failed"
    assert "each call takes too long" in found.message
    assert len(calls) == 2


def test_a_long_list_of_numbers_is_read_at_once_and_not_in_the_answers_time(monkeypatch):
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 0.5)
    many = exercise(lambda x: torch.zeros(200_000).double(), random_cases=1, examine=lambda f, x: slept(f(x)))
    assert judge(many, lambda x: [0.0] * 200_000).passed


def slept(value):
    time.sleep(0.6)
    return value
