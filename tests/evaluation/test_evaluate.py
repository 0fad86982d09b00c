"""`evaluate`: its parts agree with each other, and it changes nothing."""

import json
import math

import pytest
import torch

from hvae_ref.evaluation import Evaluation, evaluate, importance_bound, reconstruction_errors
from hvae_ref.models.top_down_vae import TopDownVAE
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.models.vae import VAE
from hvae_ref.nn import Labels, Normal, eval_mode

D = 12


def model_and_data(kind=TwoLevelVAE, seed=0):
    torch.manual_seed(seed)
    sizes = (3,) if kind is VAE else (3, 2)
    model = kind.dense(D, sizes, hidden=16) if kind is TopDownVAE else kind.dense(D, sizes, hidden=(16,))
    return model, torch.bernoulli(torch.full((60, D), 0.3))


@pytest.mark.parametrize("kind", [VAE, TwoLevelVAE, TopDownVAE])
def test_numbers_agree_with_each_other(kind):
    model, x = model_and_data(kind)
    result = evaluate(model, x, iwae_samples=64, batch_size=25)
    assert isinstance(result, Evaluation)
    assert list(result.kl) == list(model.levels) == list(result.active_units)
    assert set(result.mutual_information) == set(model.levels)
    assert result.negative_elbo == pytest.approx(result.distortion + sum(result.kl.values()), rel=1e-5)
    assert result.iwae_nll < result.negative_elbo + 4 * result.negative_elbo_se
    assert result.bits_per_dim == pytest.approx(result.iwae_nll / (D * math.log(2)))
    assert (result.n_examples, result.iwae_samples, result.information_examples) == (60, 64, 60)
    with eval_mode(model, seed=0):
        values = model.elbo(x).value
    whole = evaluate(model, x, iwae_samples=2, batch_size=60)  # one batch: the same draws
    assert whole.negative_elbo == pytest.approx(-values.mean().item(), rel=1e-5)
    assert whole.negative_elbo_se == pytest.approx(values.std().item() / 60**0.5, rel=1e-4)


def close(a, b):
    """Whether two evaluations agree up to rounding."""
    one, other = a.to_dict(), b.to_dict()
    return all(value == pytest.approx(other[name], rel=1e-5) for name, value in one.items())


def test_images_with_labels_and_real_values():
    """Maps for latents, real values for pixels, a label beside them: the same numbers, and no bits per dimension."""
    torch.manual_seed(0)
    model = TopDownVAE.convolutional((1, 4, 5), ((2, 2, 3), 3), 4, likelihood=Normal(), condition=Labels(3))
    x, c = torch.randn(60, 1, 4, 5), torch.randint(0, 3, (60,))
    result = evaluate(model, x, iwae_samples=8, batch_size=25, condition=c)
    assert list(result.kl) == ["z2", "z1"] and result.bits_per_dim is None
    assert result.negative_elbo == pytest.approx(result.distortion + sum(result.kl.values()), rel=1e-5)
    assert all(0 <= result.active_units[level] <= model.dims[level] for level in model.levels)
    assert list(reconstruction_errors(model, x, condition=c)) == [(), ("z2",), ("z2", "z1")]
    assert not close(result, evaluate(model, x, iwae_samples=8, batch_size=25, condition=c.flip(0)))


def test_repeats_itself_and_heeds_the_seed():
    model, x = model_and_data()
    first, again, other = (evaluate(model, x, iwae_samples=8, seed=seed) for seed in (0, 0, 1))
    assert close(first, again)
    assert not close(first, other)


def test_changes_nothing():
    model, x = model_and_data()
    model.train()
    frozen = next(module for module in model.modules() if isinstance(module, torch.nn.Linear))
    frozen.eval()
    modes = [module.training for module in model.modules()]
    parameters = {name: value.clone() for name, value in model.state_dict().items()}
    state, data = torch.random.get_rng_state(), x.clone()
    evaluate(model, x, iwae_samples=8)
    reconstruction_errors(model, x)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, parameters[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state) and torch.equal(x, data)


def test_an_error_inside_puts_everything_back_too():
    model, x = model_and_data()
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="x: expected 0 and 1; binarise"):
        evaluate(model, 2 * x + 1)
    assert model.training and torch.equal(torch.random.get_rng_state(), state) and torch.is_grad_enabled()


def test_dropout_is_off():
    torch.manual_seed(0)
    model = VAE.dense(D, (3,), hidden=(64,), dropout=0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    x = torch.bernoulli(torch.full((500, D), 0.3))
    result = evaluate(model, x, iwae_samples=1)
    model.eval()
    with torch.no_grad():
        values = torch.stack([model.elbo(x).value.mean() for _ in range(20)])
    assert result.negative_elbo == pytest.approx(-values.mean().item(), abs=6 * values.std().item() + 1e-3)


def test_goes_to_json():
    model, x = model_and_data()
    content = json.loads(json.dumps(evaluate(model, x, iwae_samples=2).to_dict()))
    assert content["kl"].keys() == {"z2", "z1"} and content["n_examples"] == 60


def test_progress_counts_rows():
    model, x = model_and_data()
    seen = []
    evaluate(model, x, iwae_samples=2, batch_size=25, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(25, 60), (50, 60), (60, 60)]


def test_more_samples_tighten_the_bound():
    model, x = model_and_data()
    with eval_mode(model, seed=0):
        few, many = (importance_bound(model, x, n).mean() for n in (1, 256))
    assert many > few


@pytest.mark.parametrize("x", [torch.zeros(1, D), torch.zeros(D)])
def test_too_few_rows(x):
    with pytest.raises(ValueError, match=r"x: expected a tensor \(N, \*shape\) with N at least 2"):
        evaluate(model_and_data()[0], x)


def test_reconstruction_errors_by_level():
    model, x = model_and_data()
    errors = reconstruction_errors(model, x)
    assert list(errors) == [(), ("z2",), ("z2", "z1")]
    with eval_mode(model, seed=0):
        expected = (model.reconstruct(x, keep=("z2",)) - x).pow(2).mean().sqrt().item()
    assert errors[("z2",)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda():
    model, x = model_and_data()
    state = torch.cuda.get_rng_state()
    result = evaluate(model.cuda(), x, iwae_samples=8)
    assert math.isfinite(result.iwae_nll) and torch.equal(torch.cuda.get_rng_state(), state)
