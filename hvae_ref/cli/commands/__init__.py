"""What the commands of `python -m hvae_ref` do."""

from hvae_ref.cli.commands.run import evaluate, info, train
from hvae_ref.cli.commands.sample import sample

__all__ = ["evaluate", "info", "sample", "train"]
