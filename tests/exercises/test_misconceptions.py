"""How wrong answers are registered: from decorated functions, in order, with the docstring as explanation."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hvae_ref.exercises
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions
from hvae_ref.exercises.engine.registry import chapters, get

FOLDER = Path(hvae_ref.exercises.__file__).parent
FILES = sorted(FOLDER.glob("ch*/ex*.py"))
HEAVY = ("matplotlib", "torch_geometric", "timm", "skimage", "sklearn", "jupyterquiz", "IPython")


def made(wrong, **options):
    fixed = {"id": "9.1", "title": "Twice", "kind": "implement", "section": "9.1", "reference": lambda x: 2 * x}
    return Exercise(**fixed, inputs=lambda rng: (rng.random(),), misconceptions=wrong, **options)


def test_functions_are_registered_in_order_and_stay_as_they_are():
    wrong = Misconceptions("9.1 · Doubles")

    @wrong("O14")
    def halved(x):
        """Half of it.

        Not
        twice.
        """
        return x / 2

    @wrong("O3", section="9.2 · Squares")
    def squared(x):
        """Its square."""
        return x**2

    assert halved(4) == 2
    found = made(wrong).misconceptions
    assert [(m.id, m.explanation, m.section) for m in found] == [
        ("O14", "Half of it. Not twice.", "9.1 · Doubles"),
        ("O3", "Its square.", "9.2 · Squares"),
    ]
    assert [m.wrong for m in found] == [halved, squared]


def test_a_part_is_put_into_the_answer():
    wrong = Misconceptions("9.1")

    @wrong("O14", into=lambda part: lambda x: x + part(x))
    def twice(x):
        """Twice."""
        return 2 * x

    assert (twice(5), wrong[0].wrong(5)) == (10, 15)


def test_variants_are_named_in_their_explanation():
    wrong = Misconceptions("9.1")

    @wrong("O12", variants={"bits": 8, "nats": 5})
    def in_another_unit(x, factor):
        """This is in {}."""
        return factor * x

    @wrong("O14", into=lambda part: lambda x: -part(x), variants=(3, 4))
    def another_factor(x, factor):
        """A factor {too} large."""
        return factor * x

    assert [(m.explanation, m.wrong(1)) for m in wrong] == [
        ("This is in bits.", 8),
        ("This is in nats.", 5),
        ("A factor {too} large.", -3),
        ("A factor {too} large.", -4),
    ]


def test_without_a_docstring_there_is_no_explanation():
    with pytest.raises(ValueError, match="silent: expected a docstring"):

        @Misconceptions("9.1")("O1")
        def silent(x):
            return x


def test_a_wrong_answer_below_the_exercise_is_refused():
    wrong = Misconceptions("9.1")
    wrong("O1")(lambda_with_a_docstring)
    exercise = made(wrong)
    with pytest.raises(ValueError, match="above the Exercise"):
        wrong.value("O2", 3, "Too late.")
    assert len(exercise.misconceptions) == 1


def lambda_with_a_docstring(x):
    """The input itself."""
    return x


# -- the files of the chapters ---------------------------------------------------------------------------------------


def test_every_exercise_has_a_file_of_its_own():
    numbers = []
    for path in FILES:
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Exercise"
        ]
        beside = path.with_name(f"{path.stem}_wrong.py")
        assert len(calls) == (0 if beside.exists() else 1), path
        for call in calls:
            id_ = next(keyword.value.value for keyword in call.keywords if keyword.arg == "id")
            chapter, number = id_.split(".")
            assert path.parent.name == f"ch{int(chapter):02}"
            assert path.name.startswith(f"ex{number}_")
            numbers.append(id_)
    assert sorted(numbers) == sorted(hvae_ref.exercises.engine.registry.registered())


def test_every_wrong_answer_is_registered_in_the_file_of_its_exercise():
    """The book's page of errata reads the files without running them."""
    written = {}
    for path in FILES:
        tree = ast.parse(path.read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        ids = {node.args[0].value for node in calls if ast.unparse(node.func) in ("wrong", "wrong.value")}
        for call in calls:
            if ast.unparse(call.func) == "Exercise":
                written[next(k.value.value for k in call.keywords if k.arg == "id")] = ids
    for id_, ids in written.items():
        assert ids == {m.id for m in get(id_).misconceptions}, id_


def loaded(code):
    """The modules that a fresh interpreter has imported after running some code."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_check_imports_its_own_chapter_and_nothing_heavy():
    modules = loaded("from hvae_ref.exercises import check, progress, quiz; check('2.3', ...)")
    assert "hvae_ref.exercises.ch02.ex3_kl_given_z2" in modules
    others = {f"hvae_ref.exercises.ch{chapter:02}" for chapter in chapters() if chapter != 2}
    assert not modules & {*HEAVY, *others}


def test_all_exercises_together_import_nothing_heavy():
    assert not loaded("from hvae_ref.exercises import progress; progress()") & set(HEAVY)
