"""Docstrings become Markdown that shows what they say."""

import pytest
from ladders_site.docstrings import inline, render, summary


def test_formulas_stay_plain_text():
    assert inline("ELBO = E_q[log p(x|z_1)] * 2 <= 3 ~ $x$") == r"ELBO = E\_q\[log p(x\|z\_1)\] \* 2 \<= 3 \~ \$x\$"


@pytest.mark.parametrize("kept", ["`log_sigma`", "``a | b``", "*and*", "**no value can exceed log N**"])
def test_code_and_emphasis_stay_markup(kept):
    assert inline(f"p_z {kept} q_z") == rf"p\_z {kept} q\_z"


@pytest.mark.parametrize("product", ["x*y and z*w", "a * b * c", "*args"])
def test_products_are_no_emphasis(product):
    assert inline(product) == product.replace("*", r"\*")


def test_addresses_become_links_without_the_full_stop():
    assert inline("see https://arxiv.org/abs/1312.6114.") == "see <https://arxiv.org/abs/1312.6114>."


def test_mathematics_in_a_role():
    assert inline(r":math:`\mu_1`") == r"$\mu_1$"


def test_sections_and_continuation_lines():
    text = """Do it.

    Args:
        x: values, (B, D),
            in nats.
        *names: more.

    Returns:
        (B,) nats;
        or not.

    Raises:
        ValueError: where x is empty.
    """
    assert render(text).split("\n\n") == [
        "Do it.",
        "**Args**",
        "- `x`: values, (B, D), in nats.\n- `*names`: more.",
        "**Returns**: (B,) nats; or not.",
        "**Raises**",
        "- `ValueError`: where x is empty.",
    ]


def test_examples_and_displays_are_fenced():
    text = "Do it.\n\n  a = b*c\n\n>>> f(1)\n2"
    assert render(text) == "Do it.\n\n```text\na = b*c\n```\n\n```pycon\n>>> f(1)\n2\n```"


def test_summary_is_one_line():
    assert summary("First\nline.\n\nMore.") == "First line."
    assert summary(None) == ""


@pytest.mark.parametrize("text", ["", "Args:", "Args:\n", "   ", "Raises:\n    free text, no name"])
def test_odd_docstrings_end(text):
    assert isinstance(render(text), str)
