"""What tests of single exercises need of the registry."""

from hvae_ref.exercises.engine.cases import cases
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import registered


def reference(id_):
    """The exercise's reference."""
    return registered()[id_].reference


def verdict(id_, answer):
    """The verdict on this answer."""
    return judge(registered()[id_], answer)


def inputs(id_):
    """The inputs that every answer is checked on."""
    return [case.inputs for case in cases(registered()[id_])]
