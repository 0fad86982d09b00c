"""Answers to the exercises of chapter 4."""

import math

import numpy as np
import torch

from tests.exercises.answers import right, wrong


@right("4.1")
def log_q_in_numpy(log_q_0, log_dets, generates):
    signs = np.where(generates.numpy(), 1.0, -1.0)
    return log_q_0.numpy() - np.einsum("t,tnb->nb", signs, log_dets.double().numpy())


@wrong("4.1")
def log_q_of_few_steps(log_q_0, log_dets, generates):
    for t in range(min(8, len(generates))):
        log_q_0 = log_q_0 - log_dets[t] if generates[t] else log_q_0 + log_dets[t]
    return log_q_0


@wrong("4.1")
def log_q_in_place(log_q_0, log_dets, generates):
    for step, mine in zip(log_dets, generates, strict=True):
        log_q_0 -= step if mine else -step
    return log_q_0


@wrong("4.1")
def log_q_changing_the_steps(log_q_0, log_dets, generates):
    log_dets[~generates] *= -1
    return log_q_0 - log_dets.sum(0)


def jacobians(flow, z):
    return torch.stack([torch.autograd.functional.jacobian(lambda row: flow(row[None])[0][0], row) for row in z])


@right("4.2")
def honest_in_numpy(flow, z):
    found = np.linalg.slogdet(jacobians(flow, z).detach().numpy())[1]
    return np.allclose(found, flow(z)[1].detach().numpy(), atol=1e-6)


def honest_on(rows):
    def is_honest(flow, z):
        true = torch.linalg.slogdet(jacobians(flow, z)).logabsdet
        return bool(torch.allclose(rows(flow(z).log_abs_det), rows(true), atol=1e-6))

    return is_honest


for rows in (lambda v: v[:1], lambda v: v[:4], lambda v: v[1:], lambda v: v.mean(), lambda v: v.sort().values):
    wrong("4.2")(honest_on(rows))


@wrong("4.2")
def honest_there_and_back(flow, z):
    there = flow(z)
    back = flow.inverse(there.z)
    return torch.allclose(back.log_abs_det, -there.log_abs_det, atol=1e-6) and torch.allclose(back.z, z)


for of_jacobian in (
    lambda jacobian: jacobian.diagonal(dim1=1, dim2=2).abs().log().sum(-1),
    lambda jacobian: torch.linalg.slogdet(jacobian.tril()).logabsdet,
    lambda jacobian: torch.linalg.slogdet(jacobian.triu()).logabsdet,
):
    wrong("4.2")(lambda flow, z, f=of_jacobian: torch.allclose(f(jacobians(flow, z)), flow(z)[1], atol=1e-6))


def honest_within(rtol, atol):
    def is_honest(flow, z):
        true = torch.linalg.slogdet(jacobians(flow, z)).logabsdet
        return torch.allclose(flow(z)[1], true, rtol=rtol, atol=atol)

    return is_honest


for atol in (2e-6, 1e-5, 3e-5, 1e-4):
    wrong("4.2")(honest_within(0.0, atol))
right("4.2")(honest_within(0.0, 1e-6))
wrong("4.2")(honest_within(0.0, 1e-7))


@wrong("4.2")
def honest_by_differences(flow, z):
    steps = 0.05 * torch.eye(z.shape[1], dtype=z.dtype)
    columns = [(flow(z + step)[0] - flow(z - step)[0]) / 0.1 for step in steps]
    return torch.allclose(torch.linalg.slogdet(torch.stack(columns, -1)).logabsdet, flow(z)[1], atol=1e-6)


def sharp(softplus, squared):
    def sharp_step(z, w, u, b, tau):
        a = (w * u).sum(1)
        m = softplus(a + math.log(math.expm1(tau))) - tau
        u = u + ((m - a) / squared(w))[:, None] * w
        h = torch.tanh(((w * z).sum(1) + b) / tau)
        return z + u * h[:, None], ((1 - h**2) / tau * m).log1p()

    return sharp_step


