"""The machinery of the check: exercises, random inputs, comparison, verdicts, quizzes."""
