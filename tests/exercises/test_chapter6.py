"""The exercises of chapter 6: references against other computations, other right answers, common mistakes."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import pad

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.abr.data.noise import noise_sd
from hvae_ref.abr.models.response_heads import peak_error
from hvae_ref.evaluation.calibration import coverage, ranks
from hvae_ref.evaluation.swap import swap_shares
from hvae_ref.nn.layers import FiLM
from hvae_ref.objectives.alignment import soft_lag
from tests.exercises.asking import inputs, reference, verdict

# References -----------------------------------------------------------------------------------------------------------


def test_with_so_many_sweeps_the_wave_stands_out_of_the_generators_noise():
    amplitude, snr_db = torch.tensor([0.1, 0.3]).double(), torch.tensor([6.0, 12.0]).double()
    averaged = reference("6.1")(amplitude, torch.tensor(2.0), snr_db, torch.tensor(0.0))
    found = 20 * np.log10(amplitude.numpy() / noise_sd(averaged.numpy()))
    torch.testing.assert_close(torch.as_tensor(found), snr_db)
    presented = reference("6.1")(amplitude, torch.tensor(2.0), snr_db, torch.tensor(0.2))
    torch.testing.assert_close(0.8 * presented, averaged)


def test_the_terms_are_those_of_torch_distributions():
    for x, loc, log_sigma, *heads in inputs("6.2"):
        log_px, *kls = reference("6.2")(x, loc, log_sigma, *heads)
        torch.testing.assert_close(log_px, Independent(Normal(loc, log_sigma.exp()), 1).log_prob(x))
        for kl, head in zip(kls, heads, strict=True):
            mean, scale = head.chunk(2, -1)
            torch.testing.assert_close(kl, kl_divergence(Normal(mean, scale.exp()), Normal(0.0, 1.0)).sum(-1))


def test_film_is_the_packages():
    for h, z, weight, bias in inputs("6.3"):
        layer = FiLM(h.shape[1], z.shape[1]).to(weight.dtype)
        layer.load_state_dict({"gamma_beta.weight": weight, "gamma_beta.bias": bias})
        torch.testing.assert_close(reference("6.3")(h, z, weight, bias), layer(h, z))


def test_the_peak_part_is_the_packages():
    for case in inputs("6.4"):
        torch.testing.assert_close(reference("6.4")(*case), peak_error(*case))


def test_inputs_of_the_peak_part_hold_what_is_asked_about():
    drawn = inputs("6.4")
    assert any(peaks.isnan().any() for _, _, peaks, _ in drawn)
    assert any((peaks[~present] == 0).any() for _, _, peaks, present in drawn)
    assert any((~present).all(-1).any() for _, _, _, present in drawn)
    assert any(present.all(-1).any() for _, _, _, present in drawn)


def test_the_lag_is_found_and_is_zero_for_constants():
    time = torch.arange(80.0).double()
    pulse = torch.exp(-0.5 * ((time - 40) / 3) ** 2)
    a, b = torch.stack([pulse, pulse]), torch.stack([3 + 0.1 * pulse.roll(5), torch.ones(80).double()])
    late, constant = reference("6.5")(a, b, 12, 0.005).tolist()
    assert late == pytest.approx(5 * SAMPLE_INTERVAL_MS, abs=1e-3)
    assert constant == 0
    drawn = inputs("6.5")
    flat = [((a == a[:, :1]).all(1) | (b == b[:, :1]).all(1)).any() for a, b, _, _ in drawn]
    assert any(flat) and not all(flat)


def test_constants_that_rounding_leaves_something_of_are_among_the_inputs():
    short = [signal for a, b, _, _ in inputs("6.5") for signal in (*a, *b) if len(signal) == 7]
    constants = {signal[0].item() for signal in short if (signal == signal[0]).all()}
    assert constants & {0.1, 0.7, 1.1}
    rows = [torch.full((7,), constant, dtype=torch.float64) for constant in (0.1, 0.7, 1.1)]
    assert all((row - row.mean()).any() for row in rows)


def test_coverage_is_that_of_many_draws():
    torch.manual_seed(0)
    means, sigma, x, levels = max(inputs("6.6"), key=lambda case: case[0].shape[0] * case[2].numel())
    component = torch.randint(len(means), (40_000, *x.shape))
    draws = means.gather(0, component) + sigma * torch.randn(component.shape, dtype=torch.float64)
    found = [record.observed for record in coverage(ranks(draws, x), levels.tolist())]
    # Ranks near the border of an interval may fall on its other side.
    assert reference("6.6")(means, sigma, x, levels).tolist() == pytest.approx(found, abs=0.02)


def test_the_probe_is_scikit_learns():
    for code, factors, fold, penalty in inputs("6.7"):
        folds = PredefinedSplit(fold.numpy())
        guess = cross_val_predict(Ridge(alpha=penalty), code.numpy(), factors.numpy().T, cv=folds)
        expected = r2_score(factors.numpy().T, guess, multioutput="raw_values")
        np.testing.assert_allclose(reference("6.7")(code, factors, fold, penalty).numpy(), expected)


def test_the_shares_are_the_packages():
    for (m,) in inputs("6.8"):
        torch.testing.assert_close(reference("6.8")(m), swap_shares(m.permute(1, 2, 0))[0].to(m.dtype))


def test_the_predicted_shares_are_those_that_the_solution_states():
    torch.manual_seed(0)
    g, local = torch.randn(2, 200_000, 2).double()
    g, local = g[:, :, None], local[:, None, :]
    shares = reference("6.8")(5.6 + 0.3 * g + 0.1 * local + 0.2 * g * local)
    torch.testing.assert_close(shares, torch.tensor([11 / 16, 3 / 16, 2 / 16]).double(), atol=0.01, rtol=0)


# Other right answers --------------------------------------------------------------------------------------------------


def test_terms_by_torch_distributions_pass():
    def terms(x, loc, log_sigma, global_head, local_head):
        def kl(head):
            loc, log_scale = head.chunk(2, -1)
            q = Independent(Normal(loc, log_scale.exp()), 1)
            return kl_divergence(q, Independent(Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1))

        return Independent(Normal(loc, log_sigma.exp()), 1).log_prob(x), kl(global_head), kl(local_head)

    assert verdict("6.2", terms).passed


def test_a_loop_over_responses_passes():
    def peak_part(latency, amplitude, peaks, present):
        costs = []
        for row, there in enumerate(present):
            if not there.any():
                costs.append(0 * latency[row].sum())
                continue
            off_latency = (latency[row][there] - peaks[row, there, 0]) / 0.2
            off_amplitude = (amplitude[row][there] - peaks[row, there, 1]) / 0.1
            costs.append((off_latency**2 + off_amplitude**2).mean() / 2)
        return torch.stack(costs)

    assert verdict("6.4", peak_part).passed, str(verdict("6.4", peak_part))


def lag_with(unit, end=lambda found: found):
    """An answer to 6.5 by another way of giving a centred signal its length."""

    def lag(a, b, max_lag, temperature):
        a, b = (unit(signal - signal.mean(-1, keepdim=True)) for signal in (a, b))
        padded = pad(b, (max_lag, max_lag))
        rho = [(a * padded[:, i : i + a.shape[1]]).sum(-1) for i in range(2 * max_lag + 1)]
        weight = torch.softmax(torch.stack(rho, -1) / temperature, -1)
        return end((weight * torch.arange(-max_lag, max_lag + 1) * 0.05).sum(-1))

    return lag


def over_its_length(signal):
    return signal / signal.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("small", [1e-7, 1e-9, 1e-12])
def test_a_lag_that_puts_zeros_for_constant_signals_passes(small):
    def unit(signal):
        constant = signal.abs().amax(-1, keepdim=True) < small
        return over_its_length(torch.where(constant, 1, signal)) * ~constant

    assert verdict("6.5", lag_with(unit)).passed, str(verdict("6.5", lag_with(unit)))


def test_the_packages_lag_passes_once_it_is_in_ms():
    assert verdict("6.5", lambda a, b, max_lag, temperature: 0.05 * soft_lag(a, b, max_lag, temperature)).passed


def test_coverage_by_scores_of_each_interval_passes():
    """The interval's ends found by halving, in place of the rank."""

    def quantile(means, sigma, probability):
        low, high = (means - 12 * sigma).amin(0), (means + 12 * sigma).amax(0)
        for _ in range(60):
            middle = (low + high) / 2
            below = Normal(means, sigma).cdf(middle).mean(0) < probability
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return middle

    def covered(means, sigma, x, levels):
        ends = [[quantile(means, sigma, (1 + sign * level) / 2) for sign in (-1, 1)] for level in levels]
        return torch.stack([((low <= x) & (x <= high)).double().mean() for low, high in ends])

    assert verdict("6.6", covered).passed


