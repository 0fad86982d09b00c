"""Training: `fit` drives any step that turns a batch into a loss; it never knows what is inside a model."""

from hvae_ref.data.seeds import derived_seed
from hvae_ref.training.batches import Batches
from hvae_ref.training.breakdown import NonFiniteLoss
from hvae_ref.training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.elbo_step import ElboStep, elbo_of_model
from hvae_ref.training.fit import fit
from hvae_ref.training.history import EpochRecord, History, Terms
from hvae_ref.training.run import Callback
from hvae_ref.training.steps import FunctionStep, Step, StepResult
from hvae_ref.training.tensorboard import TensorBoardScalars

__all__ = [
    "Batches",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "ElboStep",
    "EpochRecord",
    "FunctionStep",
    "History",
    "NonFiniteLoss",
    "Step",
    "StepResult",
    "TensorBoardScalars",
    "Terms",
    "TrainConfig",
    "derived_seed",
    "elbo_of_model",
    "fit",
    "load_checkpoint",
    "save_checkpoint",
]
