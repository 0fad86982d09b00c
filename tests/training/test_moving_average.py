"""The moving average of a model: learned weights are averaged, what is counted or measured is copied."""

import torch
from torch import nn

from hvae_ref.training.weights import MovingAverage


def test_weights_are_averaged_and_buffers_copied():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).double()
    average, decay = MovingAverage(model, 0.9), 0.9
    mean = model[0].weight.detach().clone()
    for _ in range(40):
        with torch.no_grad():
            model[0].weight.add_(torch.randn(3, 3))
            model(5.0 + torch.randn(64, 3).double())
        average.update()
        mean = decay * mean + (1 - decay) * model[0].weight.detach()
    torch.testing.assert_close(average.weights["0.weight"], mean)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(average.weights[f"1.{name}"], model.get_buffer(f"1.{name}"))
    assert average.weights["1.running_mean"] is not model[1].running_mean


def test_tied_weights_are_averaged_under_both_names():
    first = nn.Linear(2, 2)
    model = nn.ModuleList([first, nn.Linear(2, 2)])
    model[1].weight = first.weight
    average = MovingAverage(model, 0.5)
    begun = first.weight.detach().clone()
    with torch.no_grad():
        first.weight.add_(1.0)
    average.update()
    for name in ("0.weight", "1.weight"):
        torch.testing.assert_close(average.weights[name], begun + 0.5)
