"""Questions as HTML, made by jupyterquiz and changed to need no network."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from hvae_ref.errors import optional_import

# One card with its own background, the same in light and dark pages (contrast 7:1 and more).
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


def page(name: str, asked: tuple[dict[str, Any], ...]) -> str:
    """Write questions as HTML that holds everything it needs.

    Args:
        name: Name of the quiz, from which its ids follow.
        asked: The questions as the JSON file has them.

    Returns:
        The HTML.

    Raises:
        ModuleNotFoundError: If jupyterquiz or IPython is not installed; the message says how to install them.
        RuntimeError: If jupyterquiz gives something other than expected.
    """
    markup, script = _rendered(name, asked)
    div = re.search(r'<div id="(\w+)"', markup)
    if div is None:
        raise RuntimeError("jupyterquiz gave no container for the questions; version 2.9.6 is known to work.")
    id_ = div[1]
    # jupyterquiz leaves its container open. What is shown without a script goes into it; the script removes it.
    without_script = f"<div class='hvae-quiz-plain'>{_without_script(asked)}</div>"
    head = markup[: markup.index(">", div.end()) + 1]
    styles = markup[markup.index("<style>") :]
    return (
        f"{head.replace('<div ', '<div class=hvae-quiz ', 1)}{without_script}</div>"
        f"{styles}<style>{_STYLE.replace('#ID', '#' + id_)}</style><script>{_script(script, id_)}</script>"
    )


def _rendered(name: str, asked: tuple[dict[str, Any], ...]) -> tuple[str, str]:
    """The HTML and the JavaScript that jupyterquiz would display."""
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
    """Wrap the script, so that it uses neither the network nor the page's MathJax and console."""
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
    """The questions where no script runs (on GitHub, for example): each answer unfolds its explanation."""
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
