"""The checker that tests put behind annotations of hvae_ref: beartype, where an int is a number like any other."""

import ast

from beartype import BeartypeConf, beartype
from jaxtyping._import_hook import JaxtypingTransformer

outermost = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""For functions and methods, and not for those inside of functions, which would be compiled anew at each call."""


def _generic_visit(self: ast.NodeVisitor, node: ast.AST) -> None:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        ast.NodeVisitor.generic_visit(self, node)


JaxtypingTransformer.generic_visit = _generic_visit
