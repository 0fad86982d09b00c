"""Socratic questions: jupyterquiz in a form that works on a page, in Colab and in Jupyter, with no network.

A chapter's questions are in ``ch<nn>/questions.json``, a list of objects such as ::

    {
      "id": "which-way",
      "section": "1.1 · Two ways to factor a joint",
      "question": "Which factor does the encoder approximate?",
      "answers": [
        {"answer": "p(z | x)", "correct": true, "feedback": "It stands in for the posterior."},
        {"answer": "p(x | z)", "correct": false, "feedback": "That is the decoder's, and it is part of the model."}
      ]
    }

Every answer, right or wrong, has its feedback. Formulas are written in Unicode and in the tags em, strong, sub, sup,
code and br, not in TeX: output frames (Colab's above all) have no MathJax of their own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from hvae_ref.exercises.engine.quiz_html import page

_TAGS = ("em", "strong", "sub", "sup", "code", "br")
_OTHER_TAG = re.compile(rf"<(?!/?(?:{'|'.join(_TAGS)})>)\S*")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FORBIDDEN = {"$": "TeX", "\\(": "TeX", "\\[": "TeX", "](": "a Markdown link", "<http": "a bare link"}


@dataclass(frozen=True)
class Quiz:
    """Questions that show themselves as the last expression of a cell.

    Attributes:
        name: Name of the quiz; the ids in its HTML follow from it.
        questions: The questions as the JSON file has them.
    """

    name: str
    questions: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        """Questions and answers for a terminal, without giving away which is right."""
        lines = []
        for number, question in enumerate(self.questions, 1):
            lines.append(f"Question {number}. {_plain(question['question'])}")
            lines += [f"  {'abcdefghij'[i]}) {_plain(a['answer'])}" for i, a in enumerate(question["answers"])]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The quiz for a notebook or a page: everything it needs is inside."""
        return page(self.name, self.questions)


def quiz(chapter: int, *ids: str) -> Quiz:
    """Ask a chapter's Socratic questions.

    Args:
        chapter: Number of the chapter.
        *ids: Which questions, in this order; all of them if none is named.

    Returns:
        The quiz; as the last expression of a cell it shows itself.

    Raises:
        ValueError: If the chapter has no questions or none of that id.
    """
    known = {question["id"]: question for question in questions(chapter)}
    if unknown := [id_ for id_ in ids if id_ not in known]:
        raise ValueError(f"ids: expected some of {', '.join(known)}; got {', '.join(map(repr, unknown))}.")
    return Quiz(f"{chapter}-{'-'.join(ids or ['all'])}", tuple(known[id_] for id_ in ids or known))


@cache
def questions(chapter: int) -> tuple[dict[str, Any], ...]:
    """Read and validate a chapter's questions.

    Args:
        chapter: Number of the chapter.

    Returns:
        The questions, in the file's order.

    Raises:
        ValueError: If there is no file for the chapter, or something in it is not as it should be.
    """
    file = files("hvae_ref.exercises") / f"ch{chapter:02}" / "questions.json"
    if not file.is_file():
        raise ValueError(f"chapter: expected the number of a chapter with questions, got {chapter!r}.")
    found = json.loads(file.read_text(encoding="utf-8"))
    validate(found)
    return tuple(found)


def validate(found: list[dict[str, Any]]) -> None:
    """Check questions: ids, at least one right and one wrong answer, feedback for each, text that shows everywhere.

    Args:
        found: The questions.

    Raises:
        ValueError: At the first thing that is not as it should be.
    """
    seen: set[str] = set()
    for question in found:
        id_ = str(question.get("id", ""))
        if not _ID.fullmatch(id_) or id_ in seen:
            raise ValueError(f"id: expected an id of its own, in lower case with hyphens, got {id_!r}.")
        seen.add(id_)
        if unknown := question.keys() - {"id", "section", "question", "answers"}:
            raise ValueError(f"question {id_}: expected id, section, question and answers, got {sorted(unknown)}.")
        for key in ("section", "question"):
            _validate_text(question.get(key), f"question {id_}: {key}")
        answers = question.get("answers", [])
        for number, answer in enumerate(answers, 1):
            for key in ("answer", "feedback"):
                _validate_text(answer.get(key), f"question {id_}, answer {number}: {key}")
        right = [answer.get("correct") for answer in answers]
        if not all(isinstance(flag, bool) for flag in right) or len(set(right)) != 2:
            raise ValueError(f"question {id_}: expected right and wrong answers, got correct = {right}.")


def _validate_text(text: Any, where: str) -> None:  # noqa: ANN401
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: expected some text, got {text!r}.")
    for mark, what in _FORBIDDEN.items():
        if mark in text:
            raise ValueError(f"{where}: expected Unicode and simple tags, got {what} in {text!r}.")
    if other := _OTHER_TAG.search(text):
        raise ValueError(f"{where}: expected tags among {_TAGS}, got {other[0]!r} (write &lt; for <).")
    parser = _parsed(text)
    if parser.open or parser.stray:
        raise ValueError(f"{where}: expected every tag opened and closed in turn, got {text!r}.")


class _Text(HTMLParser):
    """Collects the text, the tags that are not closed, and those closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.open: list[str] = []
        self.stray: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.stray.append(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _parsed(text: str) -> _Text:
    parser = _Text()
    parser.feed(text)
    parser.close()
    return parser


def _plain(text: str) -> str:
    return "".join(_parsed(text).parts)