# Mistakes -------------------------------------------------------------------------------------------------------------


def test_mistakes_that_end_in_nan_are_recognised():
    def zero_by_zero(latency, amplitude, peaks, present):
        costs = ((latency - peaks[..., 0]) / 0.2) ** 2 / 2 + ((amplitude - peaks[..., 1]) / 0.1) ** 2 / 2
        return torch.where(present, torch.where(present, costs, 0), 0).sum(-1) / present.sum(-1)

    def nan_times_zero(latency, amplitude, peaks, present):
        off = (torch.stack([latency, amplitude], -1) - peaks) * present[..., None]
        return ((off / torch.tensor([0.2, 0.1])) ** 2).sum((-1, -2)) / present.sum(-1).clamp(min=1) / 2

    assert "0 times NaN is NaN" in verdict("6.4", nan_times_zero).message
    assert not verdict("6.4", zero_by_zero).passed


def test_a_where_after_the_division_is_found_by_its_gradient():
    def peak_part(latency, amplitude, peaks, present):
        peaks = torch.nan_to_num(peaks)
        off = torch.stack([(latency - peaks[..., 0]) / 0.2, (amplitude - peaks[..., 1]) / 0.1], -1)
        costs = (off.square().sum(-1) * present).sum(-1) / 2
        return torch.where(present.any(-1), costs / present.sum(-1), torch.zeros_like(costs))

    found = verdict("6.4", peak_part)
    assert found.misconception == "C2" and "zero times infinity" in found.message


