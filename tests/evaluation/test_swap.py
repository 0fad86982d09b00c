"""The swap test on decoders of which it is known what they read."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.evaluation import swap_shares, swap_test

WEIGHTS = {"global": (1.0, 0.0, 0.0), "local": (0.0, 1.0, 0.0), "condition": (0.0, 0.0, 1.0), "all": (2.0, 1.0, 1.0)}


class Toy(nn.Module):
    """Encodes x (N, 2) as itself, one number a level; decodes a·z_global + b·z_local + c·condition + product."""

    levels = ("z_global", "z_local")

    def __init__(self, a=0.0, b=0.0, c=0.0, product=0.0) -> None:
        super().__init__()
        self.a, self.b, self.c, self.product = a, b, c, product

    def encode(self, x, *, condition):
        return {level: Independent(Normal(x[:, i : i + 1], 0.1), 1) for i, level in enumerate(self.levels)}

    def decode(self, z, *, condition):
        g, u = z["z_global"], z["z_local"]
        return Independent(Normal(self.a * g + self.b * u + self.c * condition + self.product * g * u, 1.0), 1)


def rows(n=300, seed=0):
    """Numbers of mean 0, variance 1 and no correlation, exactly."""
    table = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    table, _ = torch.linalg.qr(table - table.mean(0))
    table = table * n**0.5
    return table[:, :2], table[:, 2:]


def value(signals, condition):
    return signals[:, 0]


@pytest.mark.parametrize("name", WEIGHTS)
def test_shares_of_a_linear_decoder_are_its_squared_weights(name):
    weights, (x, condition) = torch.tensor(WEIGHTS[name]), rows()
    result = swap_test(Toy(*WEIGHTS[name]), x, {"m": value}, condition, pairs=20000)["m"]
    assert list(result.shares) == ["z_global", "z_local", "condition", "interaction"]
    got = torch.tensor([result.shares[k] for k in ("z_global", "z_local", "condition")])
    torch.testing.assert_close(got, weights**2 / (weights**2).sum(), atol=0.04, rtol=0)
    assert result.shares["interaction"] == pytest.approx(0, abs=1e-5)
    assert sum(result.shares.values()) == pytest.approx(1)
    # Two rows differ by √2 standard deviations; a part takes one of two values half of that away from the middle.
    assert result.spread == pytest.approx((weights**2).sum().sqrt().item() * math.sqrt(0.5), rel=0.05)
    assert result.pairs == 20000


def test_a_product_is_an_interaction():
    x, condition = rows(2000)
    result = swap_test(Toy(product=1.0), x, {"m": value}, condition, pairs=4000, swap_condition=False)["m"]
    assert list(result.shares) == ["z_global", "z_local", "interaction"]
    # For independent standard normal values the three have the same share.
    assert all(share == pytest.approx(1 / 3, abs=0.05) for share in result.shares.values())


def test_the_condition_stays_that_of_a_where_it_is_not_swapped():
    x, condition = rows()
    result = swap_test(Toy(c=1.0), x, {"m": value}, condition, swap_condition=False)["m"]
    assert all(math.isnan(share) for share in result.shares.values()) and result.spread < 1e-6


def test_pairs_without_the_feature_are_left_out():
    def rarely(signals, condition):
        return torch.where(condition[:, 0] > 0, signals[:, 0], torch.nan)

    x, condition = rows()
    features = {"m": rarely, "never": lambda s, c: s[:, 0] * torch.nan}
    result = swap_test(Toy(1.0, 0.0, 0.0), x, features, condition, pairs=400)
    assert 60 < result["m"].pairs < 140  # both of a pair have it in a quarter of the cases
    assert result["m"].shares["z_global"] == pytest.approx(1)
    assert result["never"].pairs == 0 and math.isnan(result["never"].shares["z_global"])


def test_no_row_meets_itself():
    x, condition = torch.tensor([[0.3, 0.0], [1.7, 0.0]]), torch.zeros(2, 1)
    result = swap_test(Toy(1.0, 0.0, 0.0), x, {"m": value}, condition, pairs=50)["m"]
    assert result.spread == pytest.approx(abs((x[0, 0] - x[1, 0]).item()) / 2, rel=1e-5)


def test_swap_shares_of_one_part_and_of_nothing():
    shares, variation = swap_shares(torch.tensor([[1.0, 2.0], [3.0, 2.0]]))
    assert shares.tolist() == [1.0, 0.0] and variation.item() == pytest.approx(0.5)
    shares, variation = swap_shares(torch.full((2, 2, 5), 1e6))
    assert shares.isnan().all() and variation == 0


def test_it_repeats_and_leaves_no_trace():
    model, (x, condition) = Toy(1.0, 1.0, 0.5), rows()
    state = torch.random.get_rng_state()
    one, other = (swap_test(model, x, {"m": value}, condition, pairs=20) for _ in range(2))
    assert one == other and model.training
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(1, 2), "condition": torch.zeros(1, 1)}, "x: expected at least 2 rows, got 1"),
        ({"condition": torch.zeros(3, 1)}, r"condition: expected 4 rows or 1, got shape \(3, 1\)"),
        ({"pairs": 0}, "expected at least one of each, got 0 and 1"),
        ({"features": {}}, "expected at least one of each, got 200 and 0"),
    ],
)
def test_bad_arguments(change, message):
    x, condition = rows(4)
    with pytest.raises(ValueError, match=message):
        swap_test(Toy(1.0), **({"x": x, "condition": condition, "features": {"m": value}} | change))


def test_swap_shares_refuses_another_shape():
    with pytest.raises(ValueError, match=r"expected shape \(2, …, 2, N\), got \(2, 3, 4\)"):
        swap_shares(torch.zeros(2, 3, 4))


def test_every_kind_of_model_is_swapped_with_and_without_a_condition(any_model):
    model, x, condition = any_model
    seen = []

    def mean(decoded, under):
        seen.append(None if under is None else under.shape[1:])
        return decoded.flatten(1).mean(1)

    result = swap_test(model, x, {"m": mean}, condition, pairs=30)["m"]
    parts = [*model.levels, *([] if condition is None else ["condition"]), "interaction"]
    assert list(result.shares) == parts and sum(result.shares.values()) == pytest.approx(1) and result.spread > 0
    assert set(seen) == {None if condition is None else condition.shape[1:]}


def test_labels_are_swapped_with_their_rows():
    """A decoder that says its label and nothing else: the whole variation is the condition's."""

    class SaysItsLabel(Toy):
        def decode(self, z, *, condition):
            return Independent(Normal(condition.float()[:, None] + 0 * z["z_global"], 1.0), 1)

    x, labels = rows()[0], torch.arange(300) % 10
    shares = swap_test(SaysItsLabel(), x, {"m": value}, labels)["m"].shares
    assert shares["condition"] == pytest.approx(1) and shares["z_global"] == pytest.approx(0)
    assert math.isnan(swap_test(SaysItsLabel(), x, {"m": value}, labels[:1])["m"].shares["condition"])
