"""The references of chapter 2 against the oracle and against sampling."""

import math

import pytest
import torch

from hvae_ref.evaluation.information import mutual_information
from hvae_ref.exercises.engine.registry import registered
from hvae_ref.models import LinearGaussianModel
from hvae_ref.nn.eval_mode import eval_mode
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian


def arrow(weight, scale):
    return ConditionalLinearGaussian(torch.tensor([[weight]], dtype=torch.float64), scale=scale)


@pytest.mark.parametrize(("s", "a", "t", "w", "sigma"), [(0.7, 0.9, 0.4, 1.3, 0.5), (1.1, -0.6, 0.8, 0.4, 0.9)])
def test_distance_of_the_shortcut(s, a, t, w, sigma):
    model = LinearGaussianModel([arrow(1.5, 0.6), arrow(w, sigma)], [arrow(0.8, s), arrow(a, t)])
    x = torch.tensor([[0.3], [-1.2]], dtype=torch.float64)
    expected = registered()["2.4"].reference(*(torch.tensor(number) for number in (s, a, t, w, sigma)))
    got = model.exact_elbo(x).value - model.exact_shortcut(x).value
    torch.testing.assert_close(got.detach(), expected.double().expand(2), rtol=1e-5, atol=1e-6)


def test_the_shortcuts_favourite():
    w, sigma, variance, s = 1.0, 0.5, 3.0, 1.0
    x = math.sqrt(variance) * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)

    def cost(a):
        model = LinearGaussianModel([arrow(1.0, 1.0), arrow(w, sigma)], [arrow(1.0, s), arrow(a, 0.5)])
        return -model.exact_shortcut(x).value.mean().item()

    grid = torch.linspace(0, 1, 1001).tolist()
    assert min(grid, key=cost) == pytest.approx(registered()["2.5"].reference, abs=2e-3)


def test_moments_of_the_top_level():
    loc, scale, weight, noise = (torch.tensor([number]).double() for number in (0.4, 0.8, -1.5, 0.6))
    model = LinearGaussianModel([arrow(1.0, 1.0), arrow(1.0, 1.0)], [arrow(1.0, 0.8), arrow(-1.5, 0.6)])
    torch.manual_seed(0)
    z2 = model.infer(loc.expand(200_000, 1)).z["z2"]
    mean, variance = registered()["2.1"].reference(loc, scale, weight, noise)
    assert abs(z2.mean() - mean) < 4 * (variance / len(z2)).sqrt()
    assert abs(z2.var() - variance) < 4 * variance * (2 / len(z2)) ** 0.5


def test_information_is_the_packages():
    model = LinearGaussianModel.random(4, (2,), seed=3)
    x = model.sample(40)
    with eval_mode(model, 0):
        q = model.encode(x)["z1"]
        z = q.sample()
    mine = registered()["2.7"].reference(q.log_prob(z.unsqueeze(1)))
    assert mutual_information(model, x, paths=1, seed=0)["z1"] == pytest.approx(mine.item(), abs=1e-9)


@pytest.mark.parametrize(("nats_1", "nats_2"), [(2.0, 0.5), (0.7, 0.69)])
def test_levels_on_order(nats_1, nats_2):
    w, sigma, u, tau = registered()["2.8"].reference(nats_1, nats_2)
    model = LinearGaussianModel([arrow(u, tau), arrow(w, sigma)])
    got = {level: model.mutual_information(level).item() for level in model.levels}
    assert got == pytest.approx({"z2": nats_2, "z1": nats_1}, abs=1e-9)