def test_the_interval_of_the_mean_is_told_from_that_of_a_recording():
    def covered(means, sigma, x, levels):
        z = torch.special.ndtri((1 + levels) / 2)[:, None, None]
        spread = means.std(0, unbiased=False).clamp(min=1e-12)
        return ((x - means.mean(0)).abs() <= z * spread).double().mean((1, 2))

    assert "noise σ of a recording is missing" in verdict("6.6", covered).message


def test_the_probes_own_score_is_recognised():
    def r2(code, factors, fold, penalty):
        scores = []
        for k in fold.unique():
            train, test = (fold != k).numpy(), (fold == k).numpy()
            ridge = Ridge(alpha=penalty).fit(code.numpy()[train], factors.numpy().T[train])
            guess = ridge.predict(code.numpy()[test])
            guess = guess.reshape(-1, len(factors))
            # Where a fold has one row scikit-learn answers one NaN for all factors; the quotient is minus infinity.
            score = r2_score(factors.numpy().T[test], guess, multioutput="raw_values")
            scores.append(np.broadcast_to(np.nan_to_num(score, nan=-np.inf), len(factors)))
        return torch.as_tensor(np.mean(scores, 0))

    assert "a score a fold" in verdict("6.7", r2).message


def test_decibels_of_the_wrong_kind_are_told_apart_from_other_mistakes():
    def sweeps(amplitude, noise, snr_db, rejected):
        ratio = torch.exp(snr_db * math.log(10) / 10)
        return (ratio * noise / amplitude) ** 2 / (1 - rejected)

    assert "ratio of powers" in verdict("6.1", sweeps).message


@pytest.mark.parametrize(
    ("unit", "end", "said"),
    [
        (over_its_length, lambda found: found, "for constant signals"),
        (lambda s: s / s.norm(dim=-1, keepdim=True).clamp(min=1e-20), lambda found: found, "Rounding leaves"),
        (over_its_length, lambda found: torch.where(found.isnan(), 0, found), "comes back in the gradient"),
        (over_its_length, torch.nan_to_num, "comes back in the gradient"),
        (lambda s: s / s.norm(dim=-1, keepdim=True).clamp(min=1e-6), lambda found: found, "smallest divisor"),
        (lambda s: s / (s.norm(dim=-1, keepdim=True) + 1e-10), lambda found: found, "smallest divisor"),
        (lambda s: torch.nn.functional.normalize(s, dim=-1), lambda found: found, "smallest divisor"),
    ],
)
def test_what_becomes_of_constant_signals_is_told(unit, end, said):
    found = verdict("6.5", lag_with(unit, end))
    assert not found.passed and found.misconception == "C6" and said in found.message, str(found)


def test_a_lag_without_a_gradient_does_not_pass():
    def lag(a, b, max_lag, temperature):
        return reference("6.5")(a.detach(), b.detach(), max_lag, temperature)

    found = verdict("6.5", lag)
    assert not found.passed and "no gradient reaches" in found.message


def test_a_variance_for_a_standard_deviation_is_recognised():
    def covered(means, sigma, x, levels):
        u = torch.special.ndtr((x - means) / sigma**2).mean(0).flatten()
        return ((u - 0.5).abs() <= levels[:, None] / 2).double().mean(-1)

    assert "divided by σ²" in verdict("6.6", covered).message


@pytest.mark.parametrize(
    ("centre_of_its_own", "sample_variance", "said"),
    [(True, False, "centred by their own mean"), (False, True, "over N − 1")],
)
def test_slips_of_a_probe_are_recognised(centre_of_its_own, sample_variance, said):
    def r2(code, factors, fold, penalty):
        guess = torch.empty_like(factors)
        for k in fold.unique():
            train, test = code[fold != k], code[fold == k]
            model = Ridge(alpha=penalty).fit(train - train.mean(0), factors.T[fold != k])
            centre = test.mean(0) if centre_of_its_own else train.mean(0)
            guess[:, fold == k] = torch.as_tensor(model.predict(test - centre)).reshape(len(test), -1).T
        errors = (factors - guess).square().mean(-1)
        return 1 - errors / factors.var(-1, unbiased=sample_variance)

    assert said in verdict("6.7", r2).message


def test_squares_summed_within_a_pair_are_recognised():
    def shares(m):
        first, second = (((v - v.mean(1, keepdim=True)) ** 2).sum() for v in (m.mean(2), m.mean(1)))
        total = ((m - m.mean((1, 2), keepdim=True)) ** 2).sum()
        return torch.stack([first, second, total - first - second]) / total

    assert "summed within a pair" in verdict("6.8", shares).message
