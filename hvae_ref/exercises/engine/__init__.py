"""What checks an answer: exercises, random inputs, comparison, verdicts, quizzes."""
