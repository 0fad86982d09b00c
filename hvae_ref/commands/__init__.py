"""What the commands of `python -m hvae_ref` do."""

from hvae_ref.commands.run import evaluate, info, train
from hvae_ref.commands.sample import sample

__all__ = ["evaluate", "info", "sample", "train"]
