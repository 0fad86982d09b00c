"""Values are checked on the first pass over data in memory, and on every pass over data that may change."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hvae_ref.data.examples import Examples
from hvae_ref.distributions.tracing import values_are_known, values_looked_at
from hvae_ref.models import VAE
from hvae_ref.training import NonFiniteLoss, TrainConfig, fit

CONFIG = TrainConfig(epochs=3, batch_size=10, device="cpu", progress=False)


def vae():
    return VAE.dense(6, (2,), hidden=(8,))


class Spoilt(TensorDataset):
    """Zeros and ones; from the second pass on, its last row has a two."""

    passes = 0

    def __getitem__(self, index):
        if index == 0:
            self.passes += 1
        return super().__getitem__(index)[0] + (2.0 if index == 29 and self.passes > 1 else 0.0)


def test_a_loader_is_looked_at_in_every_epoch():
    data = Spoilt(torch.zeros(30, 6))
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        fit(vae(), DataLoader(data, batch_size=10), config=CONFIG)
    assert data.passes == 2


def test_data_in_memory_are_looked_at_whole_and_once(monkeypatch):
    x = torch.zeros(30, 6)
    x[17, 2] = 0.5
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        fit(vae(), x, config=CONFIG)
    known = []

    def step(model, batch):
        known.append(values_are_known())
        return -model.elbo(batch.x).value.mean()

    fit(vae(), torch.zeros(30, 6), step=step, config=CONFIG)
    assert known == [True] * 3 + [False] * 6
    known.clear()

    def transform(x, generator):
        return x

    fit(vae(), Record(torch.zeros(30, 6), transform), step=step, config=CONFIG)
    assert known == [True] * 9  # a transform of the user's may give anything
    assert values_are_known()


class Record(Examples):
    """Examples with a transform of each batch."""

    def __init__(self, x, batch_transform):
        super().__init__(x)
        object.__setattr__(self, "batch_transform", batch_transform)


def test_a_breakdown_in_a_later_epoch_is_one():
    model, steps = vae(), []

    def step(model, batch):
        steps.append(1)
        loss = -model.elbo(batch.x).value.mean()
        return loss * torch.nan if len(steps) == 5 else loss

    with pytest.raises(NonFiniteLoss, match="epoch 2"):
        fit(model, torch.zeros(30, 6), step=step, config=CONFIG)
    assert values_are_known()


def test_what_was_looked_at_is_checked_again_outside():
    model = vae()
    with values_looked_at():
        model.elbo(torch.full((2, 6), 0.5))
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        model.elbo(torch.full((2, 6), 0.5))
