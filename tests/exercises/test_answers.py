"""Answers as readers write them: wrong ones made to pass do not, and right ones pass in any style."""

import importlib
import pkgutil

import pytest

from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import chapters, of_chapter
from tests.exercises import answers

for module in pkgutil.iter_modules(answers.__path__):
    importlib.import_module(f"tests.exercises.answers.{module.name}")


@pytest.mark.parametrize("chapter", chapters())
def test_no_wrong_answer_passes(chapter):
    exercises = of_chapter(chapter)
    mine = [(id_, answer) for id_, answer in answers.WRONG if id_ in exercises]
    passed = [(id_, getattr(answer, "__qualname__", answer)) for id_, answer in mine if judge(exercises[id_], answer)]
    assert len(mine) >= 14
    assert not passed


@pytest.mark.parametrize("chapter", chapters())
def test_right_answers_pass_in_any_style(chapter):
    exercises = of_chapter(chapter)
    mine = [(id_, answer) for id_, answer in answers.RIGHT if id_ in exercises]
    verdicts = [judge(exercises[id_], answer) for id_, answer in mine]
    failed = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert len(mine) >= 7
    assert not failed, "\n".join(failed)
