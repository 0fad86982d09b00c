"""Every chapter's exercises: stub, check and solution agree with what is registered."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.links import PAGES, anchor
from hvae_ref.exercises.engine.notebook import exercises_in, headings, imports, quizzes
from hvae_ref.exercises.engine.quiz import questions
from hvae_ref.exercises.engine.registry import registered

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))

pytestmark = pytest.mark.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])


def number(chapter):
    return int(chapter.name[:2])


def of(chapter):
    return {id_: exercise for id_, exercise in registered().items() if exercise.chapter == number(chapter)}


def namespace(chapter):
    scope = {"torch": torch, "math": math, "np": np, "__name__": chapter.stem}
    exec(imports(chapter), scope)
    return scope


def test_chapter_and_registry_hold_the_same_exercises(chapter):
    written, known = exercises_in(chapter), of(chapter)
    assert sorted(written) == sorted(known)  # a number is a name: a chapter may ask them in another order
    assert {id_: found.title for id_, found in written.items()} == {id_: x.title for id_, x in known.items()}
    assert len(written) >= 6
    assert len({x.kind for x in known.values()}) >= 3


def test_cells_stand_in_order_and_hints_are_there(chapter):
    for id_, found in exercises_in(chapter).items():
        assert list(found.position) == sorted(set(found.position)), id_
        assert found.hints >= 1, id_


def test_stubs_run_and_are_not_attempted(chapter):
    for id_, found in exercises_in(chapter).items():
        scope = namespace(chapter)
        exec(found.stub, scope)
        assert judge(of(chapter)[id_], eval(found.answer, scope)).status == "not attempted", id_


def test_solutions_pass(chapter):
    scope = namespace(chapter)
    for id_, found in exercises_in(chapter).items():
        exec(
            found.stub, scope
        )  # it may hold what is given; what it leaves open stays open unless the solution fills it
        exec(found.solution, scope)
        verdict = judge(of(chapter)[id_], eval(found.answer, scope))
        assert verdict.passed, str(verdict)


def test_sections_named_by_verdicts_and_questions_are_headings(chapter):
    known = {anchor(heading) for heading in headings(chapter)}  # links go to anchors, which have no numbers
    for exercise in of(chapter).values():
        for section in (exercise.section, *(m.section for m in exercise.misconceptions)):
            assert anchor(section) in known, (exercise.id, section)
    for question in questions(number(chapter)):
        assert anchor(question["section"]) in known, question["id"]


def test_every_question_is_asked(chapter):
    asked = set()
    for wanted, ids in quizzes(chapter):
        assert wanted == number(chapter)
        asked |= set(ids or (question["id"] for question in questions(wanted)))
    assert asked == {question["id"] for question in questions(number(chapter))}
    assert len(asked) >= 4


def test_links_lead_to_the_chapter(chapter):
    assert PAGES[number(chapter)] == f"chapters/{chapter.stem}.html"
