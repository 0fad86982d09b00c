"""Training steps written by hand in plain torch: the same nets and numbers as the package's, and none of its code.

Imported by `training_overhead`. Tensors and losses stand where the package has distributions and an `Elbo`; nothing is
checked, named or kept. `training_overhead` compares its loss with the package's before it measures anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Loss = Callable[[Tensor], Tensor]
"""−ELBO of a batch (B, 64), a scalar in nats for an example."""

FLOOR, SOFT, RATIO = -6.0, 5.0, 5.0


def log_sigma(raw: Tensor) -> Tensor:
    """log σ with a smooth floor at −6, and a slow growth above 5."""
    above = SOFT + torch.log1p(functional.relu(raw - SOFT))
    return FLOOR + functional.softplus(torch.where(raw > SOFT, above, raw) - FLOOR)


def drawn(loc: Tensor, scale: Tensor) -> Tensor:
    """A reparameterised sample."""
    return loc + scale * torch.randn_like(loc)


def loss_of(model: nn.Module) -> Loss:
    """The hand-written loss of a dense `VAE` or a dense `TopDownVAE` of two levels, with the model's own plain nets."""
    if hasattr(model, "q_z1_given_x"):
        return vae(model.q_z1_given_x.net, model.p_x_given_z1.net)
    side, into, likelihood = model.side_path, model.descent, model.likelihood
    nets = {
        "embed": side["z1"][0],
        "side": (side["z1"][-1], side["z2"]),
        "posterior": (model.posterior["z1"].net, model.posterior["z2"].net),
        "prior": model.prior["z1"].net,
        "into": (into["z1"][0], into["z2"][0]),
        "after": (into["z1"][-1], into["z2"][-1]),
        "pixels": model.p_x_given_state.net,
    }
    return top_down(nets, None if likelihood.outputs == 1 else likelihood.num_values)


def vae(encoder: nn.Module, decoder: nn.Module) -> Loss:
    """−ELBO of a VAE with pixels 0 and 1: cross-entropy with logits, and the KL to N(0, I) in closed form.

    Args:
        encoder: maps 2x − 1 to μ and raw log σ, side by side.
        decoder: maps z to logits.
    """

    def loss(x: Tensor) -> Tensor:
        loc, raw = encoder(2 * x - 1).chunk(2, 1)
        log_scale = log_sigma(raw)
        scale = log_scale.exp()
        logits = decoder(drawn(loc, scale))
        error = functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        kl = 0.5 * (loc.square() + scale.square() - 1).sum(1) - log_scale.sum(1)
        return (error + kl).mean()

    return loss


def residual(block: Any) -> Callable[[Tensor], Tensor]:  # noqa: ANN401
    """h + f(norm(h)), from the two modules of a block."""
    norm, net = block.norm, block.net
    return lambda h: h + net(norm(h))


def top_down(nets: dict[str, Any], values: int | None) -> Loss:
    """−ELBO of a top-down VAE with two levels, relative posteriors and a residual state.

    Args:
        nets: `embed`, `side` (two blocks), `posterior` (two nets, the bottom's first), `prior` (the bottom's), `into`
            (two linear layers, the bottom's first), `after` (two blocks, the bottom's first) and `pixels`.
        values: V of grey levels under a mixture of five discretised logistics; None for pixels 0 and 1.
    """
    side, after = [residual(block) for block in nets["side"]], [residual(block) for block in nets["after"]]
    half = None if values is None else (values - 1) / 2

    def loss(x: Tensor) -> Tensor:
        r1 = side[0](nets["embed"](2 * x - 1 if half is None else x / half - 1))
        r2 = side[1](r1)
        shift, raw = nets["posterior"][1](r2).chunk(2, 1)
        log_ratio = RATIO * torch.tanh(raw / RATIO)
        ratio = log_ratio.exp()
        kl = 0.5 * (shift.square() + ratio.square() - 1).sum(1) - log_ratio.sum(1)
        state = after[1](nets["into"][1](drawn(shift, ratio)))
        loc, raw = nets["prior"](state).chunk(2, 1)
        scale = log_sigma(raw).exp()
        shift, raw = nets["posterior"][0](r1).chunk(2, 1)
        log_ratio = RATIO * torch.tanh(raw / RATIO)
        ratio = log_ratio.exp()
        kl = kl + 0.5 * ((shift / scale).square() + ratio.square() - 1).sum(1) - log_ratio.sum(1)
        state = state + after[0](nets["into"][0](drawn(loc + shift, scale * ratio)))
        out = nets["pixels"](state)
        if half is None:
            error = functional.binary_cross_entropy_with_logits(out, x, reduction="none").sum(1)
        else:
            error = -logistic_mixture(out.unflatten(1, (64, -1)), x, values).sum(1)
        return (error + kl).mean()

    return loss


def logistic_mixture(out: Tensor, x: Tensor, values: int) -> Tensor:
    """log P(x) (B, D) under mixtures of discretised logistics, from logits, locations and scales (B, D, 3 K)."""
    logits, loc, raw = out.chunk(3, -1)
    half, x = (values - 1) / 2, x.unsqueeze(-1)
    loc, scale = half * (1 + loc), log_sigma(raw).exp() * half / 4
    upper, lower = (x + 0.5 - loc) / scale, (x - 0.5 - loc) / scale
    first, last = x <= 0, x >= values - 1
    below = torch.where(last, 0.0, functional.logsigmoid(upper))
    above = torch.where(first, 0.0, functional.logsigmoid(-lower))
    width = torch.where(first | last, 0.0, torch.log(-torch.expm1(-1 / scale)))
    return torch.logsumexp(torch.log_softmax(logits, -1) + below + above + width, -1)


def train(loss: Loss, parameters: list[nn.Parameter], x: Tensor, epochs: int, batch: int, rate: float) -> None:
    """Adam on a loss, batch by batch.

    Args:
        loss: −ELBO of a batch.
        parameters: what is changed.
        x: (N, 64).
        epochs: passes over x.
        batch: examples in a step.
        rate: learning rate.
    """
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(batch):
            value = loss(x[chosen])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
