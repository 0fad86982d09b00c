"""Exercise 4.2: a test that can fail.

Asked for is a test of a flow at z (B, D): True where each reported log-determinant is right to six decimals, else
False. `specimens.py` makes the flows, right ones and wrong ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae_ref.exercises.ch04.specimens import specimen_and_points, specimens_of_every_kind
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How does a change of variables keep a density honest?"


def _slogdets(flow: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """Sign and log |det J| of the flow at each row of z, by automatic differentiation."""
    z = z.detach().requires_grad_()
    z_next = flow(z)[0]
    # A row of z moves its own row of z_next and no other, so one backward pass serves the whole batch.
    rows = [torch.autograd.grad(column.sum(), z, retain_graph=True)[0] for column in z_next.unbind(1)]
    return torch.linalg.slogdet(torch.stack(rows, 1))


def _agrees(reported: Tensor, true: Tensor, atol: float = 1e-6) -> bool:
    return torch.allclose(reported, true, atol=atol)


def _is_honest(flow: nn.Module, z: Tensor) -> bool:
    return _agrees(flow(z)[1], _slogdets(flow, z)[1])


wrong = Misconceptions(_SECTION)


@wrong("F4")
def _is_honest_at_zero(flow: nn.Module, z: Tensor) -> bool:
    """This test passes every flow it was handed, and some of them are wrong. A test with all parameters at zero does
    that: the flow then leaves volumes alone, and whatever reports zero is right.
    """
    for parameter in flow.parameters():
        torch.nn.init.zeros_(parameter)
    return _is_honest(flow, z)


@wrong("F4")
def _is_honest_there_and_back(flow: nn.Module, z: Tensor) -> bool:
    """There and back must give zero, but it does so too when both directions are wrong by the same amount. The report
    has to be held against something that the flow did not compute itself.
    """
    z_next, log_det = flow(z)
    z_again, log_det_back = flow.inverse(z_next)
    return _agrees(z_again, z) and _agrees(log_det, -log_det_back)


@wrong("F4")
def _is_honest_in_sum(flow: nn.Module, z: Tensor) -> bool:
    """The sum over the batch can be right while every example has another one's number. Compare row by row."""
    return _agrees(flow(z)[1].sum(), _slogdets(flow, z)[1].sum())


@wrong("F5")
def _is_honest_in_size(flow: nn.Module, z: Tensor) -> bool:
    """The absolute value belongs around the determinant, inside the logarithm. Around the logarithm it hides a flipped
    sign.
    """
    return _agrees(flow(z)[1].abs(), _slogdets(flow, z)[1].abs())


@wrong("F4")
def _is_honest_if_positive(flow: nn.Module, z: Tensor) -> bool:
    """A flow that reflects a coordinate has a negative determinant and is invertible all the same. This test turns it
    away, since the logarithm of a negative number is NaN.
    """
    sign, true = _slogdets(flow, z)
    return _agrees(flow(z)[1], (sign * true.exp()).log())


@wrong("F4")
def _is_honest_roughly(flow: nn.Module, z: Tensor) -> bool:
    """The tolerance is too wide: some of these flows are wrong from the fourth or fifth decimal on, and six are asked
    for. In float64 automatic differentiation has twice as many to give.
    """
    return _agrees(flow(z)[1], _slogdets(flow, z)[1], atol=1e-2)


@wrong("F4")
def _is_honest_elsewhere(flow: nn.Module, z: Tensor) -> bool:
    """The flow is examined at points drawn afresh, and `z` is not looked at. A report can be right nearly everywhere
    and wrong where it was used.
    """
    return _is_honest(flow, torch.randn_like(z))


@wrong("F4")
def _is_honest_at_the_origin(flow: nn.Module, z: Tensor) -> bool:
    """The flow is examined at the origin alone. A log-determinant that forgets where z is passes there."""
    return _is_honest(flow, torch.zeros_like(z))


@wrong("F4")
def _is_honest_on_one(flow: nn.Module, z: Tensor) -> bool:
    """Only the first example is examined, and mistakes that mix up a batch need at least two."""
    return _is_honest(flow, z[:1])


EXERCISE = Exercise(
    id="4.2",
    title="A test that can fail",
    kind="experiment",
    section=_SECTION,
    reference=_is_honest,
    inputs=specimen_and_points,
    edge_cases=specimens_of_every_kind,
    misconceptions=wrong,
)
