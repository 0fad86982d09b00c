"""The exercises of the book, from the folders ``ch01``, ``ch02`` and so on; each is imported when it is needed."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from functools import cache
from typing import NamedTuple

from hvae_ref.exercises.engine.exercise import Exercise

_MODULE = re.compile(r"ch(\d\d)")


class Entry(NamedTuple):
    """One line of the index of exercises."""

    id: str
    title: str
    chapter: int
    kind: str
    section: str


def collect(modules: dict[int, tuple[Exercise, ...]]) -> dict[str, Exercise]:
    """Put the chapters' exercises into one table, in order.

    Args:
        modules: Exercises by number of the chapter whose module holds them.

    Returns:
        Exercises by id.

    Raises:
        ValueError: If an id occurs twice or belongs to another chapter.
    """
    found: dict[str, Exercise] = {}
    for chapter, exercises in modules.items():
        for exercise in exercises:
            if exercise.chapter != chapter:
                raise ValueError(f"ch{chapter:02}.EXERCISES: expected ids {chapter}.n, got {exercise.id!r}.")
            if exercise.id in found:
                raise ValueError(f"ch{chapter:02}.EXERCISES: expected each id once, got {exercise.id!r} twice.")
            found[exercise.id] = exercise
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


@cache
def chapters() -> tuple[int, ...]:
    """Find the chapters that have exercises, without importing them.

    Returns:
        Their numbers, in order.
    """
    package = importlib.import_module("hvae_ref.exercises")
    matches = (_MODULE.fullmatch(module.name) for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(int(match[1]) for match in matches if match))


@cache
def of_chapter(chapter: int) -> dict[str, Exercise]:
    """Import one chapter's exercises, and no other chapter's.

    Args:
        chapter: Number of the chapter.

    Returns:
        Exercises by id, in order; none where there is no such chapter.
    """
    if chapter not in chapters():
        return {}
    return collect({chapter: importlib.import_module(f"hvae_ref.exercises.ch{chapter:02}").EXERCISES})


def registered() -> dict[str, Exercise]:
    """Import every chapter's exercises.

    Returns:
        Exercises by id, in order.
    """
    return {id_: exercise for chapter in chapters() for id_, exercise in of_chapter(chapter).items()}


def get(id: str) -> Exercise:
    """Find an exercise; only its own chapter is imported.

    Args:
        id: Chapter and number, such as ``"2.3"``.

    Returns:
        The exercise.

    Raises:
        ValueError: If there is none of that id; the message names the nearest ones.
    """
    chapter = str(id).split(".")[0]
    found = of_chapter(int(chapter)) if chapter.isdecimal() else {}
    if id in found:
        return found[id]
    known = registered()
    near = difflib.get_close_matches(str(id), known, n=3, cutoff=0.3) or list(known)[:3]
    raise ValueError(f"id: expected the id of an exercise, as one of {', '.join(map(repr, near))}; got {id!r}.")


def exercises(chapter: int | None = None) -> tuple[Entry, ...]:
    """List the exercises of the book, or of one chapter.

    Args:
        chapter: Number of the chapter; None for all of them.

    Returns:
        One entry for each exercise, in order.
    """
    found = registered() if chapter is None else of_chapter(chapter)
    return tuple(Entry(x.id, x.title, x.chapter, x.kind, x.section) for x in found.values())


def _order(id: str) -> tuple[int, ...]:
    return tuple(map(int, id.split(".")))
