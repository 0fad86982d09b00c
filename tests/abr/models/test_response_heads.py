"""The heads' parts of the loss, and the scale of the statics."""

import inspect

import pytest
import torch

from hvae_ref.abr.data import STATIC_NAMES, STATICS
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.response_heads import (
    HEAD_HIDDEN,
    START_LATENCY,
    PeakHead,
    StaticHead,
    check_peaks,
    peak_error,
    presence_nll,
    static_error,
)
from tests.abr.models.responses import conditions


def test_the_peak_part_is_the_mean_over_present_peaks() -> None:
    latency, amplitude = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.1, 0.2, 0.3]])
    peaks = torch.tensor([[[1.2, 0.1], [2.0, 0.4], [9.0, 9.0]]])
    present = torch.tensor([[True, True, False]])
    value = peak_error(latency, amplitude, peaks, present)
    torch.testing.assert_close(value, torch.tensor([(0.5 * 1.0 + 0.5 * 4.0) / 2]))
    alone = peak_error(latency, amplitude, peaks, torch.tensor([[True, False, False]]))
    torch.testing.assert_close(alone, torch.tensor([0.5]))


@pytest.mark.parametrize("there", [float("nan"), float("inf"), 0.0, 1e30])
def test_what_stands_for_an_absent_peak_does_not_matter(there: float) -> None:
    said = torch.randn(2, 2, 5).requires_grad_()
    peaks = torch.rand(2, 5, 2)
    present = torch.tensor([[True, False, True, False, True], [False] * 5])
    expected = peak_error(said[0], said[1], peaks, present)
    value = peak_error(said[0], said[1], peaks.masked_fill(~present[..., None], there), present)
    assert torch.equal(value, expected) and value[1] == 0 and value[0] > 0
    value.sum().backward()
    assert torch.isfinite(said.grad).all()
    assert torch.equal(said.grad != 0, present.expand(2, 2, 5)), "one gradient for each present peak, no other"


def test_the_presence_part_is_a_bernoulli_likelihood() -> None:
    logits, present = torch.tensor([[2.0, -1.0]]), torch.tensor([[True, True]])
    p = torch.sigmoid(logits)
    torch.testing.assert_close(presence_nll(logits, present), -p.log().sum(1))
    torch.testing.assert_close(presence_nll(logits, ~present), -(1 - p).log().sum(1))
    assert torch.isfinite(presence_nll(torch.tensor([[1e4, -1e4]]), torch.tensor([[False, True]]))).all()


def test_the_static_part_counts_a_twentieth_of_each_range_as_one_half() -> None:
    true = torch.zeros(1, 7)
    torch.testing.assert_close(static_error(true + 0.1, true), torch.tensor([3.5]))
    low, high = (torch.tensor([[float(getattr(p, bound)) for p in STATICS]]) for bound in ("low", "high"))
    covariates = ScaledCovariates(STATIC_NAMES)
    step = covariates.inverse(covariates.scale(low) + 0.1) - low
    torch.testing.assert_close(step[:, :6], ((high - low) / 20)[:, :6])


def test_statics_fill_minus_one_to_one_and_come_back() -> None:
    covariates = ScaledCovariates(STATIC_NAMES).double()
    low, high = (torch.tensor([[float(getattr(p, bound)) for p in STATICS]]).double() for bound in ("low", "high"))
    torch.testing.assert_close(covariates.scale(low), -torch.ones(1, 7).double())
    torch.testing.assert_close(covariates.scale(high), torch.ones(1, 7).double())
    c = conditions(50)
    torch.testing.assert_close(covariates.inverse(covariates.scale(c)), c)
    middle = c.clone()
    middle[:, -1] = 2000.0
    torch.testing.assert_close(
        covariates.scale(middle)[:, -1], torch.zeros(50).double(), atol=1e-12, rtol=0
    )  # √(500 · 8000)
    assert not ScaledCovariates(("level",)).state_dict()


def test_scaled_statics_and_their_way_back_have_finite_gradients() -> None:
    covariates = ScaledCovariates(STATIC_NAMES)
    c = conditions(5).float().requires_grad_()
    covariates.scale(c).sum().backward()
    assert torch.isfinite(c.grad).all() and (c.grad > 0).all()
    u = (100 * torch.randn(5, 7)).clamp(-20, 20).requires_grad_()
    covariates.inverse(u).sum().backward()
    assert torch.isfinite(u.grad).all() and (u.grad > 0).all()


def test_heads_start_near_where_the_waves_are() -> None:
    torch.manual_seed(0)
    latency, amplitude, logits = PeakHead(12)(torch.randn(40, 12))
    assert latency.shape == amplitude.shape == logits.shape == (40, 5)
    assert (latency.mean(0) - torch.tensor(START_LATENCY)).abs().max() < 0.2
    assert StaticHead((2, 3), 7)(torch.zeros(4, 2), torch.zeros(4, 3)).shape == (4, 7)
    assert StaticHead((2,), 7).net[0].out_features == HEAD_HIDDEN


def test_targets_that_are_no_tensors() -> None:
    peaks, present = torch.zeros(1, 5, 2), torch.zeros(1, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match="peaks: expected a tensor, got list"):
        inspect.unwrap(check_peaks)(peaks.tolist(), present, 1)
    with pytest.raises(ValueError, match="present: expected a tensor, got NoneType"):
        inspect.unwrap(check_peaks)(peaks, None, 1)
