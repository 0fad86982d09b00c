"""Recipes: five tables in TOML or JSON, overrides on top, and every key checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvae_ref.cli.recipes.files import plain, read_file, write_json
from hvae_ref.cli.recipes.schema import RecipeError, check_tables, closest

FOLDER = Path(__file__).parent
FILES = (".toml", ".json")
TABLES = ("model", "data", "objective", "training", "evaluation")


@dataclass(frozen=True)
class Recipe:
    """A run in words: every key is the argument of the callable that the table stands for.

    Attributes:
        name: of the recipe.
        description: one line.
        model: `name`, one of `schema.MODELS` or "package.module:Class" of one's own, and its arguments; `data_dim`,
            `num_values` and `signal_length` follow from the data where the class has them and they are not given.
        data: arguments of `hvae_ref.data.load`, without the split.
        objective: `name`, "NegativeElbo", "Geco" or "WeightedLoss", its arguments, and `bound`, the name
            of what to train with, see `hvae_ref.cli.recipes.bounds`.
        training: fields of `TrainConfig`.
        evaluation: arguments of `hvae_ref.evaluation.evaluate`, and `split`.

    Raises:
        RecipeError: for an unknown table or key, suggesting the closest one.
    """

    name: str
    description: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in TABLES:
            # Lists and dicts alone, as a file gives them: then a recipe equals the one that is read back.
            object.__setattr__(self, table, plain(getattr(self, table)))
        check_tables({table: getattr(self, table) for table in TABLES})

    def to_dict(self) -> dict[str, Any]:
        """The recipe as a checkpoint keeps it."""
        tables = {table: dict(getattr(self, table)) for table in TABLES}
        return {"name": self.name, "description": self.description, **tables}

    def save(self, path: str | Path) -> None:
        """Write the recipe as JSON, in one piece or not at all; `load` reads an equal one from it.

        Args:
            path: a file ending in ".json", in a folder that exists.

        Raises:
            RecipeError: for another ending, a folder that does not exist, or a value that JSON has no words for.
        """
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_dict`.

        Raises:
            RecipeError: without a name, for a key that is no table, or a table that is no table.
        """
        for key, value in content.items():
            if key not in ("name", "description", *TABLES):
                raise RecipeError(f"unknown table {key!r}{closest(key, TABLES)}")
            if key in TABLES and not isinstance(value, Mapping):
                raise RecipeError(f"{key}: expected a table, got {value!r}")
            if key not in TABLES and not isinstance(value, str):
                raise RecipeError(f"{key}: expected text, got {value!r}")
        if "name" not in content:
            raise RecipeError(f"name: missing; a recipe has a name and the tables {', '.join(TABLES)}")
        return cls(**content)


def names() -> tuple[str, ...]:
    """The recipes that ship with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply overrides.

    Args:
        name: of a recipe that ships with the package, or the path of a file ending in ".toml" or ".json".
        overrides: such as "training.epochs=3" or 'objective.beta={schedule="LinearWarmup", fraction=0.5}'. The value
            is read as TOML; a single bare word is a string, and "none" takes the key out.

    Raises:
        RecipeError: for an unknown recipe, table or key, or what is no TOML or JSON; with a suggestion where there is
            one, and with line and column where the file breaks off.

    >>> load("smoke", ["training.epochs=3"]).training["epochs"]
    3
    """
    if name.endswith(FILES):
        path = Path(name)
        if path.is_dir():
            raise RecipeError(f"{name}: expected a file, got a folder; give the path of a recipe in it")
        if not path.is_file():
            raise RecipeError(f"{name}: no such file; give a path that exists, or one of {', '.join(names())}")
    elif name not in names():
        raise RecipeError(f"unknown recipe {name!r}{closest(name, names())}")
    else:
        path = FOLDER / f"{name}.toml"
    content = read_file(path)
    for override in overrides:
        _override(content, override)
    return Recipe.from_dict({"name": path.stem, **content})


def _override(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    table, *path = key.strip().split(".")
    if not separator or not path or not all(path):
        raise RecipeError(f"override: expected table.key=value, such as training.epochs=3, got {override!r}")
    if table not in TABLES:
        raise RecipeError(f"unknown table {table!r} in {override!r}{closest(table, TABLES)}")
    inner = content.setdefault(table, {})
    for part in path[:-1]:
        # A number in the way, such as `beta = 1.0` before `beta.z2`, gives way to a table.
        if not isinstance(inner.get(part), dict):
            inner[part] = {}
        inner = inner[part]
    text = text.strip()
    if text == "none":
        inner.pop(path[-1], None)
        return
    inner[path[-1]] = _value(text, override)


def _value(text: str, override: str) -> Any:  # noqa: ANN401  (any TOML value)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if re.fullmatch(r"[A-Za-z_][\w-]*", text):
            return text
        raise RecipeError(f"{override!r}: the value is not TOML ({error}); put quotes around text") from error
