"""Show the installed source of an object: what the reader sees is what runs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceCode:
    """Source text that a notebook highlights and a terminal prints.

    Attributes:
        name: qualified name, such as "TwoLevelVAE.elbo".
        module: where it stands, such as "hvae_ref.models.two_level_vae".
        code: the text, without the indentation of its surroundings.
    """

    name: str
    module: str
    code: str

    def __repr__(self) -> str:
        """The plain text, for terminals."""
        return self.code

    def _repr_markdown_(self) -> str:
        # Notebooks, Colab, GitHub and the site all highlight a fenced block, each in its own colours.
        return f"`{self.name}` in `{self.module}`\n\n```python\n{self.code}\n```"


def _without_docstrings(code: str) -> str:
    lines = code.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            continue
        if ast.get_docstring(node, clean=False) is None or len(node.body) == 1:
            continue  # a body that is nothing but its docstring would be no Python without it
        text = node.body[0]
        drop |= set(range(text.lineno, text.end_lineno + 1))
        # A blank line that parted the docstring from the code goes with it.
        if text.end_lineno < len(lines) and not lines[text.end_lineno].strip():
            drop.add(text.end_lineno + 1)
    return "\n".join(line for number, line in enumerate(lines, start=1) if number not in drop)


def show(obj: object, docstring: bool = True) -> SourceCode:
    """The source of a function, method, class or module, read from the installed package.

    Args:
        obj: such as `TwoLevelVAE.elbo`; a property stands for its getter.
        docstring: False leaves the docstrings out, for when the text around it says the same.

    Returns:
        `SourceCode`, highlighted in a notebook, plain in a terminal.

    Raises:
        ValueError: for an object that has no Python source, such as a number or a built-in.

    Example:
        >>> from hvae_ref.elbo import Elbo
        >>> show(Elbo.value, docstring=False)
        @property
        def value(self) -> Float[Tensor, " batch"]:
            return self.log_px - self.total_kl
    """
    target = obj.fget if isinstance(obj, property) else obj
    target = inspect.unwrap(target) if callable(target) else target
    try:
        code = textwrap.dedent(inspect.getsource(target)).rstrip()
    except (TypeError, OSError) as error:
        raise ValueError(
            f"obj: expected a function, method, class or module with Python source, got {obj!r}"
        ) from error
    if not docstring:
        code = _without_docstrings(code)
    name = getattr(target, "__qualname__", getattr(target, "__name__", ""))
    return SourceCode(name=name, module=getattr(target, "__module__", name), code=code)
