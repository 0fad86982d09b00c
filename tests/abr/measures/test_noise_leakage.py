"""The share of the noise that a reconstruction repeats, on codes whose share is known."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hvae_ref.abr import noise_leakage, without_noise
from hvae_ref.abr.data import generate, read_recordings, write_recordings


class Repeats(nn.Module):
    """Its latent is the response; it answers a share of it beside a given signal."""

    levels = ("z_global",)

    def __init__(self, share: float, signal: torch.Tensor) -> None:
        super().__init__()
        self.share, self.signal = share, signal

    def encode(self, x, *, condition):
        return {"z_global": SimpleNamespace(mean=x)}

    def decode(self, z, *, condition):
        return SimpleNamespace(mean=self.share * z["z_global"] + (1 - self.share) * self.signal)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_model_that_repeats_a_share_of_the_recording_keeps_that_share_of_its_noise(share):
    data = generate(20, seed=3)
    assert noise_leakage(Repeats(share, without_noise(data)), data) == pytest.approx(share, abs=1e-5)


def test_a_response_without_its_noise_is_nothing_of_the_noise():
    data = generate(400, seed=4)
    clean = without_noise(data)
    louder = Repeats(0.0, 1.5 * clean)  # an error of its own, unrelated to the noise
    assert abs(noise_leakage(louder, data)) < 0.05


def test_recordings_and_responses_without_noise_are_refused(tmp_path):
    data = generate(3, seed=5)
    model = Repeats(0.5, without_noise(data))
    with pytest.raises(ValueError, match="data: expected responses with noise"):
        noise_leakage(model, replace(data, x=without_noise(data)))
    write_recordings(data, tmp_path / "own.csv")
    with pytest.raises(ValueError, match="data: expected generated responses"):
        noise_leakage(model, read_recordings(tmp_path / "own.csv"))
