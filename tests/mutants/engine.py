"""The engine that checks exercises: comparison, recognition of mistakes, guards."""

ENGINE = "tests/exercises/test_engine.py"

MUTANTS = {
    ("exercises/engine/compare.py", ENGINE): {
        "values are not compared": ("        if kind in kinds:", '        if kind in kinds and kind != "value":'),
        "shapes are not compared": ('        return "shape"\n', "        return None\n"),
        "a missing gradient is right": ('            return "gradient missing"', "            continue"),
        "a wrong gradient is right": ('        worst = "gradient"', "        worst = None"),
        "infinity and NaN are wrong values like others": ('        return "nan"', '        return "value"'),
        "the right answer has a flipped sign": ("close(-es, as_, tolerance)", "close(es, as_, tolerance)"),
        "a mean is not told from a sum": ("([1 / n for n in by if n],", "([n for n in by if n],"),
        "a tolerance is loosened in one part": (
            "Tolerance(self.rtol * factor, self.atol * factor,",
            "Tolerance(self.rtol * factor * 1000, self.atol * factor * 1000,",
        ),
    },
    ("exercises/engine/judge.py", ENGINE): {
        "one right input is enough": ("if not any(kinds):", "if not all(kinds):"),
        "a misconception is recognised where it disagrees": (
            "            if not agree(wrong, given, allowed[place]) and not (overflows(wrong) and overflows(given)):",
            "            if agree(wrong, given, allowed[place]):",
        ),
        "a misconception may be the reference": ("            if clearly_wrong:", "            if True:"),
        "an open answer is a wrong one": ("    if is_blank(answer):", "    if answer is None:"),
        "a number may stand for a function": ("    if not callable(answer):", "    if answer is None:"),
        "a function may stand for a number": ("    if callable(answer):", "    if answer is None:"),
        "too few arguments are enough": (".bind(*names)", ".bind_partial(*names)"),
    },
    ("exercises/engine/evaluate.py", ENGINE): {
        "an answer may change the inputs of others": (
            "return value.detach().clone() if isinstance(value, Tensor) else",
            "return value if isinstance(value, Tensor) else",
        ),
    },
    ("exercises/engine/inputs.py", ENGINE): {
        "the smallest size is not drawn more often": ("rng.random() < _ONE else", "rng.random() < 0 else"),
        "the largest size is never drawn": ("rng.integers(low, high + 1)", "rng.integers(low, high)"),
    },
}
