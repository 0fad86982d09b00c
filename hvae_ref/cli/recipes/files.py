"""Recipes as files: TOML to be written by hand, JSON to be written by programs; neither may say a thing twice."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hvae_ref.cli.recipes.schema import RecipeError
from hvae_ref.results import atomic_write_text


def plain(value: Any) -> Any:  # noqa: ANN401  (any value of a recipe)
    """The same value with dicts for mappings and lists for tuples, at every depth.

    >>> plain({"hidden": (8, 4)})
    {'hidden': [8, 4]}
    """
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def read_file(path: Path) -> dict[str, Any]:
    """The content of a recipe's file, JSON where its name ends in ".json", else TOML.

    Raises:
        RecipeError: with the file, and with line and column for what cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a byte order mark
        content = _json(text) if path.suffix == ".json" else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"{path}: {error.msg} (at line {error.lineno}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: expected an object with the tables of a recipe, got {type(content).__name__}")
    return content


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a recipe's content as JSON; whatever happens, `path` holds either its old content or the new one.

    Raises:
        RecipeError: for another ending, a folder that does not exist, or a value that JSON has no words for.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise RecipeError(f"{path}: expected a file ending in .json")
    if not path.parent.is_dir():
        raise RecipeError(f"{path}: expected an existing folder; create {path.parent} first")
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be written as JSON: {error}") from error
    atomic_write_text(path, text + "\n")


def _json(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Python's reader would keep the last of two values and drop the first without a word.
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice in one table")
        content[key] = value
    return content


def _no_number(word: str) -> Any:  # noqa: ANN401
    raise ValueError(f"{word} is no number that JSON knows")
