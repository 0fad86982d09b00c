"""The NumPy VAE: every gradient against autograd, Adam against torch's, and learning against a constant model."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from hvae_ref.data import load
from hvae_ref.models import NumpyVAE


def twin(model: NumpyVAE) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, requires_grad=True) for name, value in model.parameters.items()}


def twin_loss(w: dict[str, torch.Tensor], activation: str, x: np.ndarray, eps: np.ndarray) -> torch.Tensor:
    """The same loss from torch's distributions, sharing no formula with the NumPy code."""
    f = {"tanh": torch.tanh, "relu": torch.relu}[activation]
    x, eps = torch.tensor(x), torch.tensor(eps)
    h = f(x @ w["A"] + w["a"])
    q = Normal(h @ w["M"] + w["m"], (h @ w["S"] + w["s"]).exp())
    z = q.loc + q.scale * eps
    p = Bernoulli(logits=f(z @ w["C"] + w["c"]) @ w["D"] + w["d"])
    kl = kl_divergence(q, Normal(torch.zeros_like(z), torch.ones_like(z))).sum(1)
    return (kl - p.log_prob(x).sum(1)).mean()


def random_case(seed: int, activation: str, batch: int = 7) -> tuple[NumpyVAE, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = NumpyVAE(data_dim=11, latent_dim=3, hidden=9, activation=activation, seed=seed)
    for value in model.parameters.values():
        value += 0.3 * rng.standard_normal(value.shape)
    return model, rng.integers(0, 2, (batch, 11)).astype(float), rng.standard_normal((batch, 3))


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_every_gradient_agrees_with_autograd(activation: str, seed: int, batch: int) -> None:
    """‖hand − autograd‖_∞ / ‖autograd‖_∞ ≤ 1e-8 for each parameter by itself."""
    model, x, eps = random_case(seed, activation, batch)
    loss, gradients = model.loss_and_gradients(x, eps)
    w = twin(model)
    expected = twin_loss(w, activation, x, eps)
    expected.backward()
    assert abs(loss - expected.item()) <= 1e-12 * abs(loss)
    assert gradients.keys() == w.keys()
    for name, gradient in gradients.items():
        autograd = w[name].grad.numpy()
        assert gradient.dtype == np.float64 and np.abs(autograd).max() > 1e-4, name
        assert np.abs(gradient - autograd).max() / np.abs(autograd).max() <= 1e-8, name


def test_gradients_agree_on_real_data_at_the_size_of_the_chapter() -> None:
    x = load("digits", "train", binarize="static").x[:50].double().numpy()
    model = NumpyVAE(64, seed=3)
    eps = np.random.default_rng(0).standard_normal((50, 8))
    _, gradients = model.loss_and_gradients(x, eps)
    w = twin(model)
    twin_loss(w, "tanh", x, eps).backward()
    for name, gradient in gradients.items():
        autograd = w[name].grad.numpy()
        assert np.abs(gradient - autograd).max() / np.abs(autograd).max() <= 1e-8, name


def test_steps_are_those_of_torchs_adam() -> None:
    model, x, _ = random_case(5, "tanh")
    w = twin(model)
    optimizer = torch.optim.Adam(w.values(), lr=3e-3)
    for seed in range(20):
        eps = np.random.default_rng(seed).standard_normal((7, 3))
        loss = model.step(x, eps, learning_rate=3e-3)
        optimizer.zero_grad()
        expected = twin_loss(w, "tanh", x, eps)
        expected.backward()
        optimizer.step()
        assert abs(loss - expected.item()) < 1e-8
    for name, value in model.parameters.items():
        np.testing.assert_allclose(value, w[name].detach().numpy(), rtol=1e-8, atol=1e-8)


def test_it_learns_more_than_the_best_constant_model() -> None:
    """Test −ELBO on binarised digits at least 2 nats below independent pixels of the training set's frequencies."""
    train, test = (load("digits", s, binarize="static").x.double().numpy() for s in ("train", "test"))
    p = (train.sum(0) + 1) / (len(train) + 2)
    constant = -(test * np.log(p) + (1 - test) * np.log(1 - p)).sum(1).mean()
    model = NumpyVAE(64, latent_dim=8, hidden=128, seed=0)
    eps = np.random.default_rng(1).standard_normal((len(test), 8))
    before = model.negative_elbo(test, eps).mean()
    losses = model.fit(train, epochs=60)
    after = model.negative_elbo(test, eps).mean()
    assert len(losses) == 60 and losses[-1] < losses[10] < losses[0]
    assert after < constant - 2 < constant < before, (after, constant, before)
    mean, sigma = model.encode(test)
    assert (mean.var(0) > 0.1).sum() >= 2, "no latent is in use"
    assert (sigma > 0).all()


def test_negative_elbo_is_per_example() -> None:
    model, x, eps = random_case(2, "tanh")
    per_example = model.negative_elbo(x, eps)
    assert per_example.shape == (7,)
    assert np.isclose(per_example.mean(), model.loss_and_gradients(x, eps)[0], rtol=1e-14)
    changed = x.copy()
    changed[0] = 1 - changed[0]
    difference = model.negative_elbo(changed, eps) - per_example
    assert difference[0] != 0 and np.abs(difference[1:]).max() == 0


def test_extreme_logits_neither_overflow_nor_saturate() -> None:
    model, x, eps = random_case(2, "relu")
    model.parameters["d"][:] = 1e4 * (1 - 2 * x[0])
    with np.errstate(all="raise", under="ignore"):
        loss, gradients = model.loss_and_gradients(x[:1], eps[:1])
    assert loss > 1e4 and all(np.isfinite(g).all() for g in gradients.values())


def test_the_same_seed_gives_the_same_run() -> None:
    x = np.random.default_rng(0).integers(0, 2, (30, 11)).astype(float)
    runs = [NumpyVAE(11, 3, 9, seed=4) for _ in range(2)]
    assert runs[0].fit(x, 3, batch_size=7) == runs[1].fit(x, 3, batch_size=7)
    assert np.array_equal(runs[0].sample(5), runs[1].sample(5))
    assert NumpyVAE(11, 3, 9, seed=5).fit(x, 3, batch_size=7) != NumpyVAE(11, 3, 9, seed=4).fit(x, 3, batch_size=7)


def test_samples_are_binary_and_decoding_gives_probabilities() -> None:
    model, _, _ = random_case(1, "tanh")
    samples, p = model.sample(200), model.decode(np.zeros((3, 3)))
    assert samples.shape == (200, 11) and set(np.unique(samples)) == {0.0, 1.0}
    assert p.shape == (3, 11) and ((p > 0) & (p < 1)).all()


def test_what_does_not_fit_is_refused() -> None:
    model, x, eps = random_case(0, "tanh")
    with pytest.raises(ValueError, match=r"x: expected shape \(batch, 11\), got \(7, 10\)"):
        model.loss_and_gradients(x[:, :10], eps)
    with pytest.raises(ValueError, match=r"eps: expected shape \(7, 3\), got \(6, 3\)"):
        model.loss_and_gradients(x, eps[:6])
    with pytest.raises(ValueError, match="x: expected zeros and ones, got 0 to 0.5; binarise"):
        model.negative_elbo(x / 2, eps)
    with pytest.raises(ValueError, match="batch_size: expected at least 1"):
        model.fit(x, 1, batch_size=0)
    with pytest.raises(ValueError, match="latent_dim: expected at least 1, got 0"):
        NumpyVAE(11, latent_dim=0)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="activation: expected 'tanh' or 'relu', got 'gelu'"):
        NumpyVAE(11, activation="gelu")
