"""Answers as readers write them: right ones in unusual style, and wrong ones that are nearly right.

Each module holds those of one chapter; `test_answers.py` checks them.
"""

WRONG, RIGHT = [], []


def wrong(*ids):
    """Register a wrong answer to each of these exercises."""

    def register(answer):
        WRONG.extend((id_, answer) for id_ in ids)
        return answer

    return register


def right(*ids):
    """Register a right answer to each of these exercises."""

    def register(answer):
        RIGHT.extend((id_, answer) for id_ in ids)
        return answer

    return register
