"""Exercises of chapter 4 on densities that are carried along, and on tests of them: 4.1 and 4.2."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.exercises.ch04.specimens import specimen_and_points
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_HONEST = "How does a change of variables keep a density honest?"


# 4.1: the density at the end of a chain -------------------------------------------------------------------------------


def _chain(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    steps, n, batch = size(rng), size(rng, high=4), size(rng)
    log_q_0 = normal(rng, n, batch, scale=2, dtype=torch.float64) - 3
    log_dets = normal(rng, steps, n, batch, dtype=torch.float64)
    return log_q_0, log_dets, torch.as_tensor(rng.random(steps) < 0.6)


def _signs(generates: Tensor) -> Tensor:
    return torch.where(generates, 1.0, -1.0)[:, None, None].double()


def _log_q(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - (_signs(generates) * log_dets).sum(0)


def _log_q_without(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0


def _log_q_upside_down(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return _log_q(log_q_0, log_dets, ~generates)


def _log_q_one_way(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - log_dets.sum(0)


def _log_q_one_way_added(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 + log_dets.sum(0)


def _log_q_own_steps(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - log_dets[generates].sum(0)


def _log_q_last_step(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - (_signs(generates) * log_dets)[-1]


def _log_q_mean_step(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - (_signs(generates) * log_dets).mean(0)


def _log_q_determinants(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - (_signs(generates) * log_dets).sum(0).exp()


def _log_q_summed(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return _log_q(log_q_0, log_dets, generates).sum(-1)


# 4.2: a test that can fail --------------------------------------------------------------------------------------------


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


def _is_honest_roughly(flow: nn.Module, z: Tensor) -> bool:
    return _agrees(flow(z)[1], _slogdets(flow, z)[1], atol=1e-2)


def _is_honest_elsewhere(flow: nn.Module, z: Tensor) -> bool:
    return _is_honest(flow, torch.randn_like(z))


def _is_honest_at_zero(flow: nn.Module, z: Tensor) -> bool:
    for parameter in flow.parameters():
        torch.nn.init.zeros_(parameter)
    return _is_honest(flow, z)


def _is_honest_there_and_back(flow: nn.Module, z: Tensor) -> bool:
    z_next, log_det = flow(z)
    z_again, log_det_back = flow.inverse(z_next)
    return _agrees(z_again, z) and _agrees(log_det, -log_det_back)


def _is_honest_in_sum(flow: nn.Module, z: Tensor) -> bool:
    return _agrees(flow(z)[1].sum(), _slogdets(flow, z)[1].sum())


def _is_honest_in_size(flow: nn.Module, z: Tensor) -> bool:
    return _agrees(flow(z)[1].abs(), _slogdets(flow, z)[1].abs())


def _is_honest_if_positive(flow: nn.Module, z: Tensor) -> bool:
    sign, true = _slogdets(flow, z)
    return _agrees(flow(z)[1], (sign * true.exp()).log())


def _is_honest_at_the_origin(flow: nn.Module, z: Tensor) -> bool:
    return _is_honest(flow, torch.zeros_like(z))


def _is_honest_on_one(flow: nn.Module, z: Tensor) -> bool:
    return _is_honest(flow, z[:1])


ON_THE_DENSITY: tuple[Exercise, ...] = (
    Exercise(
        id="4.1",
        title="Whose forward is it?",
        kind="derive",
        section=_HONEST,
        reference=_log_q,
        inputs=_chain,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "F1",
                _log_q_without,
                "The density is carried along as if no step changed a volume. Where a step spreads points apart, "
                "the density has to fall, or it no longer integrates to one.",
                _HONEST,
            ),
            Misconception(
                "F5",
                _log_q_upside_down,
                "All signs are flipped. A step from z_{t−1} to z_t that stretches space makes the density smaller.",
                _HONEST,
            ),
            Misconception(
                "F5",
                _log_q_one_way,
                "All steps are read as if they reported the map from z_{t−1} to z_t. Where `generates` is False the "
                "number belongs to the inverse of that map.",
                _HONEST,
            ),
            Misconception(
                "F5",
                _log_q_one_way_added,
                "All steps are read as if they reported the map from z_t back to z_{t−1}. That is so only where "
                "`generates` is False.",
                _HONEST,
            ),
            Misconception(
                "F1",
                _log_q_own_steps,
                "The borrowed steps are left out. They move z like the others, so they change the density too.",
                _HONEST,
            ),
            Misconception(
                "F1",
                _log_q_last_step,
                "Only the last step is counted. Each step changes the density that it is handed.",
                _HONEST,
            ),
            Misconception(
                "O1",
                _log_q_mean_step,
                "The steps are averaged. The determinant of a chain is the product of its steps' determinants.",
                _HONEST,
            ),
            Misconception(
                "F1",
                _log_q_determinants,
                "A determinant is subtracted from a log-density. What the steps report is a logarithm already.",
                _HONEST,
            ),
            Misconception(
                "O2",
                _log_q_summed,
                "The examples are summed. Each sample of each example has a log-density of its own.",
                _HONEST,
            ),
        ),
    ),
    Exercise(
        id="4.2",
        title="A test that can fail",
        kind="experiment",
        section=_HONEST,
        reference=_is_honest,
        inputs=specimen_and_points,
        misconceptions=(
            Misconception(
                "F4",
                _is_honest_at_zero,
                "This test passes every flow it was handed, and some of them are wrong. A test with all parameters at "
                "zero does that: the flow then leaves volumes alone, and whatever reports zero is right.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_there_and_back,
                "There and back must give zero, but it does so too when both directions are wrong by the same "
                "amount. The report has to be held against something that the flow did not compute itself.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_in_sum,
                "The sum over the batch can be right while every example has another one's number. Compare row by row.",
                _HONEST,
            ),
            Misconception(
                "F5",
                _is_honest_in_size,
                "The absolute value belongs around the determinant, inside the logarithm. Around the logarithm it "
                "hides a flipped sign.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_if_positive,
                "A flow that reflects a coordinate has a negative determinant and is invertible all the same. This "
                "test turns it away, since the logarithm of a negative number is NaN.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_roughly,
                "The tolerance is too wide: some of these flows are wrong from the fourth or fifth decimal on, and six "
                "are asked for. In float64 automatic differentiation has twice as many to give.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_elsewhere,
                "The flow is examined at points drawn afresh, and `z` is not looked at. A report can be right nearly "
                "everywhere and wrong where it was used.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_at_the_origin,
                "The flow is examined at the origin alone. A log-determinant that forgets where z is passes there.",
                _HONEST,
            ),
            Misconception(
                "F4",
                _is_honest_on_one,
                "Only the first example is examined, and mistakes that mix up a batch need at least two.",
                _HONEST,
            ),
        ),
    ),
)
