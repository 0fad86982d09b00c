"""A dense top-down model of twenty levels trains: its logits used to break in every run."""

import torch

from hvae_ref.models import TopDownVAE


def test_twenty_levels_train_without_breaking() -> None:
    torch.manual_seed(0)
    patterns = (torch.rand(8, 64) < 0.5).float()
    x = patterns.repeat(8, 1)
    model = TopDownVAE.dense(64, latent_dims=(8,) * 20, hidden=48)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    bounds, norms = [], []
    for _ in range(25):
        bound = model.elbo(x).value.mean()
        optimizer.zero_grad()
        (-bound).backward()
        norms.append(torch.stack([p.grad.norm() for p in model.parameters()]).norm().item())
        optimizer.step()
        bounds.append(bound.item())
    assert all(map(torch.isfinite, torch.tensor([*bounds, *norms])))
    assert bounds[-1] > bounds[0] + 10
    assert max(norms) < 2000


def test_priors_of_many_levels_read_a_state_of_one_size() -> None:
    """The state is a sum over the levels above: without a norm, the priors of a deep model read ever larger numbers."""
    torch.manual_seed(0)
    few, many = (TopDownVAE.dense(64, latent_dims=(4,) * levels, hidden=16) for levels in (5, 6))
    norms = [
        [any(isinstance(part, torch.nn.LayerNorm) for part in model.prior[level].modules()) for level in model.levels]
        for model in (few, many)
    ]
    assert norms == [[False] * 5, [False, *[True] * 5]]
