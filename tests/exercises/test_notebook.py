"""Reading exercises from a chapter, and errors for what is written otherwise."""

import json

import pytest

from hvae_ref.exercises.engine.notebook import exercises_in, headings, imports, quizzes, solutions

STATEMENT = "### Exercise 9.1 · Lengths\n\nAdd.\n\n<details><summary>Hint 1</summary>\n\nSquare first.\n\n</details>"
STUB = "# Exercise 9.1\ndef length(x):\n    ..."
CHECK = 'check("9.1", length)'
SOLUTION = (
    "<details><summary>Solution 9.1</summary>\n\nSo:\n\n"
    "```python\ndef length(x):\n    return (x**2).sum(-1)\n```\n\nThat is all.\n\n</details>"
)


def markdown(source):
    return {"cell_type": "markdown", "source": source}


def code(source):
    return {"cell_type": "code", "source": source.splitlines(keepends=True)}


def whole():
    return [
        markdown("# 9 · A chapter\n\n```\n# no heading\n```"),
        code("%matplotlib inline\nimport math\nfrom hvae_ref.exercises import check, quiz\nx = 1"),
        code("try:\n    import missing\nexcept ImportError:\n    !pip install missing"),
        markdown("## 9.1 · A section"),
        code('quiz(9, "which-way", "why")'),
        code("quiz(9)"),
        markdown(STATEMENT),
        code(STUB),
        code(CHECK),
        markdown(SOLUTION),
    ]


@pytest.fixture
def write(tmp_path):
    def written(cells):
        file = tmp_path / "09_chapter.ipynb"
        file.write_text(json.dumps({"cells": cells}), encoding="utf-8")
        return file

    return written


def test_what_is_written_is_read(write):
    found = exercises_in(write(whole()))["9.1"]
    assert found.title == "Lengths"
    assert found.hints == 1
    assert found.stub == STUB
    assert found.answer == "length"
    assert found.position == (6, 7, 8, 9)
    scope = {}
    exec(solutions(write(whole()))["9.1"], scope)
    assert scope["length"].__name__ == "length"


def test_imports_headings_and_quizzes_are_read(write):
    file = write(whole())
    assert imports(file).splitlines() == ["import math", "from hvae_ref.exercises import check, quiz"]
    assert headings(file) == ["9 · A chapter", "9.1 · A section", "Exercise 9.1 · Lengths"]
    assert quizzes(file) == [(9, ("which-way", "why")), (9, ())]


@pytest.mark.parametrize(("index", "part"), [(6, "statement"), (7, "stub"), (8, "check"), (9, "solution")])
def test_a_missing_cell_is_named(write, index, part):
    cells = whole()
    del cells[index]
    with pytest.raises(ValueError, match=f"9.1 has no {part}"):
        exercises_in(write(cells))


@pytest.mark.parametrize("cell", [code(STUB), code(CHECK), markdown(SOLUTION), markdown(STATEMENT)])
def test_a_second_cell_is_refused(write, cell):
    with pytest.raises(ValueError, match="a second"):
        exercises_in(write([*whole(), cell]))


@pytest.mark.parametrize(
    "solution",
    [
        SOLUTION.replace("```python", "```"),
        SOLUTION.replace("</details>", "```python\nx\n```\n</details>"),
        SOLUTION.replace("</details>", ""),
    ],
)
def test_a_solution_has_one_block_and_ends(write, solution):
    with pytest.raises(ValueError, match="one python block"):
        exercises_in(write([*whole()[:-1], markdown(solution)]))
