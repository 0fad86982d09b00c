"""Answers to the exercises of chapter 4 as readers write them: which pass, which fail, and with what message."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence
from torch.nn.functional import logsigmoid

from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import registered
from tests.exercises.asking import reference


def log_dets(function, z):
    """log |det J| of a row-wise map at each row of z."""
    rows = [torch.autograd.functional.jacobian(lambda row: function(row[None])[0], row) for row in z]
    return torch.linalg.slogdet(torch.stack(rows)).logabsdet


def gaussian(covariance):
    return MultivariateNormal(torch.zeros(covariance.shape[:-1]).to(covariance), covariance)


def honest(at=lambda z: z, **tolerances):
    """An answer to 4.2 as a reader writes it, at other points or with another tolerance."""

    def is_honest(flow, z):
        z = at(z)
        return torch.allclose(flow(z).log_abs_det, log_dets(lambda row: flow(row).z, z), **tolerances)

    return is_honest


@pytest.mark.parametrize("tolerances", [{}, {"atol": 1e-6}, {"atol": 1e-6, "rtol": 0}])
def test_an_examination_to_six_decimals_passes(tolerances):
    assert judge(registered()["4.2"], honest(**tolerances)).passed


@pytest.mark.parametrize("atol", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_a_coarse_examination_is_refused(atol):
    verdict = judge(registered()["4.2"], honest(atol=atol))
    assert verdict.status == "failed"
    assert "The tolerance is too wide" in verdict.message or atol not in (1e-2, 1e-3)


@pytest.mark.parametrize("batch", [None, 7, 100])
def test_an_examination_at_other_points_is_refused(batch):
    def elsewhere(z):
        return torch.randn(batch or len(z), z.shape[1], dtype=z.dtype)

    assert judge(registered()["4.2"], honest(elsewhere, atol=1e-6)).status == "failed"


def undone(rounds=0, mask=lambda matrix: matrix.tril(-1), log_gate=logsigmoid):
    """An answer to 4.5 as a reader writes it."""

    def undo(z_next, a, c, beta, gamma):
        z = torch.zeros_like(z_next)
        for _ in range(z.shape[1] + rounds):
            z = beta + z @ mask(a).T + (z_next - beta - z @ mask(a).T) / log_gate(gamma + z @ mask(c).T).exp()
        return z, -log_gate(gamma + z @ mask(c).T).sum(-1)

    return undo


def trade_of(missed, change=1):
    """An answer to 4.6 from exact Gaussians, with another KL for the first number or the second one's sign changed."""

    def trade(a, s):
        eye = torch.eye(a.shape[1]).to(a)
        precision = eye + a[:, :, None] * a[:, None] / s[:, None, None] ** 2
        true = gaussian(torch.linalg.inv(precision))
        best = gaussian(torch.diag_embed(1 / precision.diagonal(dim1=1, dim2=2)))
        prior = gaussian(eye.expand_as(precision))
        return missed(best, true), change * (kl_divergence(true, prior) - kl_divergence(best, prior))

    return trade


def pooled(log_w, log_w_fitted):
    both = torch.cat([log_w_fitted, log_w])
    best = log_w_fitted.mean(0)
    return both.logsumexp(0) - math.log(len(both)) - best, best - log_w.mean(0)


def wide(top, bottom):
    """The ordered worths with z1 of variance 9."""
    scale = torch.tensor([1.0, 1.0, 3.0, 3.0]).double()
    return reference("4.8")(top, bottom) * scale[:, None] * scale


def squashed(z, q, raw, raw_tilde, b):
    r, r_tilde = raw.tanh().triu(), raw_tilde.tanh().triu()
    h = torch.tanh((r_tilde @ q.mT @ z[..., None])[..., 0] + b)
    diagonals = r.diagonal(dim1=1, dim2=2) * r_tilde.diagonal(dim1=1, dim2=2)
    return z + (q @ r @ h[..., None])[..., 0], torch.log1p((1 - h**2) * diagonals).sum(-1)


@pytest.mark.parametrize(
    ("exercise", "answer", "named"),
    [
        ("4.4", lambda z, q, raw, raw_tilde, b: reference("4.4")(z, q, raw_tilde, raw, b), "R and R̃ are exchanged"),
        ("4.4", squashed, "tanh is applied to all entries"),
        ("4.5", undone(rounds=-1), "One round is missing"),
        ("4.5", undone(mask=lambda matrix: matrix), "A and C are used in full"),
        ("4.5", undone(mask=torch.tril), "The diagonals of A and C are kept"),
        ("4.5", undone(log_gate=torch.clone), "The gate is exp(s) here"),
        ("4.6", trade_of(lambda best, true: kl_divergence(true, best)), "The first number is KL(p(z|x) ‖ q)"),
        ("4.6", trade_of(kl_divergence, change=-1), "The second number has its sign reversed"),
        ("4.6", trade_of(lambda best, true: -kl_divergence(best, true)), "The first number has its sign reversed"),
        ("4.7", pooled, "The weights of both q are pooled"),
        ("4.8", wide, "not all variances are 1"),
    ],
)
def test_answers_written_otherwise_are_named_too(exercise, answer, named):
    assert named in judge(registered()[exercise], answer).message


@pytest.mark.parametrize(
    ("exercise", "answer"), [("4.5", undone()), ("4.5", undone(rounds=2)), ("4.6", trade_of(kl_divergence))]
)
def test_right_answers_written_otherwise_pass(exercise, answer):
    assert judge(registered()[exercise], answer).passed