def plain_squared(w):
    return (w * w).sum(1)


right("4.3")(sharp(lambda a: torch.logaddexp(a, torch.zeros_like(a)), plain_squared))
wrong("4.3")(sharp(torch.nn.functional.softplus, lambda w: plain_squared(w) + 1e-8))
wrong("4.3")(sharp(torch.nn.functional.softplus, lambda w: plain_squared(w).clamp(min=1e-5)))
wrong("4.3")(sharp(lambda a: torch.nn.functional.softplus(a.clamp(max=20)), plain_squared))


@right("4.3")
def sharp_in_numpy(z, w, u, b, tau):
    z, w, u, b = (part.numpy().astype(np.float64) for part in (z, w, u, b))
    a = np.einsum("bd,bd->b", w, u)
    m = np.logaddexp(0, a + np.log(np.expm1(tau))) - tau
    u = u + ((m - a) / np.einsum("bd,bd->b", w, w))[:, None] * w
    h = np.tanh((np.einsum("bd,bd->b", w, z) + b) / tau)
    return [z + u * h[:, None], np.log(1 + (1 - h**2) / tau * m)]


def bent(z, q, raw, raw_tilde, b):
    r, r_tilde = (m.triu(1) + torch.diag_embed(m.diagonal(dim1=1, dim2=2).tanh()) for m in (raw, raw_tilde))
    h = torch.tanh(torch.einsum("bmk,bdk,bd->bm", r_tilde, q, z) + b)
    return z + torch.einsum("bdm,bmk,bk->bd", q, r, h), r, r_tilde, 1 - h**2, q


@right("4.4")
def sylvester_by_a_large_determinant(z, q, raw, raw_tilde, b):
    moved, r, r_tilde, slope, q = bent(z, q, raw, raw_tilde, b)
    jacobian = torch.eye(z.shape[1]).double() + q @ r @ torch.diag_embed(slope) @ r_tilde @ q.mT
    return moved.numpy(), torch.linalg.slogdet(jacobian).logabsdet.tolist()


@wrong("4.4")
def sylvester_of_five_bends(z, q, raw, raw_tilde, b):
    moved, r, r_tilde, slope, _ = bent(z, q, raw, raw_tilde, b)
    terms = [(1 + slope[:, i] * r[:, i, i] * r_tilde[:, i, i]).log() for i in range(min(5, b.shape[1]))]
    return moved, sum(terms)


@wrong("4.4")
def sylvester_on_its_inputs(z, q, raw, raw_tilde, b):
    raw.diagonal(dim1=1, dim2=2).tanh_()
    raw_tilde.diagonal(dim1=1, dim2=2).tanh_()
    r, r_tilde = raw.triu(), raw_tilde.triu()
    h = torch.tanh((r_tilde @ (q.mT @ z[..., None]))[..., 0] + b)
    dets = 1 + (1 - h**2) * r.diagonal(dim1=1, dim2=2) * r_tilde.diagonal(dim1=1, dim2=2)
    return z + (q @ (r @ h[..., None]))[..., 0], dets.log().sum(1)


def undone(rounds):
    def undo(z_next, a, c, beta, gamma):
        z, count = torch.zeros_like(z_next), rounds(z_next.shape[1])
        for _ in range(count):
            m, gate = beta + z @ a.tril(-1).T, torch.sigmoid(gamma + z @ c.tril(-1).T)
            z = (z_next - (1 - gate) * m) / gate
        return z, -torch.sigmoid(gamma + z @ c.tril(-1).T).log().sum(1)

    return undo


def undone_with_gates_of_at_least(least):
    def undo(z_next, a, c, beta, gamma):
        z = torch.zeros_like(z_next)
        for _ in range(z_next.shape[1]):
            m, gate = beta + z @ a.tril(-1).T, torch.sigmoid(gamma + z @ c.tril(-1).T).clamp(min=least)
            z = (z_next - (1 - gate) * m) / gate
        return z, -torch.sigmoid(gamma + z @ c.tril(-1).T).clamp(min=least).log().sum(1)

    return undo


