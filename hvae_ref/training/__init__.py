"""Training on `accelerate`: knows objectives, never the inside of a model."""

from hvae_ref.training.batches import Batches, derived_seed
from hvae_ref.training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.examples import Examples
from hvae_ref.training.fit import NonFiniteLoss, fit
from hvae_ref.training.history import EpochRecord, History, Terms
from hvae_ref.training.tensorboard import TensorBoardScalars

__all__ = [
    "Batches",
    "Checkpoint",
    "CheckpointError",
    "EpochRecord",
    "Examples",
    "History",
    "NonFiniteLoss",
    "TensorBoardScalars",
    "Terms",
    "TrainConfig",
    "derived_seed",
    "fit",
    "load_checkpoint",
    "save_checkpoint",
]
