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
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from hvae_ref.errors import optional_import

_TAGS = ("em", "strong", "sub", "sup", "code", "br")
_OTHER_TAG = re.compile(rf"<(?!/?(?:{'|'.join(_TAGS)})>)\S*")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FORBIDDEN = {"$": "TeX", "\\(": "TeX", "\\[": "TeX", "](": "a Markdown link", "<http": "a bare link"}

# One card with its own ground, so that it reads the same by light and by dark (contrast 7:1 and more).
_COLOURS = {
    "--jq-multiple-choice-bg": "#1f3a5f",
    "--jq-many-choice-bg": "#1f3a5f",
    "--jq-mc-button-bg": "#fafafa",
    "--jq-mc-button-border": "#8a97a8",
    "--jq-mc-button-inset-shadow": "#555555",
    "--jq-incorrect-color": "#8f1d1d",
    "--jq-correct-color": "#14532d",
    "--jq-text-color": "#ffffff",
}


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
        return _html(self.name, self.questions)


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
    """Collects the text, the tags left open, and those closed out of turn."""

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


def _html(name: str, asked: tuple[dict[str, Any], ...]) -> str:
    markup, script = _rendered(name, asked)
    div = re.search(r'<div id="(\w+)"', markup)
    if div is None:
        raise RuntimeError("jupyterquiz gave no container for the questions; version 2.9.6 is known to work.")
    id_ = div[1]
    # jupyterquiz leaves its container open; what shows where no script runs goes into it, and the script takes it out.
    without_script = f"<div class='hvae-quiz-plain'>{_without_script(asked)}</div>"
    head = markup[: markup.index(">", div.end()) + 1]
    styles = markup[markup.index("<style>") :]
    return (
        f"{head.replace('<div ', '<div class=hvae-quiz ', 1)}{without_script}</div>"
        f"{styles}<style>{_STYLE.replace('#ID', '#' + id_)}</style><script>{_script(script, id_)}</script>"
    )


def _rendered(name: str, asked: tuple[dict[str, Any], ...]) -> tuple[str, str]:
    """What jupyterquiz displays, caught on the way: its HTML and its JavaScript."""
    for module in ("IPython", "jupyterquiz"):
        optional_import(module, extra="course", wanted_by="hvae_ref.exercises.quiz")
    from jupyterquiz import display_quiz

    shown: list[Any] = []
    scope = display_quiz.__globals__
    original: Callable[..., Any] = scope["display"]
    state = random.getstate()
    try:
        scope["display"] = shown.append
        random.seed(f"hvae-ref quiz {name}")  # jupyterquiz draws the container's id from this generator
        display_quiz(_for_jupyterquiz(asked), colors=dict(_COLOURS), max_width=760, border_radius=8)
    finally:
        scope["display"] = original
        random.setstate(state)
    markup, script = (str(item.data) for item in shown)
    return markup, script


def _for_jupyterquiz(asked: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    out = []
    for question in asked:
        one = sum(answer["correct"] for answer in question["answers"]) == 1
        text = question["question"] + ("" if one else " <em>(More than one answer is right.)</em>")
        kind = "multiple_choice" if one else "many_choice"
        out.append({"question": text, "type": kind, "answers": question["answers"]})
    return out


def _script(script: str, id_: str) -> str:
    """Close the script in, so that it reaches neither the network nor the page's own MathJax and console."""
    quiet = re.sub(r"https?://[^\s'\"]+", "", script)
    # "</" would end the script element from inside a string.
    quiet = quiet.replace("</", "<\\/")
    return (
        "(function(){var MathJax;var console={log:function(){},error:function(m){window.console.error(m);}};"
        f"var plain=document.querySelector('#{id_} .hvae-quiz-plain');if(plain){{plain.remove();}}"
        f"{quiet}\n"
        f"document.querySelectorAll('#{id_} .MCButton').forEach(function(b){{"
        "b.tabIndex=0;b.setAttribute('role','button');"
        "b.addEventListener('keydown',function(e){if(e.key==='Enter'||e.key===' '){e.preventDefault();b.click();}});"
        "});"
        f"document.querySelectorAll('#{id_} .Feedback').forEach(function(f){{f.setAttribute('aria-live','polite');}});"
        "})();"
    )


def _without_script(asked: tuple[dict[str, Any], ...]) -> str:
    """The questions where scripts don't run (on GitHub, say): each answer unfolds its explanation."""
    parts = []
    for question in asked:
        answers = "".join(
            f"<li><details><summary>{a['answer']}</summary>"
            f"<p>{'✓ Right.' if a['correct'] else '✗ Not this one.'} {a['feedback']}</p></details></li>"
            for a in question["answers"]
        )
        parts.append(f"<p><strong>{question['question']}</strong></p><ul>{answers}</ul>")
    return "".join(parts)


_STYLE = """
#ID .Quiz{font-size:1rem;line-height:1.4;margin-top:1rem;padding-top:0;overflow-wrap:anywhere}
#ID .Quiz .Answer{margin:.6rem 0;grid-gap:.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,16rem),1fr))}
#ID .Quiz .MCButton{font-size:1rem;line-height:1.35;color:#1b1b1b;text-align:left;justify-content:flex-start;margin:0}
#ID .Quiz .MCButton:hover,#ID .Quiz .MCButton:focus-visible{outline:3px solid #e69f00;outline-offset:1px}
#ID .Quiz .correctButton,#ID .Quiz .incorrectButton{color:#fff}
#ID .Quiz .correctButton::before{content:"\\2713\\00a0"}
#ID .Quiz .incorrectButton::before{content:"\\2717\\00a0"}
#ID .Quiz .Feedback{font-size:1rem;text-align:left;border-radius:8px}
#ID .Quiz .Feedback.correct,#ID .Quiz .Feedback.incorrect{background:#fafafa;padding:.6rem .8rem}
#ID .Quiz .Feedback.correct,#ID .Quiz .Feedback.incorrect{border-left:.35rem solid}
#ID .Quiz .Feedback.correct::before{content:"\\2713\\00a0 Right. ";font-weight:bold}
#ID .Quiz .Feedback.incorrect::before{content:"\\2717\\00a0 Not this one. ";font-weight:bold}
#ID .Quiz code{background:transparent;color:inherit;border:0;padding:0}
"""