def undone_with_a_floor_in_the_logarithm(z_next, a, c, beta, gamma):
    z = undone(lambda dim: dim)(z_next, a, c, beta, gamma)[0]
    return z, -(torch.sigmoid(gamma + z @ c.tril(-1).T) + 1e-12).log().sum(1)


wrong("4.5")(undone_with_a_floor_in_the_logarithm)
for least in (1e-3, 1e-6, 1e-12):
    wrong("4.5")(undone_with_gates_of_at_least(least))
for count in (5, 7, 10, 32, 100):
    wrong("4.5")(undone(lambda dim, count=count: count))
wrong("4.5")(undone(lambda dim: dim - 1))
right("4.5")(undone(lambda dim: 2 * dim))


@right("4.5")
def undone_in_numpy(z_next, a, c, beta, gamma):
    z_next, a, c, beta, gamma = (part.numpy() for part in (z_next, a, c, beta, gamma))
    z, logs = np.zeros_like(z_next), 0
    for i in range(z.shape[1]):
        gate = 1 / (1 + np.exp(-gamma[:, i] - z[:, :i] @ c[i, :i]))
        z[:, i] = (z_next[:, i] - (1 - gate) * (beta[:, i] + z[:, :i] @ a[i, :i])) / gate
        logs = logs - np.log(gate)
    return z, logs


@right("4.6")
def trade_in_closed_form(a, s):
    a, s = a.double().numpy(), s.double().numpy()
    t = a**2 / s[:, None] ** 2
    total = 1 + t.sum(1)
    variances = 1 / (1 + t)
    gain = (np.log1p(t).sum(1) - np.log(total)) / 2
    trace = a.shape[1] - t.sum(1) / total
    return gain, (trace - variances.sum(1)) / 2 + (np.log(total) - np.log1p(t).sum(1)) / 2


@wrong("4.6")
def trade_of_the_first_two(a, s):
    return trade_in_closed_form(a[:, :2], s)


@wrong("4.6")
def trade_where_the_kl_falls(a, s):
    gain, change = trade_in_closed_form(a, s)
    return gain, np.minimum(change, 0)


def log_mean_exp(log_w, shift):
    return (log_w - shift).exp().mean(0).log() + shift


def gaps_shifted_by(shift):
    def gaps(log_w, log_w_fitted):
        fitted = log_w_fitted.mean(0)
        return log_mean_exp(log_w_fitted, shift(log_w_fitted)) - fitted, fitted - log_w.mean(0)

    return gaps


right("4.7")(gaps_shifted_by(lambda w: w.max(0).values))
for shift in (lambda w: w.mean(0), lambda w: w.min(0).values, lambda w: w[0], lambda w: w.max(), lambda w: w[-1]):
    wrong("4.7")(gaps_shifted_by(shift))


@right("4.8")
def posterior_in_numpy(top, bottom):
    found = []
    for t, b in zip(top.tolist(), bottom.tolist(), strict=True):
        upper, lower = math.sqrt(-math.expm1(-2 * t)), math.sqrt(-math.expm1(-2 * b))
        reach = 0.3
        across = reach * np.array([[1, 1], [upper, upper]])
        corner = reach**2 + (1 - reach**2) * np.array([[1, lower], [lower, 1]])
        found.append(np.block([[np.array([[1, upper], [upper, 1]]), across], [across.T, corner]]))
    return found


@wrong("4.8")
def posterior_of_bounded_correlations(top, bottom):
    return posterior_in_numpy(top.clamp(max=3), bottom)


@wrong("4.8")
def posterior_of_enough(top, bottom):
    return np.array(posterior_in_numpy(top.clamp(min=0.01), bottom.clamp(min=0.01)))
