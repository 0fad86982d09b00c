"""Networks: shapes, and above all which output sees which input."""

import pytest
import torch
from torch import nn

from hvae_ref.models.top_down_model import ResidualBlock
from hvae_ref.nn import Bernoulli, LogisticMixture
from hvae_ref.nn.layers import FiLM, Flattened, Joined, Scale, join, mlp
from hvae_ref.nn.made import MADE, ConditionalAutoregressive, MaskedLinear


def jacobian(f: object, x: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
    return torch.autograd.functional.jacobian(f, x, create_graph)


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


def test_made_context_reaches_every_output_and_every_hidden_layer() -> None:
    torch.manual_seed(0)
    made = MADE(5, 3, (12, 12), context_dim=4).double()
    x, context = torch.randn(1, 5).double(), torch.randn(1, 4).double()
    j = jacobian(lambda context: made(x, context), context)
    assert (j[0, :, :, 0, :] != 0).all()
    # Through the hidden layers it bends what x does; beside them it would only shift the outputs.
    mixed = jacobian(lambda context: jacobian(lambda x: made(x, context), x, create_graph=True), context)
    assert (mixed[0, -1, :, 0, 0] != 0).all()


def test_made_without_a_context() -> None:
    made = MADE(5, 2, (12,))
    assert made(torch.zeros(3, 5)).shape == (3, 5, 2)
    torch.testing.assert_close(made(torch.zeros(1, 5))[:, 0], made(torch.ones(1, 5))[:, 0])


def test_made_masks_are_rebuilt_and_not_saved() -> None:
    made = MADE(5, 2, (12,), context_dim=3)
    assert not any("mask" in name for name in made.state_dict())
    other = MADE(5, 2, (12,), context_dim=3)
    other.load_state_dict(made.state_dict())
    x, context = torch.randn(2, 5), torch.randn(2, 3)
    torch.testing.assert_close(made(x, context), other(x, context))


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
    assert not torch.allclose(net(x), net(x))
    net.eval()
    torch.testing.assert_close(net(x), net(x))


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
    torch.testing.assert_close(block(x), x)


def test_vectors_beside_maps_are_repeated_at_every_position() -> None:
    a, b, c = torch.randn(2, 3), torch.randn(2, 4, 5, 6), torch.randn(2, 1)
    joined = join(a, b, c)
    assert joined.shape == (2, 8, 5, 6)
    assert torch.equal(joined[:, :3], a[..., None, None].expand(2, 3, 5, 6)) and torch.equal(joined[:, 3:7], b)
    assert torch.equal(joined[:, 7:], c[..., None, None].expand(2, 1, 5, 6))
    assert torch.equal(join(a, c), torch.cat([a, c], 1)) and torch.equal(join(b), b)
    torch.testing.assert_close(Joined(nn.Conv2d(8, 2, 1))(a, b, c).shape, torch.Size([2, 2, 5, 6]))


def test_flattened_puts_vectors_and_maps_in_a_row() -> None:
    net = Flattened(nn.Identity(), scale=3.0)
    image, vector = torch.randn(2, 1, 2, 3), torch.randn(2, 4)
    torch.testing.assert_close(net(image, vector), torch.cat([3 * image.flatten(1), vector], 1))


def test_scale_multiplies_and_says_so() -> None:
    torch.testing.assert_close(Scale(0.5)(torch.tensor([2.0, -4.0])), torch.tensor([1.0, -2.0]))
    assert repr(Scale(0.5)) == "Scale(0.5)"


@pytest.mark.parametrize("likelihood", [Bernoulli(), LogisticMixture(4, components=2)])
def test_pixels_in_order_read_all_that_stands_behind_the_bar(likelihood) -> None:
    torch.manual_seed(0)
    head = ConditionalAutoregressive(MADE(5, likelihood.outputs, (12, 12), context_dim=5), likelihood)
    z, c = torch.randn(3, 2), torch.randn(3, 3)
    p = head(z, c)
    x = p.sample()
    assert (p.batch_shape, p.event_shape, x.shape) == ((3,), (5,), (3, 5)) and likelihood.support.check(x).all()
    before = p.log_prob(x)
    assert ((head(z + 1, c).log_prob(x) - before).abs() > 1e-6).all()
    assert ((head(z, c + 1).log_prob(x) - before).abs() > 1e-6).all()


def test_film_stretches_and_shifts_each_feature_by_what_z_says() -> None:
    torch.manual_seed(0)
    film, h, z = FiLM(4, 3).double(), torch.randn(5, 4).double(), torch.randn(5, 3).double()
    gamma, beta = film.gamma_beta.weight[:4] @ z.T, film.gamma_beta.weight[4:] @ z.T
    torch.testing.assert_close(film(h, z), (1 + gamma.T) * h + beta.T)
    torch.testing.assert_close(film(h, torch.zeros(5, 3).double()), h, msg="z = 0 says nothing")
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
