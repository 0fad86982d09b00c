"""Questions: their text, and what is shown."""

import random
import re

import pytest

from hvae_ref.exercises.engine.links import PAGES
from hvae_ref.exercises.engine.quiz import Quiz, questions, quiz, validate

CHAPTERS = tuple(PAGES)


def question(**options):
    answers = [
        {"answer": "p(z | x)", "correct": True, "feedback": "So it is."},
        {"answer": "p(x | z)", "correct": False, "feedback": "That is the decoder."},
    ]
    return {"id": "which-way", "section": "9.1 · Ways", "question": "Which one?", "answers": answers} | options


def answer(correct, **options):
    return {"answer": "q", "correct": correct, "feedback": "Because."} | options


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_books_questions_are_valid(chapter):
    assert questions(chapter)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (question(id="Which way"), "id: expected"),
        (question(question=""), "question which-way: question"),
        (question(section=None), "section"),
        (question(typo=1), "typo"),
        (question(question="What is $x$?"), "TeX"),
        (question(question=r"What is \(x\)?"), "TeX"),
        (question(question="See E[x](y)"), "Markdown link"),
        (question(question="If a <b then"), "tags"),
        (question(question="An <em>open tag"), "opened and closed"),
        (question(question="A </em>stray tag<em>"), "opened and closed"),
        (question(question="A <script>x</script>"), "tags"),
        (question(question="A <code onclick='x'>x</code>"), "tags"),
        (question(answers=[answer(True), answer(True)]), "right and wrong"),
        (question(answers=[answer(False), answer(False)]), "right and wrong"),
        (question(answers=[answer(True), answer("no")]), "right and wrong"),
        (question(answers=[answer(True), answer(False, feedback=" ")]), "answer 2: feedback"),
        (question(answers=[{"answer": "q", "correct": True}, answer(False)]), "answer 1: feedback"),
    ],
)
def test_what_would_not_teach_or_not_show_is_refused(broken, message):
    validate([question()])
    with pytest.raises(ValueError, match=message):
        validate([broken])


def test_an_id_twice_is_refused():
    with pytest.raises(ValueError, match="of its own"):
        validate([question(), question()])


def test_the_tags_of_formulas_are_allowed():
    with_tags = "Is <em>q</em>(z<sub>1</sub>) &lt; x<sup>2</sup>,<br>or <code>loc</code>?"
    validate([question(question=with_tags)])
    with pytest.raises(ValueError, match="script"):
        validate([question(question=with_tags + "<script>")])


def test_questions_are_chosen_by_id():
    first = questions(1)[0]["id"]
    assert quiz(1, first).questions == (questions(1)[0],)
    assert quiz(1).questions == questions(1)
    with pytest.raises(ValueError, match=f"{first}.*got 'nothing'"):
        quiz(1, first, "nothing")
    with pytest.raises(ValueError, match="chapter: expected"):
        quiz(99)


def test_it_is_the_same_html_each_time_and_leaves_the_generator_alone():
    after = []
    for seed in (1, 2):
        random.seed(seed)
        assert quiz(1)._repr_html_() == quiz(1)._repr_html_()
        after.append(random.random())
    assert after[0] != after[1]
    first = questions(1)[0]["id"]
    ids = {re.search(r'id="(\w+)"', shown._repr_html_())[1] for shown in (quiz(1), quiz(1, first), quiz(2))}
    assert len(ids) == 3


def test_it_shows_by_itself_and_not_through_display(capsys):
    from jupyterquiz import display_quiz

    shown = display_quiz.__globals__["display"]
    quiz(1)._repr_html_()
    assert capsys.readouterr().out == ""
    assert display_quiz.__globals__["display"] is shown


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_it_reaches_for_nothing_on_the_network(chapter):
    page = quiz(chapter)._repr_html_()
    assert not re.search(r"https?://|@import|src=['\"]?//", page)
    assert page.count("<script") == page.count("</script>") == 1
    assert "<script src" not in page


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_terminal_shows_questions_and_answers_but_not_which_is_right(chapter):
    shown = repr(quiz(chapter))
    for asked in questions(chapter):
        assert len(asked["answers"]) >= 2
        assert shown.count("\n  a) ") >= 1
        for given in asked["answers"]:
            assert given["feedback"] not in shown
    assert not re.search(r"</?(em|strong|sub|sup|code|br)\b|&\w+;", shown)


def test_without_scripts_every_answer_unfolds_its_explanation():
    page = quiz(1)._repr_html_()
    plain = page[: page.index("<style>")]
    for asked in questions(1):
        assert asked["question"] in plain
        for given in asked["answers"]:
            assert f"<summary>{given['answer']}</summary>" in plain
            assert given["feedback"] in plain


def test_a_question_with_several_right_answers_says_so():
    several = question(answers=[answer(True), answer(True), answer(False)])
    validate([several])
    assert "More than one answer" in Quiz("9-several", (several,))._repr_html_()
    assert "More than one answer" not in Quiz("9-one", (question(),))._repr_html_()
