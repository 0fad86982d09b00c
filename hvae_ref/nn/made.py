"""Masked layers, which keep an order among their inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae_ref.distributions import Autoregressive
from hvae_ref.nn.layers import join
from hvae_ref.nn.likelihoods import Likelihood


class MaskedLinear(nn.Linear):
    """A linear layer some of whose connections are cut by a fixed mask (out_features, in_features)."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, in_features) to (…, out_features)."""
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """A masked autoencoder: output block i depends on x_1 … x_{i−1} and on the whole context.

    Args:
        data_dim: D, number of ordered inputs.
        outputs: numbers produced for each input.
        hidden: features of each hidden layer; each at least `data_dim` − 1 to be able to tell all inputs apart.
        context_dim: features of an unmasked context (B, C); 0 for none.

    Reference:
        Germain, Gregor, Murray and Larochelle (2015), MADE, https://arxiv.org/abs/1502.03509
    """

    def __init__(self, data_dim: int, outputs: int, hidden: Sequence[int], context_dim: int = 0) -> None:
        super().__init__()
        self.data_dim, self.outputs = data_dim, outputs
        degree = torch.arange(1, data_dim + 1)
        self.layers = nn.ModuleList()
        self.contexts = nn.ModuleList()
        for size in hidden:
            new_degree = torch.arange(size) % max(data_dim - 1, 1) + 1
            self.layers.append(MaskedLinear(new_degree[:, None] >= degree[None, :]))
            self.contexts.append(nn.Linear(context_dim, size, bias=False) if context_dim else nn.Identity())
            degree = new_degree
        last = torch.arange(1, data_dim + 1).repeat_interleave(outputs)
        self.head = MaskedLinear(last[:, None] > degree[None, :])
        self.head_context = nn.Linear(context_dim, data_dim * outputs, bias=False) if context_dim else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (B, D) and context (B, C) to (B, D, outputs)."""
        h = x
        for layer, inject in zip(self.layers, self.contexts, strict=True):
            h = layer(h)
            if context is not None:
                h = h + inject(context)
            h = nn.functional.silu(h)
        out = self.head(h)
        if context is not None and self.head_context is not None:
            out = out + self.head_context(context)
        return out.unflatten(-1, (self.data_dim, self.outputs))


class ConditionalAutoregressive(nn.Module):
    """p(x|·): pixels drawn one after the other, each given those before it and what stands behind the bar.

    Args:
        made: `data_dim` blocks of outputs, as many as the likelihood needs for a pixel. Its context is all that stands
            behind the bar, side by side.
        likelihood: of each pixel.
    """

    def __init__(self, made: MADE, likelihood: Likelihood) -> None:
        super().__init__()
        self.made, self.likelihood = made, likelihood

    def forward(self, *given: Tensor) -> Autoregressive:
        """The distribution, batch (B,), event (D,)."""
        context = join(*given)

        def conditionals(x: Tensor) -> torch.distributions.Distribution:
            """p(x_i | x_<i, ·) of every pixel i at once."""
            raw = self.made(self.likelihood.embed(x), context)
            return self.likelihood.distribution(raw.to(torch.promote_types(raw.dtype, torch.float32)))

        return Autoregressive(conditionals, context.shape[:-1], self.made.data_dim, like=context)
