"""A variational autoencoder in plain NumPy: the forward pass, every gradient by hand, and Adam."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvae_ref.errors import unmasked

Array = NDArray[np.floating]


class Forward(NamedTuple):
    """What the backward pass needs to remember of the forward pass."""

    h: Array
    mu: Array
    log_sigma: Array
    z: Array
    g: Array
    logits: Array


class NumpyVAE:
    """p(z) = N(0, I), p(x|z) = Bernoulli(logits(z)), q(z|x) = N(μ(x), diag σ(x)²); eq. 1.5 in the book.

    h = f(x A + a), μ = h M + m, log σ = h S + s;    z = μ + σ ε, ε ~ N(0, I);    g = f(z C + c), logits = g D + d.
    μ and log σ have a weight matrix each. All arithmetic is in float64.

    Args:
        data_dim: number of pixels.
        latent_dim: size of z.
        hidden: size of h and of g.
        activation: f, "tanh" or "relu".
        seed: of the initial weights, of ε and of the order of the data.

    Attributes:
        parameters: the arrays A, a, M, m, S, s, C, c, D, d by these names.

    Reference:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114

    >>> model = NumpyVAE(data_dim=64, latent_dim=8, hidden=32)
    >>> loss, gradients = model.loss_and_gradients(np.ones((5, 64)), eps=np.zeros((5, 8)))
    >>> sorted(gradients) == sorted(model.parameters)
    True
    """

    def __init__(
        self,
        data_dim: int,
        latent_dim: int = 8,
        hidden: int = 128,
        activation: Literal["tanh", "relu"] = "tanh",
        seed: int = 0,
    ) -> None:
        for name, size in (("data_dim", data_dim), ("latent_dim", latent_dim), ("hidden", hidden)):
            if size < 1:
                raise ValueError(f"{name}: expected at least 1, got {size}")
        if activation not in ("tanh", "relu"):
            raise ValueError(f"activation: expected 'tanh' or 'relu', got {activation!r}")
        self.data_dim, self.latent_dim, self.activation = data_dim, latent_dim, activation
        self.rng = np.random.default_rng(seed)
        shapes = {
            "A": (data_dim, hidden),
            "M": (hidden, latent_dim),
            "S": (hidden, latent_dim),
            "C": (latent_dim, hidden),
            "D": (hidden, data_dim),
        }
        self.parameters: dict[str, Array] = {}
        for name, (size_in, size_out) in shapes.items():
            self.parameters[name] = self.rng.normal(0, size_in**-0.5, (size_in, size_out))
            self.parameters[name.lower()] = np.zeros(size_out)
        # Adam's running means of the gradient and of its square, and the number of steps taken.
        self.first = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.second = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.steps = 0

    def forward(self, x: Array, eps: Array) -> Forward:
        """From x (B, D) and ε (B, d) to the logits of p(x|z), keeping what lies between."""
        w = self.parameters
        h = self._activate(x @ w["A"] + w["a"])
        mu = h @ w["M"] + w["m"]
        log_sigma = h @ w["S"] + w["s"]
        z = mu + np.exp(log_sigma) * eps
        g = self._activate(z @ w["C"] + w["c"])
        return Forward(h, mu, log_sigma, z, g, logits=g @ w["D"] + w["d"])

    def negative_elbo(self, x: Array, eps: Array) -> Array:
        """−log p(x|z) + KL(q(z|x) ‖ p(z)) of each example at z = μ + σ ε; (B,) nats."""
        return self._negative_elbo(self._check(x, eps), self.forward(x, eps))

    def loss_and_gradients(self, x: Array, eps: Array) -> tuple[float, dict[str, Array]]:
        """The mean −ELBO of a batch and its derivative by every parameter, by backpropagation.

        Args:
            x: (B, D), zeros and ones.
            eps: ε ~ N(0, I), (B, d): the noise that z = μ + σ ε is made of.

        Returns:
            The loss in nats, and one array a parameter, of the parameter's shape.

        Raises:
            ValueError: for wrong shapes or an x that is not binary.
        """
        x = self._check(x, eps)
        w, n, grad = self.parameters, len(x), {}
        h, mu, log_sigma, z, g, logits = out = self.forward(x, eps)
        sigma = np.exp(log_sigma)

        d_logits = (sigmoid(logits) - x) / n  # ∂/∂l [log(1 + e^l) − x l] = σ(l) − x
        grad["D"], grad["d"] = g.T @ d_logits, d_logits.sum(0)  # logits = g D + d
        d_g = d_logits @ w["D"].T * self._slope(g)  # through g = f(·)
        grad["C"], grad["c"] = z.T @ d_g, d_g.sum(0)  # · = z C + c
        d_z = d_g @ w["C"].T
        d_mu = d_z + mu / n  # ∂z/∂μ = 1;            ∂KL/∂μ = μ
        d_log_sigma = d_z * eps * sigma + (sigma**2 - 1) / n  # ∂z/∂log σ = σ ε;  ∂KL/∂log σ = σ² − 1
        grad["M"], grad["m"] = h.T @ d_mu, d_mu.sum(0)  # μ = h M + m
        grad["S"], grad["s"] = h.T @ d_log_sigma, d_log_sigma.sum(0)  # log σ = h S + s
        d_h = (d_mu @ w["M"].T + d_log_sigma @ w["S"].T) * self._slope(h)  # h feeds both heads
        grad["A"], grad["a"] = x.T @ d_h, d_h.sum(0)  # h = f(x A + a)
        return float(self._negative_elbo(x, out).mean()), grad

    def step(self, x: Array, eps: Array | None = None, learning_rate: float = 1e-3) -> float:
        """One step of Adam (β₁ = 0.9, β₂ = 0.999) on a batch; returns the loss before it, in nats."""
        eps = self.rng.standard_normal((len(x), self.latent_dim)) if eps is None else eps
        loss, gradients = self.loss_and_gradients(x, eps)
        self.steps += 1
        for name, gradient in gradients.items():
            self.first[name] += 0.1 * (gradient - self.first[name])
            self.second[name] += 0.001 * (gradient**2 - self.second[name])
            mean = self.first[name] / (1 - 0.9**self.steps)
            square = self.second[name] / (1 - 0.999**self.steps)
            self.parameters[name] -= learning_rate * mean / (np.sqrt(square) + 1e-8)
        return loss

    def fit(self, x: Array, epochs: int, batch_size: int = 50, learning_rate: float = 1e-3) -> list[float]:
        """Train on all of x (N, D) in random order; returns each epoch's mean training loss, in nats."""
        if epochs < 1 or batch_size < 1:
            raise ValueError(f"epochs, batch_size: expected at least 1, got {epochs} and {batch_size}")
        losses = []
        for _ in range(epochs):
            batches = np.split(self.rng.permutation(len(x)), range(batch_size, len(x), batch_size))
            total = sum(len(rows) * self.step(x[rows], learning_rate=learning_rate) for rows in batches)
            losses.append(total / len(x))
        return losses

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of q(z|x), (B, d) each."""
        eps = np.zeros((len(x), self.latent_dim))
        out = self.forward(self._check(x, eps), eps)
        return out.mu, np.exp(out.log_sigma)

    def decode(self, z: Array) -> Array:
        """P(pixel = 1 | z), (B, D), for z (B, d)."""
        w = self.parameters
        return sigmoid(self._activate(z @ w["C"] + w["c"]) @ w["D"] + w["d"])

    def sample(self, n: int) -> Array:
        """Draw z from the prior, then x from p(x|z): (n, D), zeros and ones."""
        probabilities = self.decode(self.rng.standard_normal((n, self.latent_dim)))
        return (self.rng.random(probabilities.shape) < probabilities).astype(float)

    def _negative_elbo(self, x: Array, out: Forward) -> Array:
        nll = (np.logaddexp(0, out.logits) - x * out.logits).sum(1)
        kl = 0.5 * (out.mu**2 + np.exp(2 * out.log_sigma) - 1 - 2 * out.log_sigma).sum(1)
        return nll + kl

    def _activate(self, a: Array) -> Array:
        return np.tanh(a) if self.activation == "tanh" else np.maximum(a, 0)

    def _slope(self, f: Array) -> Array:
        """f′ written in terms of f itself: 1 − tanh², or 1 where relu is positive."""
        return 1 - f**2 if self.activation == "tanh" else (f > 0).astype(float)

    def _check(self, x: Array, eps: Array) -> Array:
        if np.ndim(x) != 2 or np.shape(x)[1] != self.data_dim:
            raise ValueError(f"x: expected shape (batch, {self.data_dim}), got {np.shape(x)}")
        if np.shape(eps) != (len(x), self.latent_dim):
            raise ValueError(f"eps: expected shape ({len(x)}, {self.latent_dim}), got {np.shape(eps)}")
        x = np.asarray(unmasked("x", x), dtype=np.float64)
        if not np.isin(x, (0, 1)).all():
            raise ValueError(f"x: expected zeros and ones, got {x.min():g} to {x.max():g}; binarise the data")
        return x


def sigmoid(a: Array) -> Array:
    """1 / (1 + e^−a), through tanh, which does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * a))
