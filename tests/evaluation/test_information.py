"""Active units and mutual information against closed forms of a two-level Gaussian posterior."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.evaluation import active_units, mutual_information, posterior_mean_variance


class Posterior(nn.Module):
    """q(z2|x) = N(a x, t2²), q(z1|z2, x) = N(b z2 + c x, t1²), two units a level; the second unit of z2 is idle."""

    levels = ("z2", "z1")

    def __init__(self, a=1.0, b=0.5, c=0.5, t2=0.7, t1=0.4) -> None:
        super().__init__()
        self.a, self.b, self.c, self.t2, self.t1 = a, b, c, t2, t1

    def encode(self, x):
        loc2 = torch.stack([self.a * x[:, 0], torch.zeros(len(x))], dim=1)
        q_z2 = Independent(Normal(loc2, self.t2), 1)
        z2 = q_z2.sample()
        loc1 = torch.stack([self.b * z2[:, 0] + self.c * x[:, 0], self.b * z2[:, 1]], dim=1)
        return {"z2": q_z2, "z1": Independent(Normal(loc1, self.t1), 1)}


def gaussian_x(n):
    return torch.randn(n, 1, generator=torch.Generator().manual_seed(0))


def test_posterior_mean_variance_matches_the_closed_form():
    x = gaussian_x(4000)
    spread = x.var().item()
    variance = posterior_mean_variance(Posterior(), x, paths=16)
    assert list(variance) == ["z2", "z1"]
    assert variance["z2"][0].item() == pytest.approx(spread, rel=1e-5)
    assert variance["z2"][1].item() == 0
    # z1 moves with x through z2 and by itself: (a b + c)² Var x
    assert variance["z1"][0].item() == pytest.approx((0.5 + 0.5) ** 2 * spread, rel=0.03)


def test_noise_of_the_level_above_does_not_make_a_unit_active():
    x = gaussian_x(4000)
    variance = posterior_mean_variance(Posterior(), x, paths=8)["z1"][1].item()
    noise = 0.5**2 * 0.7**2 / 8  # what the average over 8 paths would show without the correction
    assert noise > 0.01  # so the naive estimate would count it
    assert abs(variance) < noise / 10
    assert active_units(Posterior(), x) == {"z2": 1, "z1": 1}


def test_threshold_counts():
    x = gaussian_x(500)
    assert active_units(Posterior(a=0.0, c=0.0), x) == {"z2": 0, "z1": 0}
    assert active_units(Posterior(), x, threshold=100.0) == {"z2": 0, "z1": 0}


def information(slope, noise):
    return 0.5 * math.log(1 + slope**2 / noise**2)


def test_mutual_information_matches_the_closed_form():
    estimate = mutual_information(Posterior(), gaussian_x(1500), paths=32)
    assert estimate["z2"] == pytest.approx(information(1.0, 0.7), abs=0.06)
    # the idle unit's path noise is marginalised by the mixture over 32 paths
    assert estimate["z1"] == pytest.approx(information(1.0, math.hypot(0.5 * 0.7, 0.4)), abs=0.09)


def test_more_paths_lower_the_overstatement_of_a_dependent_level():
    x = gaussian_x(800)
    exact = information(1.0, math.hypot(0.5 * 0.7, 0.05))
    few, many = (mutual_information(Posterior(t1=0.05), x, paths=paths)["z1"] for paths in (1, 64))
    assert few > many > exact - 0.1
    assert few - exact > 2 * abs(many - exact)


def test_mutual_information_has_the_ceiling_log_n():
    sharp = Posterior(t2=1e-4)
    for n in (20, 100):
        value = mutual_information(sharp, gaussian_x(n), paths=1)["z2"]
        assert value <= math.log(n) + 1e-5
        assert value == pytest.approx(math.log(n), abs=0.1)


def test_nothing_learnt_is_no_information():
    value = mutual_information(Posterior(a=0.0, c=0.0), gaussian_x(300), paths=8)
    assert value["z2"] == pytest.approx(0.0, abs=1e-5)


def test_rows_do_not_change_the_result():
    x = gaussian_x(130)
    one, other = (mutual_information(Posterior(), x, rows=rows) for rows in (7, 1000))
    assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("measure", [active_units, mutual_information, posterior_mean_variance])
def test_one_example_is_refused(measure):
    with pytest.raises(ValueError, match="at least 2 rows"):
        measure(Posterior(), torch.zeros(1, 1))
