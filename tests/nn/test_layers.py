"""Networks: shapes, and above all which output sees which input."""

import pytest
import torch
from torch import nn

from hvae_ref.nn.layers import FiLM, Rescale, ResidualBlock, mlp
from hvae_ref.nn.made import MADE, MaskedLinear


def jacobian(f: object, x: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(f, x)


@pytest.mark.parametrize(
    ("data_dim", "outputs", "hidden"),
    [(5, 1, (16,)), (6, 3, (20, 17)), (4, 2, (3, 3, 3)), (1, 2, (4,)), (5, 1, (9, 40))],
)
def test_made_output_i_sees_exactly_the_inputs_before_i(data_dim: int, outputs: int, hidden: tuple) -> None:
    torch.manual_seed(0)
    made = MADE(data_dim, outputs, hidden, context_dim=2).double()
    j = jacobian(lambda x: made(x, torch.ones(1, 2).double()), torch.randn(1, data_dim).double())
    seen = (j[0, :, :, 0, :] != 0).any(1)  # (output pixel, input pixel)
    assert torch.equal(seen, torch.ones(data_dim, data_dim).tril(-1).bool())


def test_made_context_reaches_every_output() -> None:
    torch.manual_seed(0)
    made = MADE(5, 3, (12, 12), context_dim=4).double()
    x = torch.randn(1, 5).double()
    j = jacobian(lambda context: made(x, context), torch.randn(1, 4).double())
    assert (j[0, :, :, 0, :] != 0).all()


def test_made_without_a_context() -> None:
    made = MADE(5, 2, (12,))
    assert made(torch.zeros(3, 5)).shape == (3, 5, 2)
    assert torch.equal(made(torch.zeros(1, 5))[:, 0], made(torch.ones(1, 5))[:, 0])


def test_made_masks_are_rebuilt_and_not_saved() -> None:
    made = MADE(5, 2, (12,), context_dim=3)
    assert not any("mask" in name for name in made.state_dict())
    other = MADE(5, 2, (12,), context_dim=3)
    other.load_state_dict(made.state_dict())
    x, context = torch.randn(2, 5), torch.randn(2, 3)
    assert torch.equal(made(x, context), other(x, context))


def test_masked_linear_cuts_weights_and_their_gradients() -> None:
    mask = torch.tensor([[1, 0, 1], [0, 0, 1]])
    layer = MaskedLinear(mask)
    layer(torch.randn(4, 3)).sum().backward()
    assert torch.equal(layer.weight.grad != 0, mask.bool())


def test_mlp_ends_in_a_linear_layer_of_the_right_size() -> None:
    net = mlp([4, 8, 8, 3])
    assert net(torch.zeros(2, 4)).shape == (2, 3)
    assert isinstance(net[-1], nn.Linear) and [type(m) for m in net].count(nn.SiLU) == 2
    assert len(mlp([4, 3])) == 1


def test_mlp_drops_units_only_in_training() -> None:
    torch.manual_seed(0)
    net, x = mlp([4, 64, 3], dropout=0.5), torch.ones(1, 4)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


@pytest.mark.parametrize("sizes", [[], [3], [3, 0], [0, 4, 2]])
def test_mlp_refuses_sizes_it_cannot_build(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="sizes: expected an input and an output"):
        mlp(sizes)


def test_residual_block_passes_its_input_on() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(6, hidden=9).double(), torch.randn(2, 6).double()
    j = jacobian(lambda v: block(v)[0], x)[:, 0]
    assert (j.diagonal() > 0.3).all()
    with torch.no_grad():
        block.net[-1].weight.zero_()
        block.net[-1].bias.zero_()
    assert torch.equal(block(x), x)


def test_rescale_maps_grey_levels_to_minus_one_and_one() -> None:
    assert Rescale(16)(torch.tensor([0.0, 8.0, 16.0])).tolist() == [-1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="high: expected at least 1, got 0"):
        Rescale(0)


def test_film_stretches_and_shifts_each_feature_by_what_z_says() -> None:
    torch.manual_seed(0)
    film, h, z = FiLM(4, 3).double(), torch.randn(5, 4).double(), torch.randn(5, 3).double()
    gamma, beta = film.gamma_beta.weight[:4] @ z.T, film.gamma_beta.weight[4:] @ z.T
    torch.testing.assert_close(film(h, z), (1 + gamma.T) * h + beta.T)
    assert torch.equal(film(h, torch.zeros(5, 3).double()), h), "z = 0 says nothing, and h goes through as it is"
    mixed = jacobian(lambda h: film(h, z[:1]), h[:1])[0, :, 0]
    torch.testing.assert_close(mixed, torch.diag(1 + gamma[:, 0]).detach())


@pytest.mark.parametrize("sizes", [(0, 3), (4, 0)])
def test_film_of_nothing_is_refused(sizes: tuple) -> None:
    with pytest.raises(ValueError, match="features, condition_dim: expected at least 1"):
        FiLM(*sizes)


@pytest.mark.parametrize("dropout", [float("nan"), -0.1, 1.5])
def test_a_dropout_that_is_no_probability(dropout: float) -> None:
    with pytest.raises(ValueError, match="dropout: expected a probability"):
        mlp([2, 3, 1], dropout)
