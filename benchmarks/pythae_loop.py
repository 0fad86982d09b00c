"""A model of one level in pythae's clothes: the same nets, trained by pythae's own trainer.

Imported by `training_overhead`; pythae (Chadebec, Vincent and Allassonnière, 2022, https://arxiv.org/abs/2206.08309) is
optional.
"""

from __future__ import annotations

import logging
import tempfile
from importlib import metadata

import torch
from torch import Tensor

from hvae_ref.models import VAE


def version() -> str | None:
    """Version of pythae, or None where it is not installed."""
    try:
        return metadata.version("pythae")
    except metadata.PackageNotFoundError:
        return None


def train(model: VAE, x: Tensor, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Train the nets of a Bernoulli VAE with pythae.

    Args:
        model: its weights are changed.
        x: (N, D), zeros and ones.
        epochs: passes over x.
        batch_size: examples in a step.
        learning_rate: of AdamW without weight decay.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import CallbackHandler, TrainingCallback

    # Each of pythae's modules has a logger and a handler of its own; this one tells of every folder it makes.
    logging.getLogger(BaseTrainer.__module__).setLevel(logging.WARNING)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = model.q_z1_given_x.net

        def forward(self, x: Tensor) -> ModelOutput:
            loc, log_sigma = self.net(x).chunk(2, -1)
            return ModelOutput(embedding=loc, log_covariance=2 * log_sigma)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = model.p_x_given_z1.net

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    class Quiet(BaseTrainer):
        def _setup_callbacks(self) -> None:  # without progress bar and log lines
            self.callback_handler = CallbackHandler([TrainingCallback()], self.model)

    config = VAEConfig(input_dim=tuple(model.x_shape), latent_dim=model.dims["z1"], reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as folder:
        Quiet(
            PythaeVAE(config, encoder=Encoder(), decoder=Decoder()),
            BaseDataset(x, torch.zeros(len(x))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                per_device_train_batch_size=batch_size,
                learning_rate=learning_rate,
                optimizer_cls="AdamW",
                optimizer_params={"weight_decay": 0.0, "fused": True},
                no_cuda=True,
            ),
        ).train()
