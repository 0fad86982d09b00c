"""The importance bound against exact log p(x), and its memory."""

import math

import pytest
import torch
from torch.distributions import Normal

from hvae_ref.elbo import log_mean_exp
from hvae_ref.evaluation import importance_bound


class OneDimensional:
    """z ~ N(0, 1), x|z ~ N(z, 1); posterior N(x/2 + shift, ½)."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.asked: list[int] = []

    def log_weight(self, x, n):
        self.asked.append(n)
        x = x[:, 0]
        q = Normal(x / 2 + self.shift, math.sqrt(0.5) * torch.ones_like(x))
        z = q.sample((n,))
        prior = Normal(torch.zeros_like(z), 1.0)
        return prior.log_prob(z) + Normal(z, 1.0).log_prob(x) - q.log_prob(z)


X = torch.linspace(-2, 2, 200, dtype=torch.float64).unsqueeze(1)
EXACT = Normal(torch.zeros_like(X[:, 0]), math.sqrt(2.0)).log_prob(X[:, 0])


@pytest.mark.parametrize(("n", "chunk"), [(1, 1), (7, 3), (64, 64), (10, 100)])
def test_exact_posterior_gives_log_p_whatever_the_chunks(n, chunk):
    torch.testing.assert_close(importance_bound(OneDimensional(), X, n, chunk), EXACT, rtol=0, atol=1e-12)


def test_bound_tightens_from_below_as_n_grows():
    torch.manual_seed(0)
    x = X.repeat(40, 1)
    gaps = []
    for n in (1, 4, 32, 512):
        gap = EXACT.repeat(40) - importance_bound(OneDimensional(shift=0.5), x, n, chunk=32)
        gaps.append((gap.mean().item(), gap.std().item() / len(gap) ** 0.5))
    # One sample: the gap is KL(q ‖ posterior) = shift² / (2 · ½) = ¼.
    assert abs(gaps[0][0] - 0.25) < 4 * gaps[0][1]
    for (wide, wide_se), (narrow, narrow_se) in zip(gaps, gaps[1:], strict=False):
        assert wide - narrow > 4 * math.hypot(wide_se, narrow_se)
    assert 0 < gaps[-1][0] + 4 * gaps[-1][1] and abs(gaps[-1][0]) < 0.01


def test_chunks_agree_with_one_go_on_the_same_weights():
    weights = 300 * torch.randn(50, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left = iter(weights)

    class Replay:
        def log_weight(self, x, n):
            return torch.stack([next(left) for _ in range(n)])

    torch.testing.assert_close(importance_bound(Replay(), torch.zeros(8, 1), 50, 7), log_mean_exp(weights, 0))


def test_never_asks_for_more_than_a_chunk():
    model = OneDimensional()
    importance_bound(model, X, 70, chunk=32)
    assert model.asked == [32, 32, 6]


def test_weights_of_zero_do_not_make_nan():
    class Impossible:
        def log_weight(self, x, n):
            return torch.full((n, len(x)), -math.inf)

    assert importance_bound(Impossible(), torch.zeros(3, 1), 10, 4).tolist() == [-math.inf] * 3


def test_answers_without_a_graph():
    scale = torch.ones((), requires_grad=True)

    class Learnt:
        def log_weight(self, x, n):
            return scale * torch.ones(n, len(x))

    assert not importance_bound(Learnt(), torch.zeros(3, 1), 4).requires_grad


@pytest.mark.parametrize("arguments", [{"n": 0}, {"n": 4, "chunk": 0}])
def test_counts_below_one_are_refused(arguments):
    with pytest.raises(ValueError, match="expected at least 1 sample, got 0"):
        importance_bound(OneDimensional(), X, **arguments)


def test_many_small_chunks_lose_nothing_in_float32():
    """Beside −900 a float32 moves in steps of 6e-5, and each chunk of many adds less than that."""

    class Constant:
        def log_weight(self, x, n):
            return torch.full((n, len(x)), -900.3)

    bound = importance_bound(Constant(), torch.zeros(2, 1), n=60_000, chunk=1)
    assert bound.dtype == torch.float32
    torch.testing.assert_close(bound, torch.full((2,), -900.3), rtol=0, atol=1e-4)
